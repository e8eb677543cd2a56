// Durations as people write them: a number with a unit.

import { type Millis, millis } from './time.ts'

const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration as it is written. */
export const durationPattern = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)$/

/** `100ms`, `1.5s`, `5m`, `8h` or `1d` in milliseconds; null for everything else. */
export const parseDuration = (text: string): Millis | null => {
  const [, digits, unit] = durationPattern.exec(text) ?? []
  const factor = unitMillis[unit ?? '']
  return digits === undefined || factor === undefined ? null : millis(Number(digits) * factor)
}
