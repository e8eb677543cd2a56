// A file with a certificate or a key, read in: nothing else may stand at its path, and nothing there may hold us up.

import { readFileSync, statSync } from 'node:fs'
import { isWorldReadable, unreadable } from './password-file.ts'

/** The content, whether everybody on this host can read it, or why there is none. */
export type PemFile =
  | { readonly ok: true; readonly pem: Buffer; readonly worldReadable: boolean }
  | { readonly ok: false; readonly text: string }

/** Several times the list of all authorities of the web. */
const maximumBytes = 4 * 1024 * 1024

/** Reads a file. Never throws. */
export const readPemFile = (path: string): PemFile => {
  try {
    const stats = statSync(path)
    // Reading a pipe would wait for its writer, and a device may never end.
    if (!stats.isFile()) return { ok: false, text: `${path} is not a file; write the path of a file with PEM` }
    if (stats.size > maximumBytes) return { ok: false, text: `${path} is larger than a certificate; it must be PEM` }
    return { ok: true, pem: readFileSync(path), worldReadable: isWorldReadable(stats.mode) }
  } catch (error) {
    return { ok: false, text: unreadable(path, error) }
  }
}

/** What is said of a key that everybody can read. */
export const openKey = (path: string): string => `everybody on this host can read ${path}; run: chmod o= ${path}`
