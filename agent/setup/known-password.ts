// The password that is there before anything is done, and the file that the agent takes it from.

import { readFileSync } from 'node:fs'
import type { MysqlConfig } from '../config/login.ts'
import { passwordIn, readPasswordFile, unreadable } from '../config/password-file.ts'
import { Stop } from './stop.ts'

/** `known` is null where none is there yet. `file` is null where it stands in agent.yaml or in its option file. */
export type Password = { readonly known: string | null; readonly file: string | null; readonly isInPlace: boolean }

const standardInput = 0

/** What an operator brings (`from`, `-` is standard input) comes before what stands in the file; that is never replaced unasked. */
export const knownPassword = (mysql: MysqlConfig, from: string | null, config: string): Password => {
  const { passwordFile: file = null } = mysql
  const given = from === null ? null : givenPassword(from)
  if (file === null) {
    const written = mysql.password()
    if (written === '') {
      throw new Stop(
        `${config} does not say where the password stands; write password_credential: password under mysql`,
      )
    }
    if (given !== null && given !== written) {
      throw new Stop(
        `${config} or its option file has another password; write it there, or password_credential: password`,
      )
    }
    return { known: written, file, isInPlace: true }
  }
  const read = readPasswordFile(file)
  if (!read.ok && read.why === 'wrong') throw new Stop(read.text)
  const inFile = read.ok ? read.password : null
  const known = given ?? inFile
  return { known, file, isInPlace: known !== null && known === inFile }
}

const givenPassword = (from: string): string => {
  const name = from === '-' ? 'standard input' : from
  let text: string
  try {
    text = readFileSync(from === '-' ? standardInput : from, 'utf8')
  } catch (error) {
    throw new Stop(unreadable(name, error))
  }
  const read = passwordIn(text, name, false)
  if (!read.ok) throw new Stop(read.text)
  return read.password
}
