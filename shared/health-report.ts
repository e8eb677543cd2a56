// The health report: what an agent says of its node, and the parser for those who receive it.

import * as z from 'zod'
import { reasonCodes } from './reason.ts'

/** What the node is to its cluster. `unknown` before the first good probe. */
export const roles = ['primary', 'replica', 'unknown'] as const

/** The test that decided. `ping` is the query alone. */
export const testedModes = ['ping', 'galera', 'replica', 'group_replication', 'ndb'] as const

/** Texts come from servers and operators, and end on terminals and in logs: no control characters, on one line. */
const shownText = z.string().transform((text) => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim())

const reasonSchema = z.object({
  code: z
    .string()
    .transform((code) => reasonCodes.find((known) => known === code) ?? 'unknown')
    .describe('The reason as a code, such as ok or read-only; later versions may know more'),
  text: z.string().max(1024).pipe(shownText).describe('The reason in words'),
})

/** A listener's address and port that this host answers itself. A report holds a few of them. */
const directReturn = z.object({
  address: z.string().max(64).pipe(shownText).describe('The address of the listener'),
  port: z.number().int().min(1).max(65_535).describe('The port of the listener'),
  ready: z.boolean().describe('Whether this host is prepared to answer its clients'),
  missing: z.array(z.string().max(256).pipe(shownText)).max(16).readonly().describe('What is not in place, in words'),
  bytes_out: z
    .number()
    .nonnegative()
    .nullable()
    .describe('What was sent from the address, bytes; null when it is not counted'),
  connections: z
    .number()
    .nonnegative()
    .nullable()
    .describe('Connections of the whole server; null when it was not asked'),
})

/** The shape of a report; members of newer agents are left out. */
export const healthReportSchema = z
  .object({
    version: z
      .literal(1)
      .describe('The version of this form. A member that goes away or changes its meaning makes the next one'),
    verdict: z.enum(['pass', 'fail']).describe('Whether the node may be given clients'),
    reason: reasonSchema.describe('Why'),
    last_resort: z
      .boolean()
      .default(false)
      .describe('The node fails, and can serve all the same where nobody else does'),
    certainty: z
      .enum(['hard', 'soft'])
      .describe('How sure a failing answer is: hard is enough once, soft may be a passing trouble'),
    mode: z
      .string()
      .nullable()
      .transform((mode) => testedModes.find((known) => known === mode) ?? null)
      .describe(`The test that decided: ${testedModes.join(', ')}; null when none did`),
    role: z
      .string()
      .transform((role) => roles.find((known) => known === role) ?? 'unknown')
      .describe(`What the node is to its cluster: ${roles.join(', ')}`),
    writable: z.boolean().nullable().describe('Whether it takes writes; null when that is not known'),
    lag_s: z
      .number()
      .nonnegative()
      .nullable()
      .default(null)
      .describe(
        'How far replication is behind, the worst of all channels, seconds; null when there is none, or it is not known',
      ),
    connections_free_percent: z
      .number()
      .min(0)
      .max(100)
      .nullable()
      .default(null)
      .describe('The share of max_connections that is free, percent; null when the server was not asked'),
    age_ms: z
      .number()
      .nonnegative()
      .nullable()
      .describe('How long ago the probe was started, milliseconds; null before the first one'),
    probe_ms: z
      .number()
      .nonnegative()
      .nullable()
      .describe('How long the probe took, milliseconds; null before the first one'),
    warnings: z
      .array(z.string().max(256).pipe(shownText))
      .max(8)
      .readonly()
      .default([])
      .describe('What is no failure yet, in words'),
    direct_return: z
      .array(directReturn)
      .max(64)
      .readonly()
      .exactOptional()
      .describe('Listeners with direct server return that this host answers; absent where it has none'),
    facts: z
      .record(shownText, z.union([shownText, z.number(), z.boolean(), z.null()]))
      .describe('What was found, for people'),
    agent: z
      .object({
        host: shownText.describe('The name of the host'),
        version: shownText.describe('The version of the agent'),
        uptime_s: z.number().nonnegative().describe('How long the agent has been running, seconds'),
      })
      .describe('Who says so'),
  })
  .describe('The health of one database node, as mysqlchk-agent tells it')

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
