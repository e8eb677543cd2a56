// Files that hold a password for another program: one line, readable by its owner alone.

import { readFileSync, statSync } from 'node:fs'
import type { Finding } from './document.ts'

/** The password, or what is wrong with the file. `warning` where others than its owner may read it. */
export type SecretFile =
  | { readonly ok: true; readonly secret: string; readonly warning: string | undefined }
  | { readonly ok: false; readonly problem: string }

const maximumFileBytes = 1024

/** Reads a password file. Never throws and never shows the content. */
export const readSecretFile = (file: string): SecretFile => {
  try {
    const stat = statSync(file)
    const { mode, size } = stat
    // Reading a pipe would wait for its writer, and hold everything up.
    if (!stat.isFile())
      return { ok: false, problem: `${file} is no file; write the password into the first line of one` }
    if (size > maximumFileBytes) return { ok: false, problem: `${file} is no password file: larger than 1 KiB` }
    const [secret = ''] = readFileSync(file, 'utf8')
      .replace(/^\uFEFF/, '')
      .split(/\r?\n/)
    if (secret === '') return { ok: false, problem: `${file} is empty; write the password into its first line` }
    const warning = (mode & 0o007) === 0 ? undefined : `${file} is readable by everyone; run: chmod o= ${file}`
    return { ok: true, secret, warning }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : String(error)
    return { ok: false, problem: `cannot read ${file} (${code}); write the password into its first line` }
  }
}

const headerValue = /^[\t -~]+$/

/** Reads a file whose first line is the value of an HTTP header. Never throws. */
export const readHeaderFile = (file: string): SecretFile => {
  const read = readSecretFile(file)
  if (!read.ok || headerValue.test(read.secret)) return read
  return { ok: false, problem: `the first line of ${file} is no HTTP header; write printable ASCII characters` }
}

type FileRead =
  | { readonly ok: true; readonly warning: string | undefined }
  | { readonly ok: false; readonly problem: string }

/** What is wrong with a file that stands at `path` of the configuration. */
export const fileFindings = (read: FileRead, path: readonly PropertyKey[]): readonly Finding[] => {
  if (!read.ok) return [{ path, text: read.problem }]
  return read.warning === undefined ? [] : [{ path, text: read.warning, isWarning: true }]
}
