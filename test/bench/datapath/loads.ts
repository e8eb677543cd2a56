// The kinds of load, and what sysbench says of one that ran.

/** The kinds of load. What one transaction is stands in `title`. */
export const loads = {
  select1: { title: 'point selects, 1 session', script: 'select', sessions: 1 },
  select16: { title: 'point selects, 16 sessions', script: 'select', sessions: 16 },
  select64: { title: 'point selects, 64 sessions', script: 'select', sessions: 64 },
  connect: { title: 'new connections (login, SELECT 1, goodbye), 16 clients', script: 'connect', sessions: 16 },
  bulk: { title: 'results of 1 MiB, 4 sessions', script: 'bulk', sessions: 4 },
} as const
export type LoadName = keyof typeof loads
export const loadNames = Object.keys(loads) as readonly LoadName[]

/** What one run found. */
export type Sample = {
  /** Transactions. */
  readonly perSecond: number
  /** Milliseconds that 99 of 100 transactions took at most. */
  readonly p99: number
  /** Microseconds of processor time of the whole machine for one transaction. */
  readonly cpuMicros: number
}

/** The sample in the report of sysbench 1.0; `busy` in milliseconds. Throws when it has none. */
export const readReport = (report: string, busy: number): Sample => {
  // A script of our own counts events; those of sysbench count transactions, which are the same.
  const count = Number(/total number of events: +(\d+)/.exec(report)?.[1])
  const seconds = Number(/total time: +([\d.]+)s/.exec(report)?.[1])
  const p99 = Number(/99th percentile: +([\d.]+)/.exec(report)?.[1])
  if (!(count > 0) || !(seconds > 0) || Number.isNaN(p99)) throw new Error('sysbench made no transaction')
  return { perSecond: count / seconds, p99, cpuMicros: (busy * 1000) / count }
}
