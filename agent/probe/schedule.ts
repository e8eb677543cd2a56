// Probes in the background and on demand, never two at once, and the newest result for everyone who asks.

import { performance } from 'node:perf_hooks'
import type { Millis } from '../core/time.ts'
import type { Known, Probe } from './core/facts.ts'

/** The schedule of one server's probes. */
export type Schedule = {
  /** What is known, after a probe where the newest finding is older than `maxAge`. */
  readonly fresh: () => Promise<Known>
  /** What is known, at once. */
  readonly known: () => Known
  /** Looks at once: something may have happened. A server that comes and goes makes no storm of it. */
  readonly hurry: () => void
  /** Resolves when no probe is under way. */
  readonly settled: () => Promise<void>
  readonly stop: () => void
}

/**
 * How often to look and who is told what is known then, and how old a finding may be. A look is a probe, unless requests have
 * just had one. `onKnown` hears of every probe that ended.
 */
export type ScheduleSettings = {
  readonly probe: () => Promise<Probe>
  readonly interval: Millis
  readonly maxAge: Millis
  readonly onLook: (known: Known) => void
  readonly onKnown: () => void
}

/** A probe that is made ahead may take this many times as long as the last one. */
const leadFactor = 8

/** A program that starts on a busy host is late itself, and there is no older finding to answer from. */
const firstTries = 3

/** Between two looks that something outside asked for. */
const hurryMillis = 250
/** A server that goes is between two states for a moment: where it failed, it is looked at again so much later. */
const afterwards = [100, 200, 400]

/** Starts to look each `interval`, beginning now. */
export const startSchedule = ({ probe, interval, maxAge, onLook, onKnown }: ScheduleSettings): Schedule => {
  let known: Known = { latest: null, late: false }
  let stopped = false
  let inFlight: Promise<Known> | null = null

  const note = (probed: Probe): Known => {
    inFlight = null
    const { outcome } = probed
    known = outcome.kind === 'late' ? { ...known, late: true } : { latest: { ...probed, outcome }, late: false }
    // What a stop does to the probe under way says nothing about the server.
    if (!stopped) onKnown()
    return known
  }
  const join = (): Promise<Known> => {
    inFlight ??= probe().then(note)
    return inFlight
  }
  const firstFinding = async (): Promise<Known> => {
    for (let tries = 1; tries < firstTries && !stopped; tries += 1) {
      const now = await join()
      if (now.latest !== null) return now
    }
    return join()
  }
  const ageOf = ({ startedAt }: Probe): number => performance.now() - startedAt
  const fresh = async (): Promise<Known> => {
    const { latest } = known
    if (latest === null) return firstFinding()
    const left = maxAge - ageOf(latest)
    if (left < 0) return join()
    // Under steady requests the next result is there before this one is too old, and nobody waits for it.
    if (left < Math.min(maxAge / 2, leadFactor * latest.took)) void join()
    return known
  }
  const look = async (): Promise<void> => {
    const { latest } = known
    const isYoung = latest !== null && ageOf(latest) < Math.min(maxAge, interval / 2)
    const now = isYoung ? known : await join()
    if (!stopped) onLook(now)
  }

  let hurriedAt = Number.NEGATIVE_INFINITY
  let hurried: NodeJS.Timeout | undefined
  const lookSoon = (delay: number, later: readonly number[]): void => {
    clearTimeout(hurried)
    const at = Math.max(performance.now() + delay, hurriedAt + (later === afterwards ? hurryMillis : 0))
    hurried = setTimeout(async () => {
      hurriedAt = performance.now()
      // One that was under way when it happened may have seen the time before.
      await inFlight
      if (stopped) return
      onLook(await join())
      const [next, ...rest] = later
      if (next !== undefined && known.latest?.outcome.kind === 'failed') lookSoon(next, rest)
    }, at - performance.now())
    hurried.unref()
  }

  void look()
  const timer = setInterval(() => void look(), interval)
  return {
    fresh,
    known: () => known,
    hurry: () => lookSoon(0, afterwards),
    settled: async () => {
      await inFlight
    },
    stop: () => {
      stopped = true
      clearInterval(timer)
      clearTimeout(hurried)
    },
  }
}
