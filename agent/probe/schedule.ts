// Probes in the background and on demand, never two at once, and the newest result for everyone who asks.

import { performance } from 'node:perf_hooks'
import type { Millis } from '../core/time.ts'
import type { Known, Probe } from './core/facts.ts'

/** The schedule of one server's probes. */
export type Schedule = {
  /** What is known, after a probe where the newest finding is older than `maxAge`. */
  readonly fresh: () => Promise<Known>
  /** Resolves when no probe is under way. */
  readonly settled: () => Promise<void>
  readonly stop: () => void
}

/**
 * How often to look and who is told what is known then, and how old a finding may be. A look is a probe, unless requests have
 * just had one.
 */
export type ScheduleSettings = {
  readonly probe: () => Promise<Probe>
  readonly interval: Millis
  readonly maxAge: Millis
  readonly onLook: (known: Known) => void
}

/** A probe that is made ahead may take this many times as long as the last one. */
const leadFactor = 8

/** Starts to look each `interval`, beginning now. */
export const startSchedule = ({ probe, interval, maxAge, onLook }: ScheduleSettings): Schedule => {
  let known: Known = { latest: null, late: false }
  let inFlight: Promise<Known> | null = null

  const note = (probed: Probe): Known => {
    inFlight = null
    const { outcome } = probed
    known = outcome.kind === 'late' ? { ...known, late: true } : { latest: { ...probed, outcome }, late: false }
    return known
  }
  const join = (): Promise<Known> => {
    inFlight ??= probe().then(note)
    return inFlight
  }
  const ageOf = ({ startedAt }: Probe): number => performance.now() - startedAt
  const fresh = async (): Promise<Known> => {
    const { latest } = known
    if (latest === null) return join()
    const left = maxAge - ageOf(latest)
    if (left < 0) return join()
    // Under steady requests the next result is there before this one is too old, and nobody waits for it.
    if (left < Math.min(maxAge / 2, leadFactor * latest.took)) void join()
    return known
  }
  let stopped = false
  const look = async (): Promise<void> => {
    const { latest } = known
    const isYoung = latest !== null && ageOf(latest) < Math.min(maxAge, interval / 2)
    const now = isYoung ? known : await join()
    // What a stop does to the probe under way says nothing about the server.
    if (!stopped) onLook(now)
  }

  void look()
  const timer = setInterval(() => void look(), interval)
  return {
    fresh,
    settled: async () => {
      await inFlight
    },
    stop: () => {
      stopped = true
      clearInterval(timer)
    },
  }
}
