// When a virtual route that could not be added is tried again, and for how long its failure counts where it is tracked.

const second = 1000
const longestPause = 30 * second
const shortestCount = 10 * second
const longestCount = 300 * second

/** Milliseconds from a try to the next one, after so many failures in a row: 1 s, doubled each time, up to 30 s. */
export const pauseAfter = (failures: number): number => doubled(second, failures, longestPause)

/**
 * Whether a tracked failure no longer counts for a router that is not master, so long after the last try: 10 s after the
 * first failure, doubled with each that followed, up to 5 minutes. Only a master can find out whether the route works.
 */
export const isForgiven = (failures: number, sinceLastTry: number): boolean =>
  sinceLastTry >= doubled(shortestCount, failures, longestCount)

const doubled = (first: number, times: number, most: number): number =>
  Math.min(most, first * 2 ** Math.max(0, times - 1))
