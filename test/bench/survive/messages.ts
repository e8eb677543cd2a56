// What a process with the clients' sessions and its owner tell each other. Moments are milliseconds since 1970.

import { z } from 'zod'

/** What a session does: nothing, wait for one answer, or one transaction after the other. */
export const kinds = ['idle', 'waiting', 'busy'] as const
export type Kind = (typeof kinds)[number]

/** Whom to ask, and how many sessions of each kind to open. */
export type ClientsOrder = {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly sessions: Readonly<Record<Kind, number>>
  /** How long those that wait do. */
  readonly waitMillis: number
  /** An answer that is not there so long after it was due does not come any more. */
  readonly patienceMillis: number
}

/** A new stretch: lost sessions are opened again, and all begin. Its end: every session has to show that it lives. */
export type ClientsCommand = { readonly order: ClientsOrder } | 'begin' | 'judge'

const seenSchema = z.object({
  kind: z.enum(kinds),
  server: z.string(),
  /** Why and when it was lost; `silent` is without a word. Null while it lives. */
  lost: z.object({ reason: z.string(), at: z.number() }).nullable(),
})

const stretchSchema = z.object({
  state: z.enum(['opening', 'running', 'judged']),
  sessions: z.array(seenSchema),
  /** The longest time without an answer in a session with transactions, until its successor has one if it was lost. */
  longestPauseMs: z.number(),
})

/** A session of the beginning of the stretch. */
export type SeenSession = z.output<typeof seenSchema>

/** What happened since the last `begin`. */
export type Stretch = z.output<typeof stretchSchema>

/** The stretch in a message of the process; throws if it is none. */
export const parseStretch = (message: unknown): Stretch => stretchSchema.parse(message)
