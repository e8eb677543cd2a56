// The file in which the director remembers what lasts over a restart: written in one step, now and then, by nobody who is waited for.

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { codeOf, textOf } from '../core/error-text.ts'
import { maximumStateBytes } from '../pool/core/lasting-state.ts'

/** The file, kept up to date. */
export type StateFile = {
  /** Something changed that must not be lost: it is written within a second. */
  readonly changed: () => void
  /** Writes once more and resolves when that is done, or has failed. */
  readonly stop: () => Promise<void>
}

export type StateFileOptions = {
  readonly path: string
  readonly text: () => string
  readonly log: Logger
  /** It cannot be written, for this reason; null: it can again. Called when that changes. */
  readonly onTrouble?: (text: string | null) => void
  /** Milliseconds: for tests. */
  readonly pace?: { readonly soon: number; readonly usual: number }
}

/** A stop waits so long for a disk, milliseconds. */
const longestGoodbye = 2000
const usualPace = { soon: 1000, usual: 60_000 }

/** Begins to write it. A disk that is full or hangs delays nothing but the file; it is said once, and once when that is over. */
export const keepStateFile = ({ path, text, log, onTrouble, pace = usualPace }: StateFileOptions): StateFile => {
  let last = removeDrafts(path)
  let isWriting = false
  let soon: NodeJS.Timeout | undefined
  let trouble: string | null = null

  const write = (): Promise<void> => {
    clearTimeout(soon)
    soon = undefined
    // A disk that hangs is not asked for more.
    if (isWriting) {
      changed()
      return last
    }
    isWriting = true
    last = replaceFile(path, text())
      .then(() => told(null))
      .catch(told)
      .finally(() => {
        isWriting = false
      })
    return last
  }
  const told = (error: unknown): void => {
    // The same trouble shows itself at one step or another.
    const problem = error === null ? null : codeOf(error)
    if (problem === trouble) return
    trouble = problem
    const loss = `The state file ${path} cannot be written, and a restart would forget orders: ${whyNot(error)}`
    if (problem === null) log.info({ path }, `The state file ${path} is written again`)
    else log.warn({ path, code: problem }, loss)
    onTrouble?.(problem === null ? null : loss)
  }
  const changed = (): void => {
    soon ??= setTimeout(() => void write(), pace.soon)
  }
  const timer = setInterval(() => void write(), pace.usual)
  return {
    changed,
    stop: async () => {
      clearInterval(timer)
      clearTimeout(soon)
      await Promise.race([last.then(write), wait(longestGoodbye, undefined, { ref: false })])
      clearTimeout(soon)
    },
  }
}

/** The process that writes is root's, and has none of root's powers over files of others. */
const isOfOthers = (error: unknown): boolean => ['EACCES', 'EPERM'].includes(codeOf(error))

const whyNot = (error: unknown): string => {
  const text = textOf(error)
  return isOfOthers(error) ? `${text}; its directory has to belong to root` : text
}

/** Another program of this balancer may write at this moment: each has a draft of its own. */
const draftOf = (path: string, pid: number): string => `${path}.${pid}`

const replaceFile = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true })
  const draft = draftOf(path, process.pid)
  // What somebody put there, a link or a pipe, is not written to.
  await rm(draft, { force: true })
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(text)
      // The name must not be there before the contents are: a power cut would leave an empty file.
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    // Half a draft keeps a full disk full.
    await rm(draft, { force: true }).catch(() => undefined)
    throw error
  }
}

/** Drafts of processes that were killed while they wrote. */
const removeDrafts = async (path: string): Promise<void> => {
  const directory = dirname(path)
  const names = await readdir(directory).catch(() => [])
  for (const name of names) {
    const [, of, pid] = /^(.*)\.(\d+)$/.exec(name) ?? []
    if (of === basename(path) && !isRunning(Number(pid))) await rm(join(directory, name)).catch(() => undefined)
  }
}

const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

/** The file's text; null where there is none. A problem is a sentence without the path. */
export const readStateFile = (path: string): { readonly text: string | null; readonly problem: string | null } => {
  let file: number | undefined
  try {
    // A pipe must not keep the start waiting.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const found = fstatSync(file)
    if (!found.isFile()) return { text: null, problem: 'it is no file' }
    if (found.size > maximumStateBytes) return { text: null, problem: `it has more than ${maximumStateBytes} bytes` }
    const bytes = Buffer.alloc(found.size)
    const length = readSync(file, bytes, 0, found.size, 0)
    return { text: bytes.toString('utf8', 0, length), problem: null }
  } catch (error) {
    return { text: null, problem: codeOf(error) === 'ENOENT' ? null : textOf(error) }
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
