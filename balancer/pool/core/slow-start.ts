// Slow start: a server that came up gets its share of new sessions little by little (HAProxy: `slowstart`).

import type { Millis } from '../../core/time.ts'

/** Nobody learns to walk without a step. */
const smallestShare = 0.05

/** The part of its weight that a server has `since` it came up: linear, 1 at the end of `slowStart`. */
export const slowStartShare = (slowStart: Millis, since: Millis): number =>
  slowStart === 0 ? 1 : Math.min(1, Math.max(smallestShare, since / slowStart))
