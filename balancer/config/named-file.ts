// Small files that the configuration names. A pipe is none: its reader would wait for a writer, and hold everything up.

import { readFileSync, statSync } from 'node:fs'
import { codeOf } from '../core/error-text.ts'

/** What is in a file, or what is wrong with it and what to do. `warning` where everyone may read it. */
export type NamedFile =
  | { readonly ok: true; readonly content: Buffer; readonly warning: string | undefined }
  | { readonly ok: false; readonly problem: string }

/** How large a file may be, and what to do about one that is none or too large (`instead`), or that cannot be read (`missing`). */
export type NamedFileKind = { readonly mostKibibytes: number; readonly instead: string; readonly missing: string }

/** Reads a file. Never throws. */
export const readNamedFile = (file: string, { mostKibibytes, instead, missing }: NamedFileKind): NamedFile => {
  try {
    const found = statSync(file)
    if (!found.isFile()) return { ok: false, problem: `${file} is no file; ${instead}` }
    if (found.size > mostKibibytes * 1024)
      return { ok: false, problem: `${file} is larger than ${sizeText(mostKibibytes)}; ${instead}` }
    const warning = (found.mode & 0o007) === 0 ? undefined : `${file} is readable by everyone; run: chmod o= ${file}`
    return { ok: true, content: readFileSync(file), warning }
  } catch (error) {
    return { ok: false, problem: `cannot read ${file} (${codeOf(error)}); ${missing}` }
  }
}

const sizeText = (kibibytes: number): string =>
  kibibytes < 1024 ? `${kibibytes} KiB` : `${Math.floor(kibibytes / 1024)} MiB`
