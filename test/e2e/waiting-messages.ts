// What a process with many sessions in all states and its owner tell each other. Moments are milliseconds since 1970.

import { z } from 'zod'

/** Whom to ask, and how many sessions of each kind to open. */
export type WaitingOrder = {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly password: string
  /** One session each, by what it does: nothing, wait for one answer for a minute, or read rows for a minute. */
  readonly kinds: readonly WaitingKind[]
}

export const waitingKinds = ['idle', 'waiting', 'reading'] as const
export type WaitingKind = (typeof waitingKinds)[number]

const sessionSchema = z.object({
  kind: z.enum(waitingKinds),
  server: z.string(),
  /** Why and when it ended, null while it is open. */
  end: z.object({ reason: z.string(), at: z.number() }).nullable(),
})

/** A session: which server has it, and how it ended. */
export type WaitingSession = z.output<typeof sessionSchema>

export const parseSessions = (message: unknown): readonly WaitingSession[] => z.array(sessionSchema).parse(message)
