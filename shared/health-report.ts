// The health report: what an agent says of its node, and the parser for those who receive it.

import { z } from 'zod'
import { reasonCodes } from './reason.ts'

/** What the node is to its cluster. `unknown` before the first good probe. */
export const roles = ['primary', 'replica', 'unknown'] as const

/** The test that decided. `ping` is the query alone. */
export const testedModes = ['ping', 'galera', 'replica', 'group_replication', 'ndb'] as const

/** Texts come from servers and operators, and end on terminals and in logs: no control characters, on one line. */
const shownText = z.string().transform((text) => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim())

const reasonSchema = z.object({
  code: z.string().transform((code) => reasonCodes.find((known) => known === code) ?? 'unknown'),
  text: z.string().max(1024).pipe(shownText),
})

/** A listener's address and port that this host answers itself. A report holds a few of them. */
const directReturn = z.object({
  address: z.string().max(64).pipe(shownText),
  port: z.number().int().min(1).max(65_535),
  ready: z.boolean(),
  missing: z.array(z.string().max(256).pipe(shownText)).max(16).readonly(),
  bytes_out: z.number().nonnegative().nullable(),
  connections: z.number().nonnegative().nullable(),
})

/** The shape of a report; members of newer agents are left out. */
export const healthReportSchema = z.object({
  version: z.literal(1),
  verdict: z.enum(['pass', 'fail']),
  reason: reasonSchema,
  last_resort: z.boolean().default(false),
  certainty: z.enum(['hard', 'soft']),
  mode: z
    .string()
    .nullable()
    .transform((mode) => testedModes.find((known) => known === mode) ?? null),
  role: z.string().transform((role) => roles.find((known) => known === role) ?? 'unknown'),
  writable: z.boolean().nullable(),
  lag_s: z.number().nonnegative().nullable().default(null),
  connections_free_percent: z.number().min(0).max(100).nullable().default(null),
  age_ms: z.number().nonnegative().nullable(),
  probe_ms: z.number().nonnegative().nullable(),
  warnings: z.array(z.string().max(256).pipe(shownText)).max(8).readonly().default([]),
  direct_return: z.array(directReturn).max(64).readonly().exactOptional(),
  facts: z.record(shownText, z.union([shownText, z.number(), z.boolean(), z.null()])),
  agent: z.object({ host: shownText, version: shownText, uptime_s: z.number().nonnegative() }),
})

/**
 * One node's health, as `/status` and `Accept: application/json` carry it. `age_ms` counts from the start of the probe;
 * null before the first one. `lag_s` is the worst of all channels, null where there is none or it is not known;
 * `connections_free_percent` is null where the server was not asked. `last_resort`: the node fails, and can serve all the same where nobody else does.
 * `direct_return`: which listeners with direct server return the host is prepared for, what is `missing` there, the bytes that
 * it sent and the connections of its server; absent from an agent that knows nothing of it, or has nothing to prepare. `facts` are words for people; `warnings` tell what is no
 * failure yet, such as hosts that the server blocks.
 */
export type HealthReport = z.output<typeof healthReportSchema>

/** Bytes of a report that a receiver reads at most. */
export const maximumReportBytes = 16_384

/** The report, or why the text is none. Members added by newer agents are ignored. */
export type ParsedHealthReport =
  | { readonly ok: true; readonly report: HealthReport }
  | { readonly ok: false; readonly reason: 'too-long' | 'not-json' | 'wrong-shape' }

/** Parses the JSON text of a health report. Never throws. */
export const parseHealthReport = (text: string): ParsedHealthReport => {
  if (text.length > maximumReportBytes) return { ok: false, reason: 'too-long' }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { ok: false, reason: 'not-json' }
  }
  const parsed = healthReportSchema.safeParse(value)
  return parsed.success ? { ok: true, report: parsed.data } : { ok: false, reason: 'wrong-shape' }
}
