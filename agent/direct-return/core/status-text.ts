// What `direct-return status` prints: a table, and below each line what is missing there.

import { type Entry, endpointOf } from './entry.ts'
import type { Standing } from './standing.ts'

/** What is shown. `keeper` is the process that repairs, null where there is none. */
export type Shown = {
  readonly entries: readonly Entry[]
  readonly standing: Standing
  readonly keeper: number | null
  readonly commands: { readonly prepare: string; readonly up: string }
  /** What else has to be so on this host, a line each. */
  readonly notes: readonly string[]
}

/** The table, with what to do below it. */
export const statusText = ({ entries, standing, keeper, commands, notes }: Shown): string => {
  const rows = entries.map((entry) => {
    const known = standing.entries.find(({ address, port }) => address === entry.address && port === entry.port)
    const { missing = ['not looked at'], sent = null } = known ?? {}
    return { entry, missing, sent, isReady: missing.length === 0 }
  })
  const cells = [
    ['LISTENER', 'STATE', 'SERVER PORT', 'SENT'],
    ...rows.map(({ entry, isReady, sent }) => [
      endpointOf(entry),
      isReady ? 'ready' : 'NOT READY',
      `${entry.serverPort}`,
      sent === null ? 'not known' : `${bytesText(sent.bytes)} in ${sent.packets} packets`,
    ]),
  ]
  const widths = (cells[0] ?? []).map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)))
  const lines = cells.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const isReady = rows.every((row) => row.isReady)
  return [
    lines[0] ?? '',
    ...rows.flatMap(({ missing }, i) => [lines[i + 1] ?? '', ...missing.map((text) => `  missing: ${text}`)]),
    '',
    keeper === null
      ? `Nobody repairs it when somebody takes it away. For good: ${commands.prepare}`
      : `Process ${keeper} looks after it and repairs it.`,
    ...(isReady || keeper !== null ? [] : [`Now, once: ${commands.up}`]),
    ...notes,
    '',
  ].join('\n')
}

const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']
const thousand = 1000

const bytesText = (bytes: number): string => {
  let [value, unit] = [bytes, 0]
  while (value >= thousand && unit < units.length - 1) {
    value /= thousand
    unit += 1
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}
