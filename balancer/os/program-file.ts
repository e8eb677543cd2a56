// The programs that a configuration names: whether the system can run them, and whether somebody else could replace them.

import { accessSync, constants, lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { codeOf } from '../core/error-text.ts'
import { shellWord } from '../core/text.ts'
import { firstLineProblem } from './first-line.ts'
import { findUser, groupsOf, type User } from './users.ts'

const writableByGroup = 0o020
const writableByOthers = 0o002
const anyExecute = 0o111
const sticky = 0o1000
const root = 0

/**
 * What is wrong with a program that is to run as `user` (undefined: as this process); undefined for a good one. Nobody but
 * root, that user and the user of this process may write to it, to the program in its first line, or to a folder above
 * either (keepalived: `enable_script_security`, for scripts of root alone).
 */
export const programProblem = (program: string, user: string | undefined): string | undefined => {
  try {
    const found = statSync(program)
    if (!found.isFile()) return `${program} is no file; name a program`
    if ((found.mode & anyExecute) === 0) return `${program} is not executable; run: chmod +x ${shellWord(program)}`
    const runner = user === undefined ? undefined : findUser(user)
    return (
      accessProblem(program, runner) ??
      firstLineProblem(program, (interpreter) => fileProblem(interpreter, runner)) ??
      writableProblem(program, runner)
    )
  } catch (error) {
    const code = codeOf(error)
    return isAbsent(code)
      ? `cannot find ${program} (${code}); write the absolute path of a program`
      : `cannot look at ${program} (${code})`
  }
}

const isAbsent = (code: string): boolean => ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(code)

const fileProblem = (file: string, runner: User | undefined): string | undefined =>
  accessProblem(file, runner) ?? writableProblem(file, runner)

/** Whether the system would let the user execute it. */
const accessProblem = (file: string, runner: User | undefined): string | undefined => {
  if (runner !== undefined) {
    const closed = [...withFolders(realpathSync(file))].find((path) => !mayExecute(path, runner))
    if (closed !== undefined)
      return `${runner.name} may not ${closed === file ? 'execute' : 'enter'} ${closed}; run: chmod o+x ${shellWord(closed)}, or name another user`
  }
  try {
    accessSync(file, constants.X_OK)
    return undefined
  } catch (error) {
    const isNoExec = codeOf(error) === 'EACCES' && process.geteuid?.() === root
    return isNoExec
      ? `${file} is on a file system that is mounted noexec; put it elsewhere, such as /usr/local/sbin`
      : `${file} cannot be executed by the user of the balancer; correct its mode, or that of the folders above it`
  }
}

const mayExecute = (path: string, { uid, gid, name }: User): boolean => {
  const found = statSync(path)
  if (uid === root) return found.isDirectory() || (found.mode & anyExecute) !== 0
  if (found.uid === uid) return (found.mode & 0o100) !== 0
  if (found.gid === gid || groupsOf(name).includes(found.gid)) return (found.mode & 0o010) !== 0
  return (found.mode & 0o001) !== 0
}

const writableProblem = (file: string, runner: User | undefined): string | undefined => {
  const own = process.geteuid?.() ?? root
  const trusted = [root, own, ...(runner === undefined ? [] : [runner.uid])]
  // Where it runs as root although this process does not, whoever may start it is no reason to trust its owner.
  const writers = runner?.uid === root ? [root] : trusted
  const writable = [...linksFrom(file), realpathSync(file)]
    .flatMap(withFolders)
    .find((path) => isWritableBesides(path, writers))
  if (writable === undefined) return undefined
  const who = runner === undefined ? (own === root ? 'root' : 'the user of the balancer') : runner.name
  const others = who === 'root' ? 'root' : `root and ${who}`
  const way = `run: chown root ${shellWord(writable)} && chmod go-w ${shellWord(writable)}`
  return `it would run as ${who}, and others than ${others} may write to ${writable}; ${way}${who === 'root' ? ', or name a user' : ''}`
}

/** A path and those that its links lead over: each of their folders decides what is run. */
const linksFrom = (path: string): readonly string[] =>
  lstatSync(path).isSymbolicLink() ? [path, ...linksFrom(resolve(dirname(path), readlinkSync(path)))] : [path]

const withFolders = (path: string): readonly string[] => (path === '/' ? ['/'] : [path, ...withFolders(dirname(path))])

/** In a sticky folder such as /tmp nobody replaces what belongs to another. */
const isWritableBesides = (path: string, writers: readonly number[]): boolean => {
  const { mode, uid, gid } = statSync(path)
  if (!writers.includes(uid)) return true
  const isProtected = (mode & sticky) !== 0
  return !isProtected && ((mode & writableByOthers) !== 0 || ((mode & writableByGroup) !== 0 && gid !== root))
}
