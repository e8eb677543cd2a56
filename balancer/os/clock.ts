// The clocks that all processes of this host share.

import type { Calendar } from '../core/calendar.ts'
import { type Millis, millis } from '../core/time.ts'

const nanosPerMilli = 1e6

/** CLOCK_MONOTONIC in milliseconds: unlike performance.now() the same for every process. */
export const monotonicNow = (): Millis => millis(Number(process.hrtime.bigint()) / nanosPerMilli)

/** What the wall clock of this host shows at a moment, in milliseconds since the epoch. */
export const calendarOf = (moment: number): Calendar => {
  const at = new Date(moment)
  return {
    year: at.getFullYear(),
    month: at.getMonth() + 1,
    day: at.getDate(),
    hour: at.getHours(),
    minute: at.getMinutes(),
    second: at.getSeconds(),
    millisecond: at.getMilliseconds(),
  }
}
