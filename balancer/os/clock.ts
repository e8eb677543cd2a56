// The clock that all processes of this host share.

import { type Millis, millis } from '../core/time.ts'

const nanosPerMilli = 1e6

/** CLOCK_MONOTONIC in milliseconds: unlike performance.now() the same for every process. */
export const monotonicNow = (): Millis => millis(Number(process.hrtime.bigint()) / nanosPerMilli)
