// Log lines that the network can provoke: a few of each kind at once, then a count of those left out.

import type { Level, Logger } from 'pino'

const window = 10_000
const linesPerWindow = 5

/** Writes one line of a kind, with its fields, unless too many of that kind were written just now. */
export type BoundedLog = (level: Level, kind: string, fields: object, text: string) => void

/** A log that writes at most five lines of each kind in ten seconds. Kinds are a small closed set. */
export const createBoundedLog = (log: Logger): BoundedLog => {
  const kinds = new Map<string, { readonly endsAt: number; readonly lines: number }>()
  return (level, kind, fields, text) => {
    const now = performance.now()
    const known = kinds.get(kind)
    const { endsAt, lines } = known !== undefined && now < known.endsAt ? known : { endsAt: now + window, lines: 0 }
    kinds.set(kind, { endsAt, lines: lines + 1 })
    if (lines >= linesPerWindow) return
    const suppressed = known !== undefined && lines === 0 ? Math.max(0, known.lines - linesPerWindow) : 0
    log[level](suppressed > 0 ? { ...fields, suppressed } : fields, text)
  }
}
