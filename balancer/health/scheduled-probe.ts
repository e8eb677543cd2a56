// One check of one address, run on time for all servers of all listeners that want its results.

import { performance } from 'node:perf_hooks'
import { type Millis, millis } from '../core/time.ts'
import type { CheckStatus } from '../pool/core/facts.ts'
import type { Probe } from './checks/probe.ts'
import type { CheckResult } from './core/result.ts'
import type { Stand } from './core/rise-fall.ts'
import { intervalFor, nextCheckAt, type Pace } from './core/schedule.ts'
import type { StallWatch } from './stall-watch.ts'

/** Who wants the results of a check. `late` is one that says nothing: this program had no time to look at the answer. */
export type Hearer = { readonly hear: (result: CheckResult | 'late') => void; readonly stand: () => Stand }

/** A check that runs for its hearers. */
export type ScheduledProbe = {
  readonly hearers: Set<Hearer>
  /** Has the next check made within `delay`; the first one keeps its time. */
  readonly hurry: (delay: Millis) => void
  readonly stop: () => void
}

export type ScheduledProbeOptions = {
  readonly probe: Probe
  readonly pace: Pace & { readonly timeout: Millis }
  readonly firstAt: Millis
  readonly secondAt: Millis
  readonly stalls: StallWatch
}

/** A time-out does not count where the loop was stalled for more than this part of it. */
const stallShare = 0.1
/** A host that is always late must still notice dead servers. */
const lateInARowAllowed = 3
const timeouts: ReadonlySet<CheckStatus> = new Set(['L3TOUT', 'L4TOUT', 'L7TOUT'])

/** Starts to run a check at `firstAt`; from `secondAt` on it keeps its place in the round of all checks. */
export const startScheduledProbe = (options: ScheduledProbeOptions): ScheduledProbe => {
  const { probe, pace, firstAt, secondAt, stalls } = options
  const hearers = new Set<Hearer>()
  let place = secondAt
  let dueAt = firstAt
  let timer: NodeJS.Timeout | undefined
  let isWaiting = false
  let isStopped = false
  let lateInARow = 0

  const schedule = (at: Millis): void => {
    clearTimeout(timer)
    dueAt = at
    timer = setTimeout(runOnce, Math.max(0, at - performance.now()))
  }

  const runOnce = async (): Promise<void> => {
    isWaiting = false
    const startedAt = performance.now()
    const lostBefore = stalls.lost()
    const judgement = await probe.run()
    if (isStopped) return
    const now = millis(performance.now())
    const lost = stalls.lost() - lostBefore
    const isLate = timeouts.has(judgement.status) && lost > pace.timeout * stallShare && lateInARow < lateInARowAllowed
    lateInARow = isLate ? lateInARow + 1 : 0
    const result = isLate ? 'late' : { ...judgement, durationMs: Math.round(now - startedAt) }
    for (const hearer of [...hearers]) hearer.hear(result)
    // A timer may fire a little early: what is due within half an interval was this check.
    if (place < startedAt + pace.interval / 2) place = nextCheckAt(place, now, pace.interval)
    const interval = intervalFor(
      pace,
      [...hearers].map((hearer) => hearer.stand()),
    )
    if (isStopped) return
    isWaiting = true
    schedule(isLate ? now : interval === pace.interval ? place : millis(Math.max(now, startedAt + interval)))
  }
  schedule(firstAt)

  return {
    hearers,
    hurry: (delay) => {
      const wanted = millis(performance.now() + delay)
      if (isWaiting && wanted < dueAt) schedule(wanted)
    },
    stop: () => {
      isStopped = true
      clearTimeout(timer)
      probe.close()
    },
  }
}
