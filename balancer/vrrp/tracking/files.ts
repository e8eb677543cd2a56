// A tracked file: the number in it. A change is seen at once where the kernel tells of it, else at the next look.

import { type FSWatcher, watch } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { Logger } from 'pino'
import type { TrackFileConfig } from '../../config/vrrp-track-schema.ts'
import { isSameSight, type Sight, unseen, type Watch } from './source.ts'

const lookInterval = 1000
/** A number needs no more. */
const mostBytes = 64
const largest = 2 ** 31 - 1

/** Starts to watch a file. A file that is not there counts as 0, as in keepalived, and so does what is no number. */
export const watchFile = ({ name, path }: TrackFileConfig, log: Logger, onChange: () => void): Watch => {
  let sight: Sight = unseen
  let isStopped = false
  let watcher: FSWatcher | null = null
  /** A look in progress, and whether something happened meanwhile. */
  let looking: Promise<void> | null = null
  let again = false

  const look = async (): Promise<void> => {
    do {
      again = false
      const next = await read(path)
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

const read = async (path: string): Promise<Sight> => {
  try {
    const file = await open(path, 'r')
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(mostBytes), 0, mostBytes, 0)
      const text = buffer.toString('latin1', 0, bytesRead).trim()
      if (text === '') return seen(0, 'the file is empty')
      if (!/^[+-]?\d{1,15}$/.test(text)) return seen(0, 'there is no number in the file')
      return seen(Math.max(-largest, Math.min(largest, Number(text))), `its number is ${Number(text)}`)
    } finally {
      await file.close()
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'EIO'
    return seen(0, code === 'ENOENT' ? 'there is no file' : `the file cannot be read: ${code}`)
  }
}

const seen = (value: number, text: string): Sight => ({ ok: value === 0, value, text })
