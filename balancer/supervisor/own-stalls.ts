// Notices when the supervisor itself was suspended or starved: what it learns right after that is old news.

import { type Millis, millis } from '../core/time.ts'
import { monotonicNow } from '../os/clock.ts'

/** Remembers the last stall. */
export type OwnStalls = { readonly wasStalledAt: (moment: Millis) => boolean; readonly stop: () => void }

const tickMillis = 100
/** A tick this late is a stall; what is learned this long after it may have happened in it. */
const lateMillis = 300
const doubtMillis = 1000

/** Starts watching. */
export const watchOwnStalls = (): OwnStalls => {
  let lastTick = monotonicNow()
  let lastStall = millis(Number.NEGATIVE_INFINITY)
  const timer = setInterval(() => {
    const now = monotonicNow()
    if (now - lastTick > lateMillis) lastStall = now
    lastTick = now
  }, tickMillis)
  return {
    wasStalledAt: (moment) => moment - lastStall < doubtMillis || moment - lastTick > lateMillis,
    stop: () => clearInterval(timer),
  }
}
