// Rise and fall with HAProxy's one counter: 0 to rise-1 is down, rise to rise+fall-1 is up.

/** How many good and bad checks in a row move a server (HAProxy: `rise`, `fall`). */
export type Thresholds = { readonly rise: number; readonly fall: number }

/** The counter of one server; null before its first check, when the server is down. */
export type HealthCounter = number | null

/** A finished check. `hard` means that the server itself said why it cannot serve: one such answer is enough. */
export type CheckOutcome = { readonly passed: boolean; readonly hard: boolean }

/** Whether the counter means up. */
export const isUp = (counter: HealthCounter, { rise }: Thresholds): boolean => counter !== null && counter >= rise

/**
 * The counter after a check. The first check decides alone. Later, a good one counts up, and reaching `rise` is full
 * health; a bad one counts down, and leaving the upper range is no health at all.
 */
export const afterCheck = (
  counter: HealthCounter,
  { rise, fall }: Thresholds,
  { passed, hard }: CheckOutcome,
): number => {
  const full = rise + fall - 1
  if (counter === null) return passed ? full : 0
  if (passed) return counter + 1 >= rise ? full : counter + 1
  if (hard) return 0
  return counter > rise ? counter - 1 : 0
}

/** Where a counter stands: at one of its ends, or on its way. */
export type Stand = 'up' | 'down' | 'changing'

/** The stand of a counter; before its first check it is changing. */
export const standOf = (counter: HealthCounter, { rise, fall }: Thresholds): Stand => {
  if (counter === 0) return 'down'
  return counter === rise + fall - 1 ? 'up' : 'changing'
}
