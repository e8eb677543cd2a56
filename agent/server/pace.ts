// The pace of each source: requests beyond its rate wait instead of being refused.

import { performance } from 'node:perf_hooks'
import { type Millis, millis } from '../core/time.ts'
import { type Rate, takeTurn } from './core/rate-limit.ts'

/** How long the next request of a source waits, in milliseconds. */
export type Pace = {
  readonly delay: (source: string) => Millis
  /** The rate for requests to come; null for none. */
  readonly apply: (rate: Rate | null) => void
}

/** Sources beyond this number make us forget those that have nothing to wait for. */
const rememberedSources = 1000

/** A pace that knows no source yet. */
export const createPace = (initial: Rate | null): Pace => {
  let rate = initial
  const usedUntil = new Map<string, Millis>()
  const forget = (now: number): void => {
    for (const [source, until] of usedUntil) if (until <= now) usedUntil.delete(source)
  }
  return {
    delay: (source) => {
      if (rate === null) return millis(0)
      const now = millis(performance.now())
      if (usedUntil.size > rememberedSources) forget(now)
      const { delay, until } = takeTurn(usedUntil.get(source) ?? millis(0), now, rate)
      usedUntil.set(source, until)
      return delay
    },
    apply: (next) => {
      rate = next
    },
  }
}
