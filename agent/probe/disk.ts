// How full the disk of the data directory is. A disk that hangs must not take our threads one by one.

import { statfs } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Millis, millis } from '../core/time.ts'
import type { DiskSpace, Told, Words } from './core/facts.ts'

/** Looks at the disk; never rejects, and answers within half of the probe's time. */
export type DiskLook = (words: Words) => Promise<Told<DiskSpace>>

const hundred = 100

/** Looks at `path`, or where it is null at the directory that the server names as its own. */
export const createDiskLook = (path: string | null, timeout: Millis): DiskLook => {
  let underWay: Promise<Told<DiskSpace>> | null = null
  return async (words) => {
    const directory = path ?? words['datadir'] ?? ''
    // Where the server's directory is, is not for everybody.
    const shown = path ?? 'the data directory'
    underWay ??= measure(directory, shown).finally(() => {
      underWay = null
    })
    const patience = new AbortController()
    const late = sleep(millis(timeout / 2), null, { signal: patience.signal }).catch(() => null)
    const told = await Promise.race([underWay, late])
    patience.abort()
    const text = `the file system of ${shown} does not answer`
    return told ?? { ok: false, failure: { code: 'disk-unknown', text, fatal: false } }
  }
}

const measure = async (directory: string, shown: string): Promise<Told<DiskSpace>> => {
  try {
    const { blocks, bavail, files, ffree } = await statfs(directory)
    const share = (part: number, whole: number): number => (whole === 0 ? hundred : (part / whole) * hundred)
    // Some file systems make inodes as they need them and tell 0.
    return { ok: true, value: { directory: shown, free: share(bavail, blocks), freeInodes: share(ffree, files) } }
  } catch (error) {
    const word = error instanceof Error && 'code' in error ? String(error.code) : 'an error'
    return {
      ok: false,
      failure: { code: 'disk-unknown', text: `${word} at ${shown}`, fatal: false, said: String(error) },
    }
  }
}
