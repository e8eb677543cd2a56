// Notices at once when a force-fail file appears, changes or goes: the folders are watched, and looked into each second all
// the same, since a folder may be missing, replaced, or on a file system that tells nothing.

import { type FSWatcher, statSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { lookForForceFails } from './force-fail.ts'

const tickMillis = 1000

/** Calls `onChange` whenever the files say something else. Returns how to end it. */
export const watchForceFails = (paths: readonly string[], onChange: () => void): (() => void) => {
  let last = lookForForceFails(paths)
  const look = (): void => {
    const now = lookForForceFails(paths)
    if (now === last) return
    last = now
    onChange()
  }
  const folders = [...new Set(paths.map((path) => dirname(path)))].map((folder) => {
    const names = paths.filter((path) => dirname(path) === folder).map((path) => basename(path))
    return watchFolder(folder, names, look)
  })
  const timer = setInterval(() => {
    for (const { renew } of folders) renew()
    look()
  }, tickMillis)
  timer.unref()
  return () => {
    clearInterval(timer)
    for (const { stop } of folders) stop()
  }
}

type FolderWatch = { readonly renew: () => void; readonly stop: () => void }

const watchFolder = (folder: string, names: readonly string[], onEvent: () => void): FolderWatch => {
  let watcher: FSWatcher | null = null
  let watched: string | null = null
  const stop = (): void => {
    watcher?.close()
    watcher = null
    watched = null
  }
  const open = (): void => {
    try {
      watcher = watch(folder, { persistent: false }, (_, name) => {
        // One that is moved or removed says its own name.
        if (name !== null && !names.includes(name) && name !== basename(folder)) return
        renew()
        onEvent()
      })
      watcher.on('error', stop)
    } catch {
      // No more watches to be had, or not for this user: the look each second stays.
      stop()
    }
  }
  const renew = (): void => {
    const there = identityOf(folder)
    if (there === watched) return
    stop()
    watched = there
    if (there !== null) open()
  }
  renew()
  return { renew, stop }
}

/** Another folder under the same name is another one. */
const identityOf = (folder: string): string | null => {
  try {
    const found = statSync(folder, { throwIfNoEntry: false })
    return found === undefined ? null : `${found.dev}:${found.ino}`
  } catch {
    return null
  }
}
