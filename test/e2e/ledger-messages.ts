// What a process with sessions that write in transactions and its owner tell each other.

import { z } from 'zod'

/** Whom to ask, and how many sessions write; `pause` is how long each stays in a transaction, and out of one, in milliseconds. */
export type LedgerOrder = {
  readonly address: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly sessions: number
  readonly pause: number
}

const lineSchema = z.object({
  server: z.string(),
  committed: z.number(),
  /** Why it ended, null while it works. */
  end: z.string().nullable(),
})

/** A session of the ledger: who has it, and how many lines it has committed. */
export type LedgerLine = z.output<typeof lineSchema>

/** What ended without an error. */
export const doneWord = 'done'

/** All sessions by their numbers. */
export const parseLedger = (message: unknown): readonly LedgerLine[] => z.array(lineSchema).parse(message)
