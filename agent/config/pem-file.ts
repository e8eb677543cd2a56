// A file with a certificate or a key, read in: nothing else may stand at its path, and nothing there may hold us up.

import { readFileSync, statSync } from 'node:fs'
import type { Finding } from './document.ts'
import { isWorldReadable, unreadable } from './password-file.ts'

/** Takes what is wrong with the file of a key of the configuration. */
export type OnPemFinding = (severity: Finding['severity'], key: string, text: string) => void

/** Several times the list of all authorities of the web. */
const maximumBytes = 4 * 1024 * 1024

/**
 * Reads the file that a key of the configuration names; a path that is none, or not absolute, is no business of this file. Never
 * throws. A private key that everybody can read is read, and warned of.
 */
export const readPemFile = (key: string, path: unknown, found: OnPemFinding): Buffer | undefined => {
  if (typeof path !== 'string' || !path.startsWith('/')) return undefined
  const fail = (text: string): undefined => {
    found('error', key, text)
    return undefined
  }
  try {
    const stats = statSync(path)
    // Reading a pipe would wait for its writer, and a device may never end.
    if (!stats.isFile()) return fail(`${path} is not a file; write the path of a file with PEM`)
    if (stats.size > maximumBytes) return fail(`${path} is larger than a certificate; it must be PEM`)
    const pem = readFileSync(path)
    if (key === 'key' && isWorldReadable(stats.mode)) {
      found('warning', key, `everybody on this host can read ${path}; run: chmod o= ${path}`)
    }
    return pem
  } catch (error) {
    return fail(unreadable(path, error))
  }
}
