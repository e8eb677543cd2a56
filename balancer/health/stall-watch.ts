// How much time our own event loop lost, so that no server is blamed for it.

import { performance } from 'node:perf_hooks'
import { type Millis, millis } from '../core/time.ts'

/** Measures the lateness of a timer, on the monotonic clock. */
export type StallWatch = {
  /** All time lost since the start; the difference of two readings is what a span of time lost. */
  readonly lost: () => Millis
  readonly stop: () => void
}

const tickMillis = 100
/** Lateness that every busy host has, and that delays nothing. */
const toleratedMillis = 10

/** Starts to measure. */
export const startStallWatch = (): StallWatch => {
  let total = 0
  let expected = performance.now() + tickMillis
  const lateness = () => {
    const late = performance.now() - expected
    return late > toleratedMillis ? late : 0
  }
  const timer = setInterval(() => {
    total += lateness()
    expected = performance.now() + tickMillis
  }, tickMillis)
  timer.unref()
  return {
    // The tick that is due now counts too: a deadline may fire before it.
    lost: () => millis(total + lateness()),
    stop: () => clearInterval(timer),
  }
}
