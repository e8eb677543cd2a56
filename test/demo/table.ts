// Plain text tables for the terminal.

import { stripVTControlCharacters } from 'node:util'

/** Lines of a table with a header; columns are as wide as their widest cell. Colour codes do not count. */
export const textTable = (header: readonly string[], rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = header.map((_, column) =>
    Math.max(...[header, ...rows].map((row) => visibleLength(row[column] ?? ''))),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - visibleLength(cell)))
      .join('  ')
      .trimEnd()
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)]
}

const visibleLength = (text: string): number => stripVTControlCharacters(text).length
