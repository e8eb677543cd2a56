// What the probe's process and its owner tell each other. Moments are milliseconds of CLOCK_MONOTONIC, the same in both.

import { z } from 'zod'

/** Milliseconds of the system's monotonic clock: comparable between processes, unlike performance.now(). */
export const monotonicNow = (): number => Number(process.hrtime.bigint()) / 1e6

/** What the probe is to do. Durations in milliseconds. */
export type ProbeOrder = {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly interval: number
  readonly timeout: number
  readonly sessions: number
}

const attemptSchema = z.object({
  begun: z.number(),
  ended: z.number(),
  /** The server's name, or null if the attempt failed. */
  server: z.string().nullable(),
  reason: z.string(),
})

const reportSchema = z.object({
  /** Everything that ended before this moment has been reported. */
  until: z.number(),
  /** When the oldest attempt still in flight was begun. */
  oldest: z.number().nullable(),
  attempts: z.array(attemptSchema),
  lostSessions: z.array(z.number()),
  openSessions: z.number(),
  /** How late the probe's own timer was at worst since the last report. */
  late: z.number(),
})

/** One new connection: begun, ended, and which server answered or why none did. */
export type Attempt = z.output<typeof attemptSchema>

/** What happened since the last report; `lostSessions` are the moments at which long sessions broke. */
export type ProbeReport = z.output<typeof reportSchema>

/** The report in a message of the probe's process; throws if it is none. */
export const parseReport = (message: unknown): ProbeReport => reportSchema.parse(message)
