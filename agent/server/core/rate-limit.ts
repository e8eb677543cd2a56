// How long a request waits where its source asks too often: the generic cell rate algorithm, one number per source.

import { type Millis, millis } from '../../core/time.ts'

/** Requests per second of one source, and how many of them may come at once. */
export type Rate = { readonly per_source: number; readonly burst: number }

/** `until` is when the source has used up what it was given so far; it is kept for its next request. */
export type Turn = { readonly delay: Millis; readonly until: Millis }

const millisPerSecond = 1000

/** The turn of a request at `now`, both moments of the monotonic clock; a source not seen before has `until` = 0. */
export const takeTurn = (until: Millis, now: Millis, { per_source, burst }: Rate): Turn => {
  const spacing = millisPerSecond / per_source
  const begin = Math.max(until, now)
  return { delay: millis(Math.max(0, begin - now - (burst - 1) * spacing)), until: millis(begin + spacing) }
}
