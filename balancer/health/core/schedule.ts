// When the checks of many servers are due, so that they do not come in one burst.

import { type Millis, millis } from '../../core/time.ts'
import type { Stand } from './rise-fall.ts'

/** Between the first checks of two servers: a thousand begin within two seconds, the first few at once. */
const firstGap = 2

/** The moment of a server's first check: as soon as may be. */
export const firstCheckAt = (started: Millis, interval: Millis, index: number, servers: number): Millis =>
  millis(started + index * Math.min(firstGap, interval / servers))

/** The moment of a server's second check: half an interval to one and a half later, spread evenly over the servers. */
export const secondCheckAt = (started: Millis, interval: Millis, index: number, servers: number): Millis =>
  millis(started + interval * (0.5 + index / servers))

/** The next due moment: one interval on, keeping the server's place in the round; rounds that were missed are dropped. */
export const nextCheckAt = (due: Millis, now: Millis, interval: Millis): Millis => {
  const missed = Math.max(0, Math.floor((now - due) / interval))
  return millis(due + (missed + 1) * interval)
}

/** HAProxy's `inter`, `fastinter` and `downinter`; the last two are the first one where they are not set. */
export type Pace = {
  readonly interval: Millis
  readonly fast_interval?: Millis | undefined
  readonly down_interval?: Millis | undefined
}

/** The interval for servers that stand so: fast while one is changing, slow while all are down. */
export const intervalFor = (pace: Pace, stands: readonly Stand[]): Millis => {
  if (stands.includes('changing')) return pace.fast_interval ?? pace.interval
  const allDown = stands.length > 0 && stands.every((stand) => stand === 'down')
  return allDown ? (pace.down_interval ?? pace.interval) : pace.interval
}
