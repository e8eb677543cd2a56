// Rows of the server as text: what the parsers of its tables work on.

import { oneLine } from '../../core/text.ts'
import type { Words } from './facts.ts'

/** One row by column name, the names in lower case: their case differs between versions. NULL is null. */
export type Row = Readonly<Record<string, string | null>>

/** Names the values of each row. */
export const rowsFrom = (columns: readonly string[], rows: readonly (readonly unknown[])[]): readonly Row[] =>
  rows.map((values) => Object.fromEntries(columns.map((name, i) => [name.toLowerCase(), wordOf(values[i])])))

/** The words of SHOW VARIABLES and SHOW STATUS: name in the first column, value in the second. */
export const wordsFrom = (rows: readonly (readonly unknown[])[]): Words =>
  Object.fromEntries(rows.map(([name, value]) => [String(name).toLowerCase(), wordOf(value) ?? '']))

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

const longestWord = 4096

/** What is judged and shown: no terminal and no log gets the control characters that a server may have in its texts. */
const wordOf = (value: unknown): string | null => {
  const text = textOf(value)
  return text === null ? null : oneLine(text, longestWord)
}

/** A value as the server wrote it. */
export const textOf = (value: unknown): string | null => {
  if (value === null || value === undefined) return null
  return value instanceof Uint8Array ? decoder.decode(value) : String(value)
}
