// The flags of the benchmark.

import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type RowName, rowNames } from './rows.ts'

/** What to measure. Intervals in milliseconds, longest first; `repetitions` null is the usual number of each interval. */
export type Wanted = {
  readonly rows: readonly RowName[]
  readonly intervals: readonly number[]
  readonly repetitions: number | null
  readonly state: string
  readonly fresh: boolean
}

export const help = `npm run bench:failover [-- FLAGS]    keepalived + HAProxy and the balancer, the same failures, in turn

  --rows A,B           of ${rowNames.join(', ')}
  --intervals A,B      advertisement intervals, such as 1s,100ms,10ms (the default)
  --repetitions N      of each row on each side; default 5 at 1 s and more, else 10
  --state FILE         where finished repetitions are kept, so that a run that was cut off goes on
  --fresh              forgets what is there and measures everything anew
`

const longIntervals = 1000
const usualRepetitions = { long: 5, short: 10 }

/** How often a row is repeated at an interval. */
export const repetitionsAt = ({ repetitions }: Wanted, interval: number): number =>
  repetitions ?? (interval >= longIntervals ? usualRepetitions.long : usualRepetitions.short)

const parseInterval = (text: string): number => {
  const [, number, unit] = /^(\d+)(ms|s)$/.exec(text) ?? []
  const millis = Number(number) * (unit === 's' ? 1000 : 1)
  // keepalived and version 3 count in hundredths of a second.
  if (!(millis >= 10 && millis <= 40_000 && millis % 10 === 0))
    throw new Error(`"${text}" is no interval from 10ms to 40s`)
  return millis
}

const parseRow = (text: string): RowName => {
  const row = rowNames.find((name) => name === text)
  if (row === undefined) throw new Error(`there is no row "${text}"; there are ${rowNames.join(', ')}`)
  return row
}

const parseRepetitions = (text: string): number => {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`"${text}" is no number of repetitions`)
  return Number(text)
}

/** The flags, or null when help is asked for; throws with a sentence for what is wrong. */
export const parseWanted = (args: readonly string[]): Wanted | null => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: rowNames.join(',') },
      intervals: { type: 'string', default: '1s,100ms,10ms' },
      repetitions: { type: 'string' },
      state: { type: 'string', default: join(tmpdir(), 'mysql-balancer-bench-failover.jsonl') },
      fresh: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return null
  const asked = values.rows.split(',').map(parseRow)
  return {
    rows: rowNames.filter((row) => asked.includes(row)),
    intervals: values.intervals
      .split(',')
      .map(parseInterval)
      .toSorted((a, b) => b - a),
    repetitions: values.repetitions === undefined ? null : parseRepetitions(values.repetitions),
    state: values.state,
    fresh: values.fresh,
  }
}
