// When the checks of many servers are due, so that they do not come in one burst.

import { type Millis, millis } from '../../core/time.ts'

/**
 * The moment of a server's second check. The first one is made at once, for everybody; the second falls between half an
 * interval and one and a half after it, spread evenly over the servers.
 */
export const secondCheckAt = (started: Millis, interval: Millis, index: number, servers: number): Millis =>
  millis(started + interval * (0.5 + index / servers))

/** The next due moment: one interval on, keeping the server's place in the round; rounds that were missed are dropped. */
export const nextCheckAt = (due: Millis, now: Millis, interval: Millis): Millis => {
  const missed = Math.max(0, Math.floor((now - due) / interval))
  return millis(due + (missed + 1) * interval)
}
