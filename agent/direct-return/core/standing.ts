// How it stands, as the one who prepares this host writes it down and the agent reads it.

import * as z from 'zod'
import type { Entry } from './entry.ts'
import { notOnLoopback } from './missing.ts'

const amount = z.number().int().nonnegative()

const standingSchema = z.object({
  version: z.literal(1),
  network: z.string(),
  /** The process that looks again each few seconds; null where it was put in place once. */
  keeper: z.number().int().positive().nullable(),
  /** The monotonic clock of this host, in milliseconds. */
  at_ms: z.number(),
  entries: z
    .array(
      z.object({
        address: z.string(),
        port: z.number(),
        missing: z.array(z.string().max(256)).max(16).readonly(),
        sent: z.object({ packets: amount, bytes: amount }).nullable(),
      }),
    )
    .readonly(),
})

/** How the entries stand, each with what is missing. `sent` counts what went out; null where nobody keeps count. */
export type Standing = z.output<typeof standingSchema>

/** A keeper that was not heard for so long does not keep anything. */
const silenceMillis = 30_000

/** Null where a text is none. Never throws. */
export const parseStanding = (text: string): Standing | null => {
  try {
    return standingSchema.safeParse(JSON.parse(text)).data ?? null
  } catch {
    return null
  }
}

export const standingText = (standing: Standing): string => `${JSON.stringify(standing, null, 2)}\n`

/** The keeper, where there is one and it was heard lately; null where nobody repairs anything. */
export const keeperIn = (standing: Standing | null, nowMillis: number): number | null =>
  standing === null || silenceOf(standing, nowMillis) > silenceMillis ? null : standing.keeper

/**
 * Whether it still holds where the next look was none: a busy host that does not answer in time has not lost anything by
 * that. When that goes on, it is a silence.
 */
export const outlivesFailedLook = (before: Standing | null, nowMillis: number): boolean =>
  before !== null &&
  keeperIn(before, nowMillis) !== null &&
  before.entries.length > 0 &&
  before.entries.every(({ missing }) => missing.length === 0)

/** Milliseconds since it was written. One from the future is from before a reboot. */
const silenceOf = ({ at_ms }: Standing, nowMillis: number): number =>
  at_ms > nowMillis ? Number.POSITIVE_INFINITY : nowMillis - at_ms

/** What an operator runs: to prepare this host for good, and to see how it stands. */
export type Commands = { readonly prepare: string; readonly revive: string }

/** What is read: `network` is the network namespace of who reads, `loopback` what is on lo now, null where that is not known. */
export type Seen = {
  readonly standing: Standing | null
  readonly network: string
  readonly nowMillis: number
  readonly loopback: readonly string[] | null
}

/** What the agent tells of one entry: what is missing, and what was sent. */
export type Told = { readonly missing: readonly string[]; readonly bytesOut: number | null }

/** Judges what was written by what is seen; what is not known is not ready. */
export const toldOf = (entry: Entry, { standing, network, nowMillis, loopback }: Seen, commands: Commands): Told => {
  const nothing = (text: string): Told => ({ missing: [text], bytesOut: null })
  if (standing === null) return nothing(`nothing is prepared here; run ${commands.prepare}`)
  if (standing.network !== network) {
    return nothing(`it was prepared in another network namespace; run ${commands.prepare} in this one`)
  }
  const silence = silenceOf(standing, nowMillis)
  if (standing.keeper !== null && silence > silenceMillis) {
    const since = Number.isFinite(silence) ? `for ${Math.round(silence / 1000)} s` : 'since the start of this host'
    return nothing(`nobody has looked after it ${since}; run ${commands.revive}`)
  }
  const known = standing.entries.find(({ address, port }) => address === entry.address && port === entry.port)
  if (known === undefined) return nothing(`it was prepared before this entry was written; run ${commands.revive}`)
  const gone = notOnLoopback(entry.address)
  const seen = loopback === null || loopback.includes(entry.address) || known.missing.includes(gone) ? [] : [gone]
  return {
    missing: [...seen, ...known.missing],
    bytesOut: standing.keeper === null ? null : (known.sent?.bytes ?? null),
  }
}
