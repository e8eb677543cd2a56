// The password of the check user, read from a file of its own.

import { readFileSync, statSync } from 'node:fs'
import { codeOf } from '../core/error-text.ts'

/** The password, whether everybody on this host can read it, or why there is none. */
export type PasswordFile =
  | { readonly ok: true; readonly password: string; readonly worldReadable: boolean }
  | { readonly ok: false; readonly text: string; readonly why: 'missing' | 'empty' | 'wrong' }

const maximumBytes = 4096

/** Reads one line of text. */
export const readPasswordFile = (path: string): PasswordFile => {
  try {
    const stats = statSync(path)
    if (!stats.isFile()) {
      return { ok: false, why: 'wrong', text: `${path} is not a file; write the path of a file with one line` }
    }
    if (stats.size > maximumBytes) return tooLong(path)
    return passwordIn(readFileSync(path, 'utf8'), path, isWorldReadable(stats.mode))
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'missing' : 'wrong'
    return { ok: false, why, text: unreadable(path, error) }
  }
}

/** The password in a text from `path`. The line break at its end does not belong to it. */
export const passwordIn = (content: string, path: string, worldReadable: boolean): PasswordFile => {
  if (content.length > maximumBytes) return tooLong(path)
  // Some editors of Windows put a byte order mark before the text; nobody types it.
  const password = content.replace(/^\uFEFF/, '').replace(/\r?\n$/, '')
  if (password === '') {
    return { ok: false, why: 'empty', text: `${path} is empty; write the password of the check user into it` }
  }
  return /[\r\n\0]/.test(password)
    ? { ok: false, why: 'wrong', text: `${path} has several lines; it must hold the password alone` }
    : { ok: true, password, worldReadable }
}

const tooLong = (path: string): PasswordFile => ({
  ok: false,
  why: 'wrong',
  text: `${path} is larger than a password; it must be one line`,
})

/** Whether the mode of a file lets every user of the host read it. */
export const isWorldReadable = (mode: number): boolean => (mode & 0o004) !== 0

/** Why a file cannot be read, and what to do. */
export const unreadable = (path: string, error: unknown): string => {
  const code = codeOf(error)
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `${path} does not exist; create it, or correct the path`
    case 'EACCES':
      return `${path} may not be read by this user; run as root or as the agent's user, or correct its mode`
    case 'EISDIR':
      return `${path} is a directory; write the path of a file`
    default:
      return `${path} cannot be read (${code})`
  }
}
