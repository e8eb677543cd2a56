// A tracked file: the number in it. A change is seen at once where the kernel tells of it, else at the next look.

import { constants, type FSWatcher, watch } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { TrackFileConfig } from '../../config/vrrp-track-schema.ts'
import { codeOf } from '../../core/error-text.ts'
import { isSameSight, type Predecessor, type Sight, type Watch } from './source.ts'

const lookInterval = 1000
/** A number needs no more. */
const mostBytes = 64
const largest = 2 ** 31 - 1
/** Who writes a file anew empties it first, or takes it away: what was a number is 0 when it stays so. */
const rewriteTime = 250
/** A pipe or a terminal would be waited for, on a thread that others need. */
const openFlags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY

/** Starts to watch a file. A file that is not there counts as 0, as in keepalived, and so does what is no number. */
export const watchFile = (
  { name, path }: TrackFileConfig,
  { sight: before }: Pick<Predecessor, 'sight'>,
  log: Logger,
  onChange: () => void,
): Watch => {
  let sight = before
  let isStopped = false
  let watcher: FSWatcher | null = null
  /** A look in progress, and whether something happened meanwhile. */
  let looking: Promise<void> | null = null
  let again = false

  const lastingLook = async (): Promise<Look> => {
    let next = await read(path)
    while (!next.isNumber && (sight.value ?? 0) !== 0 && !isStopped) {
      again = false
      await sleep(rewriteTime)
      next = await read(path)
      if (!again) break
    }
    return next
  }
  const look = async (): Promise<void> => {
    do {
      again = false
      const next = await lastingLook()
      if (isStopped) return
      if (isSameSight(next, sight)) continue
      sight = next
      log.info({ file: name, path }, `Track_file(${name}) ${next.text}`)
      onChange()
    } while (again)
  }
  const lookSoon = (): void => {
    again = true
    looking ??= look().finally(() => {
      looking = null
    })
  }
  /** The folder is watched: a file that is replaced is another file. */
  const follow = (): void => {
    if (watcher !== null) return
    try {
      watcher = watch(dirname(path), { persistent: false }, (_, changed) => {
        if (changed === null || changed === basename(path)) lookSoon()
      })
      watcher.on('error', () => {
        watcher?.close()
        watcher = null
      })
    } catch {
      // The folder is not there yet; the next look tries again.
    }
  }
  const tick = (): void => {
    follow()
    lookSoon()
  }
  tick()
  const ticker = setInterval(tick, lookInterval).unref()
  return {
    sight: () => sight,
    stop: async () => {
      isStopped = true
      clearInterval(ticker)
      watcher?.close()
      await looking
    },
  }
}

type Look = Sight & { readonly isNumber: boolean }

const read = async (path: string): Promise<Look> => {
  try {
    const file = await open(path, openFlags)
    try {
      if (!(await file.stat()).isFile()) return noNumber('it is no regular file')
      const { bytesRead, buffer } = await file.read(Buffer.alloc(mostBytes), 0, mostBytes, 0)
      const text = buffer.toString('latin1', 0, bytesRead).trim()
      if (text === '') return noNumber('the file is empty')
      if (!/^[+-]?\d{1,15}$/.test(text)) return noNumber('there is no number in the file')
      const value = Math.max(-largest, Math.min(largest, Number(text)))
      return { ok: value === 0, value, text: `its number is ${value}`, isNumber: true }
    } finally {
      await file.close()
    }
  } catch (error) {
    const code = codeOf(error)
    return noNumber(code === 'ENOENT' ? 'there is no file' : `the file cannot be read: ${code}`)
  }
}

const noNumber = (text: string): Look => ({ ok: true, value: 0, text, isNumber: false })
