// The programs that a configuration names: whether they can be run, and whether somebody else could replace them.

import { accessSync, constants, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { findUser } from '../os/users.ts'

const writableByGroup = 0o020
const writableByOthers = 0o002
const sticky = 0o1000
const root = 0

/**
 * What is wrong with a program that is to run as `user` (undefined: as this process); undefined for a good one. What runs
 * as root must be out of everybody else's reach, with all folders above it (keepalived: `enable_script_security`).
 */
export const programProblem = (program: string, user: string | undefined): string | undefined => {
  try {
    if (!statSync(program).isFile()) return `${program} is no file; name a program`
    accessSync(program, constants.X_OK)
    if (!runsAsRoot(user)) return undefined
    const writable = [...linksFrom(program), realpathSync(program)].flatMap(withFolders).find(isWritableByOthers)
    return writable === undefined
      ? undefined
      : `it would run as root, and others than root may write to ${writable}; run: chown root ${writable} && chmod go-w ${writable}, or name a user`
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : String(error)
    if (code === 'EACCES') return `${program} is not executable; run: chmod +x ${program}`
    return `cannot find ${program} (${code}); write the absolute path of a program`
  }
}

const runsAsRoot = (user: string | undefined): boolean =>
  user === undefined ? process.geteuid?.() === root : findUser(user)?.uid === root

/** A path and those that its links lead over: each of their folders decides what is run. */
const linksFrom = (path: string): readonly string[] =>
  lstatSync(path).isSymbolicLink() ? [path, ...linksFrom(resolve(dirname(path), readlinkSync(path)))] : [path]

const withFolders = (path: string): readonly string[] => (path === '/' ? ['/'] : [path, ...withFolders(dirname(path))])

/** In a sticky folder such as /tmp nobody replaces what belongs to root. */
const isWritableByOthers = (path: string): boolean => {
  const { mode, uid, gid } = statSync(path)
  if (uid !== root) return true
  const isProtected = (mode & sticky) !== 0
  return !isProtected && ((mode & writableByOthers) !== 0 || ((mode & writableByGroup) !== 0 && gid !== root))
}
