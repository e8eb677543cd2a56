// Slow start: a server that came up gets its share of new sessions little by little (HAProxy: `slowstart`).

import { type Millis, millis } from '../../core/time.ts'

/** HAProxy's twentieths; nobody learns to walk without the first. */
const steps = 20

const stepAfter = (slowStart: Millis, since: Millis): number => Math.floor((since * steps) / slowStart)

/** The part of its weight that a server has `since` it came up: it grows in steps, and is 1 at the end of `slowStart`. */
export const slowStartShare = (slowStart: Millis, since: Millis): number =>
  slowStart === 0 ? 1 : Math.min(steps, Math.max(1, stepAfter(slowStart, since))) / steps

/** How long after it came up the next step is; null after the last one. */
export const nextStep = (slowStart: Millis, since: Millis): Millis | null => {
  if (slowStart === 0 || since >= slowStart) return null
  return millis((Math.max(1, stepAfter(slowStart, since)) + 1) * (slowStart / steps))
}
