// Does what was planned: the password file first, so that no user is ever left with a password that nobody knows.

import { readFileSync, rmSync } from 'node:fs'
import { textOf } from '../core/error-text.ts'
import type { Failure } from '../probe/core/failure.ts'
import type { Administrator } from './administrator.ts'
import { placeholder } from './core/sentences.ts'
import { isMariaDb, type Seen } from './core/server.ts'
import { type Secret, type Step, statementsOf } from './core/statements.ts'
import { nativeHash, writePassword } from './password.ts'
import { Stop } from './stop.ts'

/** A password, and the file that it is to be put into; null where it stands there already. */
export type NewPassword = { readonly text: string; readonly file: string | null }

/** `inClear`: the server took no hash. `statement` has no password in it; `isBegun`: what came before it is done. */
export type CarriedOut =
  | { readonly kind: 'done'; readonly inClear: boolean }
  | { readonly kind: 'undone'; readonly statement: string; readonly failure: Failure; readonly isBegun: boolean }

/** MariaDB's plugins that look at passwords refuse a hash (strict_password_validation). */
const wantsClear = /^error (1290|1372)\b/

/** Carries the steps out. Where the first one fails the file is as it was; where the file cannot be written nothing is done. */
export const carryOut = async (
  { rows }: Administrator,
  seen: Seen,
  steps: readonly Step[],
  { text, file }: NewPassword,
): Promise<CarriedOut> => {
  const restore = file === null ? () => undefined : replaceFile(file, text)
  // MariaDB writes statements into its logs as they are: it gets the hash where it takes one.
  const clear: Secret = { kind: 'clear', text }
  const secrets: readonly Secret[] = isMariaDb(seen) ? [{ kind: 'hash', text: nativeHash(text) }, clear] : [clear]
  let isBegun = false
  let inClear = false
  for (const step of steps) {
    for (const [i, statement] of statementsOf(step, placeholder).entries()) {
      let failure: Failure | null = null
      for (const secret of secrets) {
        const told = await rows(statementsOf(step, secret)[i] ?? '')
        failure = told.ok ? null : told.failure
        if (failure === null || !wantsClear.test(failure.text)) {
          inClear ||= isMariaDb(seen) && secret.kind === 'clear' && failure === null
          break
        }
      }
      if (failure !== null) {
        if (!isBegun) restore()
        return { kind: 'undone', statement, failure, isBegun }
      }
      isBegun = true
    }
  }
  return { kind: 'done', inClear }
}

/** Puts the password into the file; what is returned brings back what was there. */
const replaceFile = (file: string, text: string): (() => void) => {
  let before: string | null = null
  try {
    before = readFileSync(file, 'utf8')
  } catch {
    // None is there, or the write tells what is wrong.
  }
  try {
    writePassword(file, text)
  } catch (error) {
    throw new Stop(`${file} cannot be written: ${textOf(error)}. Nothing was changed`)
  }
  return () => (before === null ? rmSync(file, { force: true }) : writePassword(file, before.replace(/\r?\n$/, '')))
}
