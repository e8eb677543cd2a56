// Files that hold a password for another program: one line, readable by its owner alone.

import type { Finding } from './document.ts'
import { type NamedFileKind, readNamedFile } from './named-file.ts'

/** The password, or what is wrong with the file. `warning` where others than its owner may read it. */
export type SecretFile =
  | { readonly ok: true; readonly secret: string; readonly warning: string | undefined }
  | { readonly ok: false; readonly problem: string }

const passwordFile: NamedFileKind = {
  mostKibibytes: 1,
  instead: 'write the password into the first line of one',
  missing: 'write the password into its first line',
}

/** Reads a password file. Never throws and never shows the content. */
export const readSecretFile = (file: string): SecretFile => {
  const read = readNamedFile(file, passwordFile)
  if (!read.ok) return read
  const [secret = ''] = read.content
    .toString()
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
  return secret === ''
    ? { ok: false, problem: `${file} is empty; ${passwordFile.missing}` }
    : { ok: true, secret, warning: read.warning }
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
