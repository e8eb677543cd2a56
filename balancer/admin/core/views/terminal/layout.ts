// Tables and lines on a terminal of a width: columns that can be spared are left out, the last one is cut.

import { type Block, type Cell, type Column, isTable, type Line, type Table } from '../table.ts'
import { cut, padded, widthOf, wrapped } from './width.ts'

/** What the last column of a table should have at least, before others are spared for it. */
const readable = 30
const gap = '  '

/** The lines of blocks, an empty one between them. Sentences go on below, where `wraps`; else the terminal sees to that. */
export const laidOut = (blocks: readonly Block[], width: number, wraps: boolean): readonly Line[] =>
  blocks.flatMap((block, i) => [
    ...(i === 0 ? [] : [[]]),
    ...(isTable(block) ? tableLines(block, width) : wraps ? block.flatMap((line) => wrappedLine(line, width)) : block),
  ])

/** A line on as many as it takes: what stands before its last cell is its beginning. */
export const wrappedLine = (line: Line, width: number): readonly Line[] => {
  const last = line.at(-1)
  if (last === undefined) return [line]
  const before = line.slice(0, -1)
  const taken = before.reduce((sum, { text }) => sum + widthOf(text), 0)
  const [first = '', ...more] = wrapped(last.text, Math.max(1, width - taken))
  return [
    [...before, { ...last, text: first }],
    ...more.map((text): Line => [{ text: ' '.repeat(taken) }, { ...last, text }]),
  ]
}

const tableLines = (table: Table, width: number): readonly Line[] => {
  const kept = keptColumns(table, width)
  const pick = <T>(items: readonly T[]): readonly T[] => items.filter((_, i) => kept.has(i))
  const columns = pick(table.columns)
  const rows = table.rows.map(pick)
  const widths = columns.map((column, i) => widthOfColumn(column, rows, i))
  const head = columns.map(({ title }): Cell => ({ text: title, tone: 'head' }))
  return [head, ...rows].map((row) => fitted(row, widths, width))
}

const widthOfColumn = ({ title }: Column, rows: readonly Line[], i: number): number =>
  Math.max(widthOf(title), ...rows.map((row) => widthOf(row[i]?.text ?? '')))

/** Which columns stay, by their place. */
const keptColumns = ({ columns, rows }: Table, width: number): ReadonlySet<number> => {
  const widths = columns.map((column, i) => widthOfColumn(column, rows, i))
  const kept = new Set(columns.keys())
  const last = columns.length - 1
  const needed = (): number =>
    [...kept].reduce(
      (sum, i) => sum + (i === last ? Math.min(readable, widths[i] ?? 0) : (widths[i] ?? 0) + gap.length),
      0,
    )
  const spared = columns
    .flatMap(({ spare }, i) => (spare === undefined || i === last ? [] : [{ spare, i }]))
    .sort((one, other) => other.spare - one.spare)
  for (const { i } of spared) if (needed() > width) kept.delete(i)
  return kept
}

/** A row whose cells stand under their heads; what goes beyond the width is cut. */
const fitted = (row: Line, widths: readonly number[], width: number): Line => {
  const line: Cell[] = []
  let room = width
  for (const [i, cell] of row.entries()) {
    const isLast = i === row.length - 1
    const before = i === 0 ? '' : gap.slice(0, Math.max(0, room))
    if (before !== '') line.push({ text: before })
    room -= before.length
    const text = cut(isLast ? cell.text : padded(cell.text, Math.min(widths[i] ?? 0, room)), room)
    room -= widthOf(text)
    if (text !== '') line.push({ ...cell, text })
  }
  return line
}

/** A line of at most this width. */
export const cutLine = (line: Line, width: number): Line => {
  let room = width
  return line.flatMap((cell) => {
    const text = cut(cell.text, room)
    room -= widthOf(text)
    return text === '' ? [] : [{ ...cell, text }]
  })
}
