// What a probe's attempts say about a stretch of time: the longest gap in service, failures, slow answers, servers.

import type { Attempt } from './probe-messages.ts'

/** A stretch of time, in milliseconds of CLOCK_MONOTONIC. */
export type Stretch = { readonly from: number; readonly to: number }

/** What clients saw. The counts are of new connections; `failed` is the sum of `reasons`. */
export type Service = {
  /** The longest time without a new connection that succeeded, counted between the moments of success. */
  readonly longestGapMs: number
  readonly attempts: number
  readonly failed: number
  readonly reasons: Readonly<Record<string, number>>
  /** Those of the failed ones that began in the stretch: none that was under way when it began. */
  readonly failedNewcomers: number
  /** Attempts that succeeded, but took longer than half a second. */
  readonly slow: number
  /** New connections by the server that answered. */
  readonly servers: Readonly<Record<string, number>>
  /** Long sessions that broke. */
  readonly lostSessions: number
}

const slowMs = 500

const longestGap = (moments: readonly number[], { from, to }: Stretch): number => {
  const points = [from, ...moments.toSorted((a, b) => a - b), to]
  return points.reduce((longest, point, index) => Math.max(longest, point - (points[index - 1] ?? point)), 0)
}

const tally = (words: readonly string[]): Readonly<Record<string, number>> => {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return Object.fromEntries([...counts].sort(([a], [b]) => a.localeCompare(b)))
}

/**
 * Sums up a stretch. It counts the attempts that were in flight in it: begun before its end, ended after its start. The
 * gap looks only at successes inside it, so an attempt that hangs through an outage and then succeeds is no service.
 */
export const serviceIn = (stretch: Stretch, attempts: readonly Attempt[], lostSessions: readonly number[]): Service => {
  const counted = attempts.filter(({ begun, ended }) => begun <= stretch.to && ended >= stretch.from)
  const failures = counted.filter(({ server }) => server === null)
  const successes = counted.flatMap(({ begun, ended, server }) => (server === null ? [] : [{ begun, ended, server }]))
  const moments = successes.map(({ ended }) => ended).filter((moment) => moment <= stretch.to)
  return {
    longestGapMs: Math.round(longestGap(moments, stretch)),
    attempts: counted.length,
    failed: failures.length,
    reasons: tally(failures.map(({ reason }) => reason)),
    failedNewcomers: failures.filter(({ begun }) => begun >= stretch.from).length,
    slow: successes.filter(({ begun, ended }) => ended - begun > slowMs).length,
    servers: tally(successes.map(({ server }) => server)),
    lostSessions: lostSessions.filter((moment) => moment >= stretch.from && moment <= stretch.to).length,
  }
}
