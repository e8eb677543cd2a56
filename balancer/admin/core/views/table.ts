// What a view consists of before anybody knows how wide a line is: tables and lines, with the colour of what has one.

/** Colours by what they mean. Those of servers are HAProxy's, those of `well` to `trouble` the verdict's. */
export type Tone =
  | 'up'
  | 'backup'
  | 'failing'
  | 'rising'
  | 'down'
  | 'maint'
  | 'drain'
  | 'unchecked'
  | 'well'
  | 'attention'
  | 'trouble'
  | 'head'
  | 'dim'

/** A text on one line. Where `mark` was not in what was shown before, the text stands out: something has changed there. */
export type Cell = { readonly text: string; readonly tone?: Tone; readonly mark?: string }

/** A line of cells, one behind the other. */
export type Line = readonly Cell[]

/** A column; where a line is too narrow, those with the highest `spare` are left out first, and those without never. */
export type Column = { readonly title: string; readonly spare?: number }

/** A table; its last column is cut where a line is too narrow. */
export type Table = { readonly columns: readonly Column[]; readonly rows: readonly Line[] }

/** Parts of a view, an empty line between them. */
export type Block = Table | readonly Line[]

/** Whether a block is a table. */
export const isTable = (block: Block): block is Table => 'columns' in block

/** A cell of a text alone. */
export const plain = (text: string): Cell => ({ text })

/** Lines of texts alone; no block where there are none. */
export const linesBlock = (lines: readonly string[]): readonly Block[] =>
  lines.length === 0 ? [] : [lines.map((line) => [plain(line)])]

/** The columns of a table, each with its title, and with how easily it can be spared. */
export const columnsOf = (
  ...titles: readonly (string | readonly [title: string, spare: number])[]
): readonly Column[] =>
  titles.map((title) => (typeof title === 'string' ? { title } : { title: title[0], spare: title[1] }))

/** All that a view has to say, as text of any width: columns stand under their heads, two spaces apart. */
export const plainText = (blocks: readonly Block[]): string =>
  blocks.map((block) => (isTable(block) ? tableText(block) : block.map(lineText).join('\n'))).join('\n\n')

const lineText = (line: Line): string => line.map(({ text }) => text).join('')

const tableText = ({ columns, rows }: Table): string => {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => row.map(({ text }) => text))]
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
