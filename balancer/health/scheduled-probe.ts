// One check of one address, run on time for all servers of all listeners that want its results, and what its agent pushes.

import { performance } from 'node:perf_hooks'
import { type Millis, millis } from '../core/time.ts'
import type { CheckStatus } from '../pool/core/facts.ts'
import type { Probe, WatchedProbe } from './checks/probe.ts'
import { type Alarm, alarmFor, isDecided, paceUnder } from './core/alarm.ts'
import type { CheckResult } from './core/result.ts'
import type { Stand } from './core/rise-fall.ts'
import { intervalFor, nextCheckAt, type Pace } from './core/schedule.ts'
import type { StallWatch } from './stall-watch.ts'
import type { News, StreamHearer } from './stream.ts'

/**
 * Who wants the results of a check. `late` is one that says nothing: this program had no time to look at the answer. `watched`
 * is called when the agent's stream opens or is over, `fault` when it sent what is none.
 */
export type Hearer = {
  readonly hear: (result: CheckResult | 'late') => void
  readonly stand: () => Stand
  readonly watched?: () => void
  readonly fault?: (reason: string) => void
}

/** A check that runs for its hearers. */
export type ScheduledProbe = {
  readonly hearers: Set<Hearer>
  /** Has the next check made within `delay`; the first one keeps its time. */
  readonly hurry: (delay: Millis) => void
  /** Whether a stream is open beside it. */
  readonly isWatched: () => boolean
  readonly stop: () => void
}

/** The stream beside a check. */
export type Watching = {
  readonly probe: WatchedProbe
  readonly subscribe: (hearer: StreamHearer) => WatchingSubscription
}
export type WatchingSubscription = {
  readonly isOpen: () => boolean
  readonly offered: (isOffered: boolean) => void
  readonly end: () => void
}

export type ScheduledProbeOptions = {
  readonly probe: Probe
  readonly pace: Pace & { readonly timeout: Millis }
  readonly firstAt: Millis
  readonly secondAt: Millis
  readonly stalls: StallWatch
  readonly watching: Watching | null
}

/** A time-out does not count where the loop was stalled for more than this part of it. */
const stallShare = 0.1
/** A host that is always late must still notice dead servers. */
const lateInARowAllowed = 3
/** Answers that were under way when news came are older than these; who always sends news is asked all the same. */
const outdatedInARowAllowed = 3
/** Who said goodbye is back within this time, or gone: a refused connection is no news of its server meanwhile. */
const goodbyeMillis = 5000
const timeouts: ReadonlySet<CheckStatus> = new Set(['L3TOUT', 'L4TOUT', 'L6TOUT', 'L7TOUT'])

/** Starts to run a check at `firstAt`; from `secondAt` on it keeps its place in the round of all checks. */
export const startScheduledProbe = (options: ScheduledProbeOptions): ScheduledProbe => {
  const { probe, pace, firstAt, secondAt, stalls, watching } = options
  const hearers = new Set<Hearer>()
  let place = secondAt
  let dueAt = firstAt
  let timer: NodeJS.Timeout | undefined
  let isWaiting = false
  let isStopped = false
  let lateInARow = 0
  let outdatedInARow = 0
  /** What the run under way began before. */
  let isOutdated = false
  let alarm: Alarm | null = null
  let excusedUntil = Number.NEGATIVE_INFINITY

  const schedule = (at: Millis): void => {
    clearTimeout(timer)
    dueAt = at
    timer = setTimeout(runOnce, Math.max(0, at - performance.now()))
  }
  const stands = (): readonly Stand[] => [...hearers].map((hearer) => hearer.stand())
  const hurry = (delay: Millis): void => {
    const wanted = millis(performance.now() + delay)
    if (isWaiting && wanted < dueAt) schedule(wanted)
  }
  const tell = (result: CheckResult | 'late'): void => {
    for (const hearer of [...hearers]) hearer.hear(result)
  }

  const runOnce = async (): Promise<void> => {
    isWaiting = false
    isOutdated = false
    const startedAt = performance.now()
    const lostBefore = stalls.lost()
    const limit = alarm?.connectWithin ?? pace.timeout
    const judgement = await probe.run(limit)
    if (isStopped) return
    const now = millis(performance.now())
    if (isOutdated && outdatedInARow < outdatedInARowAllowed) {
      outdatedInARow += 1
      isWaiting = true
      return schedule(now)
    }
    outdatedInARow = 0
    const lost = stalls.lost() - lostBefore
    const isLate = timeouts.has(judgement.status) && lost > limit * stallShare && lateInARow < lateInARowAllowed
    lateInARow = isLate ? lateInARow + 1 : 0
    const isExcused = judgement.status === 'L4CON' && now < excusedUntil
    const excuse = isExcused ? 'its agent said goodbye' : null
    tell(isLate ? 'late' : { ...judgement, durationMs: Math.round(now - startedAt), by: 'check', excuse })
    if (isStopped) return
    const isOffered = probe.watch?.isOffered() ?? null
    if (isOffered !== null) stream?.offered(isOffered)
    if (alarm !== null && isDecided(stands())) alarm = null
    // A timer may fire a little early: what is due within half an interval was this check.
    if (place < startedAt + pace.interval / 2) place = nextCheckAt(place, now, pace.interval)
    const interval = intervalFor(paceUnder(alarm, pace), stands())
    isWaiting = true
    schedule(isLate ? now : interval === pace.interval ? place : millis(Math.max(now, startedAt + interval)))
  }

  const hearNews = (judge: WatchedProbe['judge'], news: News): void => {
    const judgement = judge(news)
    isOutdated = true
    excusedUntil = Number.NEGATIVE_INFINITY
    tell({ ...judgement, durationMs: 0, by: 'push', excuse: null })
    if (isStopped) return
    if (alarm !== null && isDecided(stands())) alarm = null
    // What is not certain is asked again, and who comes back is asked as often as anybody that is changing.
    if (!judgement.passed && !judgement.hard) hurry(millis(0))
    else hurry(intervalFor(pace, stands()))
  }
  const watch = ({ probe: watched, subscribe }: Watching): WatchingSubscription =>
    subscribe({
      news: (news) => hearNews(watched.judge, news),
      opened: () => {
        for (const hearer of [...hearers]) hearer.watched?.()
      },
      lost: (why) => {
        for (const hearer of [...hearers]) hearer.watched?.()
        if (why === 'goodbye') {
          excusedUntil = performance.now() + goodbyeMillis
          return
        }
        alarm = alarmFor(why, pace, watched.source.heartbeat)
        isOutdated = true
        if (why === 'silent') watched.renew()
        hurry(millis(0))
      },
      fault: (reason) => {
        for (const hearer of [...hearers]) hearer.fault?.(reason)
      },
    })
  schedule(firstAt)
  const stream = watching === null ? null : watch(watching)

  return {
    hearers,
    hurry,
    isWatched: () => stream?.isOpen() ?? false,
    stop: () => {
      isStopped = true
      clearTimeout(timer)
      stream?.end()
      probe.close()
    },
  }
}
