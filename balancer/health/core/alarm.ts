// What a lost stream sets in motion: checks at once, and again soon, until the server is up or down without doubt.

import { type Millis, millis } from '../../core/time.ts'
import type { Stand } from './rise-fall.ts'
import type { Pace } from './schedule.ts'
import type { Loss } from './watch.ts'

/** How the checks go meanwhile; `connectWithin` is null where the usual time holds. */
export type Alarm = { readonly again: Millis; readonly connectWithin: Millis | null }

/**
 * The alarm for a stream that is over. A stream that was ended shows a host that is alive, and its checks go at the usual pace.
 * A host that was silent for four heartbeats may be gone: a connection that it does not accept within one more is a failed
 * check, and the next one follows. An agent that accepts has its usual time to answer.
 */
export const alarmFor = (why: Loss, { interval, fast_interval: fast }: Pace, heartbeat: Millis): Alarm =>
  why === 'silent'
    ? { again: fast ?? millis(Math.min(interval, heartbeat)), connectWithin: heartbeat }
    : { again: fast ?? interval, connectWithin: null }

/** The pace of checks under an alarm. */
export const paceUnder = (alarm: Alarm | null, pace: Pace): Pace =>
  alarm === null ? pace : { ...pace, fast_interval: alarm.again }

/** Whether nobody doubts any longer. */
export const isDecided = (stands: readonly Stand[]): boolean => !stands.includes('changing')
