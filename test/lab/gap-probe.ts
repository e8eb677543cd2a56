// The client's view of the service: a probe inside a host that opens new connections all the time and holds some open.

import { fileURLToPath } from 'node:url'
import { type Service, serviceIn } from './gap.ts'
import type { Host } from './host.ts'
import { type Attempt, monotonicNow, type ProbeOrder, parseReport } from './probe-messages.ts'
import { type Patience, waitFor } from './wait-for.ts'

/** What to probe. `interval` (10 ms) is the time between new connections, `timeout` (10 s) how long one may take. */
export type ProbeOptions = {
  readonly target: { readonly address: string; readonly port: number }
  readonly user: string
  readonly password: string
  readonly interval?: number
  readonly timeout?: number
  /** How many sessions to hold open, each with a query every 100 ms. */
  readonly sessions?: number
}

/** A moment of the probe's clock, from `mark()`. */
export type Mark = { readonly at: number }

/** What the probe counted since its start. */
export type ProbeCounters = {
  readonly attempts: number
  readonly failed: number
  readonly lostSessions: number
  readonly openSessions: number
  /** The server that answered last; empty before the first answer. */
  readonly lastServer: string
}

/** A running probe. It remembers single attempts for 30 minutes at the usual rate, and its counters for ever. */
export type Probe = {
  readonly pid: number
  readonly counters: () => ProbeCounters
  readonly mark: () => Mark
  /** What clients saw between two marks, or since one up to the last report. Call `settled()` first for a final word. */
  readonly since: (from: Mark, to?: Mark) => ProbeWindow
  /** Waits until every attempt that was begun before this call has ended. */
  readonly settled: (patience?: Patience) => Promise<void>
  readonly stop: () => Promise<void>
}

/** The service in a window, and by how much the probe itself was late at worst: what the gap may be wrong by. */
export type ProbeWindow = Service & { readonly probeLateMs: number }

type Lateness = { readonly at: number; readonly late: number }

const kept = 180_000
const slack = 20_000
const defaults = { interval: 10, timeout: 10_000, sessions: 0 }
const lookInterval = 20

const remember = <T>(list: T[], more: readonly T[]): T[] => {
  list.push(...more)
  return list.length > kept + slack ? list.slice(-kept) : list
}

/** Starts a probe inside `host` and waits for its first report; whether the target answers is for the counters to say. */
export const startProbe = async (host: Host, { target, ...options }: ProbeOptions): Promise<Probe> => {
  const order: ProbeOrder = { ...defaults, ...options, ...target }
  const entry = fileURLToPath(new URL('./probe-process.js', import.meta.url))
  const labProcess = host.spawn('probe', process.execPath, [entry], { ipc: true })

  let attempts: Attempt[] = []
  let lateness: Lateness[] = []
  const lostSessions: number[] = []
  const totals = { attempts: 0, failed: 0, openSessions: 0, lastServer: '' }
  let until = 0
  let oldest: number | null = null

  labProcess.onMessage((message) => {
    const report = parseReport(message)
    until = report.until
    oldest = report.oldest
    attempts = remember(attempts, report.attempts)
    lateness = remember(lateness, [{ at: report.until, late: report.late }])
    lostSessions.push(...report.lostSessions)
    totals.attempts += report.attempts.length
    totals.failed += report.attempts.filter(({ server }) => server === null).length
    totals.openSessions = report.openSessions
    totals.lastServer = report.attempts.findLast(({ server }) => server !== null)?.server ?? totals.lastServer
  })
  labProcess.send(order)

  const reportAfter = (moment: number, patience?: Patience): Promise<boolean> =>
    waitFor(
      'the probe to settle',
      () => {
        if (!labProcess.isRunning()) throw new Error(`the probe ended: ${labProcess.lines().join('\n')}`)
        return until > moment && (oldest === null || oldest > moment)
      },
      { interval: lookInterval, ...patience },
    )
  await waitFor('the first report of the probe', () => until > 0, { interval: lookInterval })

  return {
    pid: labProcess.pid,
    counters: () => ({ ...totals, lostSessions: lostSessions.length }),
    mark: () => ({ at: monotonicNow() }),
    since: (from, to = { at: until }) => ({
      ...serviceIn({ from: from.at, to: Math.max(from.at, to.at) }, attempts, lostSessions),
      probeLateMs: Math.round(
        lateness.reduce((worst, { at, late }) => (at >= from.at && at <= to.at ? Math.max(worst, late) : worst), 0),
      ),
    }),
    settled: async (patience) => {
      await reportAfter(monotonicNow(), patience)
    },
    stop: async () => {
      await labProcess.stop()
    },
  }
}
