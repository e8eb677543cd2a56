// The password of the check user: made at random, and put into its file whole or not at all.

import { createHash, randomInt } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

const length = 32
/** Of each kind one at least, as the servers' rules for passwords want it; nothing that YAML, a shell or SQL reads as its own. */
const kinds = ['ABCDEFGHJKLMNPQRSTUVWXYZ', 'abcdefghijkmnopqrstuvwxyz', '23456789', '._+-'] as const

/** A password that nobody has to remember. */
export const randomPassword = (): string => {
  const all = kinds.join('')
  for (;;) {
    const letters = Array.from({ length }, () => all[randomInt(all.length)] ?? '').join('')
    const isMixed = kinds.every((kind) => [...kind].some((letter) => letters.includes(letter)))
    if (isMixed && /^[A-Za-z]/.test(letters)) return letters
  }
}

const sha1 = (data: string | Buffer): Buffer => createHash('sha1').update(data).digest()

/** What MariaDB keeps of a password in the clear under mysql_native_password. */
export const nativeHash = (password: string): string => `*${sha1(sha1(password)).toString('hex').toUpperCase()}`

const ownerOnly = 0o600

/** Writes the file at once, for root alone, or with the owner and the mode of the one that it replaces. Throws. */
export const writePassword = (path: string, password: string): void => {
  if (!existsSync(dirname(path))) mkdirSync(dirname(path), { mode: 0o755 })
  const before = statSync(path, { throwIfNoEntry: false })
  const draft = `${path}.${process.pid}`
  // What a process of the same number left behind that was killed.
  rmSync(draft, { force: true })
  try {
    const file = openSync(draft, 'wx', ownerOnly)
    try {
      writeSync(file, `${password}\n`)
      fchmodSync(file, before === undefined ? ownerOnly : before.mode & 0o770)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    if (before !== undefined) chownSync(draft, before.uid, before.gid)
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}
