// Writes a checked file, or nothing: what was there is kept beside it.

import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isUnconfigured, loadConfig } from '../../config/load.ts'

/** Where the file before is now, if there was one; or every problem of the new one. */
export type Written =
  | { readonly ok: true; readonly kept: string | null; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[] }

const readableByGroup = 0o640
const ownerAlone = 0o600

/** Why a file may not be replaced; null where there is none, or only the example of the package. */
export const whyNotReplace = (file: string): string | null => {
  if (!existsSync(file)) return null
  return isUnconfigured(readFileSync(file, 'utf8'))
    ? null
    : `${file} is there already; --force replaces it, and keeps it beside as ${basename(file)}.bak`
}

/** Puts `text` at `file` if it is a valid configuration. Throws the system's error where it cannot be written. */
export const writeChecked = (file: string, text: string): Written => {
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
  const target = existsSync(file) ? realpathSync(file) : file
  const draft = join(dirname(target), `.${basename(target)}.${process.pid}`)
  try {
    writeSafely(draft, text, readableByGroup)
    const loaded = loadConfig(draft)
    const named = (lines: readonly string[]) => lines.map((line) => line.replaceAll(draft, file))
    if (!loaded.ok) return { ok: false, problems: named(loaded.problems) }
    const kept = existsSync(target) ? freeName(target) : null
    if (kept !== null) copyFileSync(target, kept)
    renameSync(draft, target)
    return { ok: true, kept, warnings: named(loaded.warnings) }
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Writes a secret for its owner alone. Throws where the file is there already. */
export const writeSecret = (file: string, line: string): void => writeSafely(file, `${line}\n`, ownerAlone)

/** After a full disk or a power cut there is all of it or nothing. */
const writeSafely = (file: string, text: string, mode: number): void => {
  const descriptor = openSync(file, 'wx', mode)
  try {
    writeFileSync(descriptor, text)
    fsyncSync(descriptor)
  } catch (error) {
    rmSync(file, { force: true })
    throw error
  } finally {
    closeSync(descriptor)
  }
}

/** An earlier copy is not overwritten: it may be the only good one. */
const freeName = (file: string): string => {
  let name = `${file}.bak`
  for (let i = 2; existsSync(name); i += 1) name = `${file}.bak${i}`
  return name
}
