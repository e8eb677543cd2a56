// Rows of the server as text: what the parsers of its tables work on.

import type { Words } from './facts.ts'

/** One row by column name, the names in lower case: their case differs between versions. NULL is null. */
export type Row = Readonly<Record<string, string | null>>

/** Names the values of each row. */
export const rowsFrom = (columns: readonly string[], rows: readonly (readonly unknown[])[]): readonly Row[] =>
  rows.map((values) => Object.fromEntries(columns.map((name, i) => [name.toLowerCase(), textOf(values[i])])))

/** The words of SHOW VARIABLES and SHOW STATUS: name in the first column, value in the second. */
export const wordsFrom = (rows: readonly (readonly unknown[])[]): Words =>
  Object.fromEntries(rows.map(([name, value]) => [String(name).toLowerCase(), textOf(value) ?? '']))

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

const textOf = (value: unknown): string | null => {
  if (value === null || value === undefined) return null
  return value instanceof Uint8Array ? decoder.decode(value) : String(value)
}
