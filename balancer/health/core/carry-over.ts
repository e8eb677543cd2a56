// What is known of a server when its checks change in a reload: the verdict stays until the new checks have decided anew.

import type { CheckConfig } from '../../config/schema.ts'
import { type HealthCounter, isUp, type Thresholds } from './rise-fall.ts'

/** For each check of `after` the one of `before` whose place it takes: the same, the same question, or at least its kind. */
export const predecessors = (
  before: readonly CheckConfig[],
  after: readonly CheckConfig[],
): readonly (number | undefined)[] => {
  const found: (number | undefined)[] = after.map(() => undefined)
  for (const sameness of [(check: CheckConfig) => JSON.stringify(check), question, ({ type }: CheckConfig) => type]) {
    for (const [i, check] of after.entries()) {
      if (found[i] !== undefined) continue
      const match = before.findIndex((one, k) => !found.includes(k) && sameness(one) === sameness(check))
      if (match >= 0) found[i] = match
    }
  }
  return found
}

/** Whether two checks ask the same, be it at other times. */
export const isSameQuestion = (one: CheckConfig, other: CheckConfig): boolean => question(one) === question(other)

/** A check without its times and counts. */
const question = (check: CheckConfig): string => {
  const times = { interval: 0, fast_interval: 0, down_interval: 0, timeout: 0, rise: 0, fall: 0 }
  return JSON.stringify({ ...check, ...times, watch: null, watch_heartbeat: null })
}

/**
 * A counter under other thresholds: up stays up and down stays down, with as many good or bad checks as before, and at
 * least one more to go.
 */
export const rescaled = (counter: HealthCounter, from: Thresholds, to: Thresholds): HealthCounter => {
  if (counter === null) return null
  if (!isUp(counter, from)) return Math.min(counter, to.rise - 1)
  const failures = Math.max(0, from.rise + from.fall - 1 - counter)
  return Math.max(to.rise, to.rise + to.fall - 1 - failures)
}

/** The counter of a check that nobody made so far: as if it had always said what the others say. */
export const presumed = (
  counters: readonly HealthCounter[],
  before: readonly Thresholds[],
  { rise, fall }: Thresholds,
): HealthCounter => {
  if (counters.includes(null)) return null
  return counters.every((counter, i) => isUp(counter, before[i] ?? { rise: 1, fall: 1 })) ? rise + fall - 1 : 0
}
