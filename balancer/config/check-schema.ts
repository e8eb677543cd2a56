// The checks of a listener's servers: every key with its type, range and default, HAProxy's names beside them.

import * as z from 'zod'
import { compilePattern } from './body-pattern.ts'
import { headers, path, urlPath, withShort } from './shapes.ts'
import { duration, integer } from './values.ts'

const port = integer(1, 65_535)
const checkTypes = ['http', 'tcp', 'mysql', 'icmp'] as const

/** HAProxy: `inter`, `fastinter`, `downinter`, `timeout check`, `rise`, `fall`. */
const pace = {
  interval: duration('50ms', '1h').prefault('2s'),
  fast_interval: duration('50ms', '1h').optional(),
  down_interval: duration('50ms', '1h').optional(),
  timeout: duration('10ms', '5m').prefault('2s'),
  rise: integer(1, 100).default(2),
  fall: integer(1, 100).default(3),
}

/** What the JSON schema says of statuses: one number, a text, or a list of them. */
const statuses = { type: ['integer', 'string', 'array'], pattern: '^[\\s\\d,-]+$' }

/** `200-399` or `200,204,300-399` as pairs of bounds (HAProxy: `http-check expect status`). */
const statusRanges = z
  .unknown()
  .transform((value, context): readonly (readonly [number, number])[] => {
    const parts = String(value)
      .split(',')
      .map((part) => /^\s*([1-5]\d\d)(?:-([1-5]\d\d))?\s*$/.exec(part))
    const ranges = parts.flatMap((part) =>
      part === null ? [] : [[Number(part[1]), Number(part[2] ?? part[1])] as const],
    )
    if (ranges.length < parts.length || ranges.some(([low, high]) => low > high)) {
      context.addIssue({
        code: 'custom',
        input: value,
        message: 'write statuses and ranges, such as 200-399 or 200,204',
      })
    }
    return ranges
  })
  .meta(statuses)

const pattern = z
  .string()
  .min(1)
  .max(1024)
  .superRefine((text, context) => {
    const compiled = compilePattern(text)
    if (compiled.ok) return
    context.addIssue({ code: 'custom', input: text, message: `this is no regular expression: ${compiled.reason}` })
  })

const tlsKeys = z
  .strictObject({
    ca: path.optional(),
    verify: z.union([z.boolean(), z.literal('ca')], { error: 'allowed are true, false and ca' }).default(true),
    server_name: z.string().min(1).max(253).optional(),
    certificate: path.optional(),
    key: path.optional(),
  })
  .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
    path: ['certificate'],
    error: 'certificate and key of the check belong together; write both, or neither',
  })

/** `true` is TLS with every default, `false` none. */
const tls = withShort(
  z.preprocess((value) => (value === true ? {} : value === false ? undefined : value), tlsKeys.optional()),
  z.boolean(),
)

const http = z.strictObject({
  type: z.literal('http').default('http'),
  port: port.default(9222),
  path: urlPath.default('/'),
  method: z.enum(['GET', 'HEAD', 'OPTIONS']).default('GET'),
  headers,
  expect: z
    .strictObject({
      status: statusRanges.prefault('200-399'),
      body_contains: z.string().min(1).max(1024).optional(),
      body_matches: pattern.optional(),
    })
    .prefault({}),
  drain_on_404: z.boolean().default(false),
  weight_from_report: z.boolean().default(false),
  tls: tls.optional(),
  watch: z.boolean().default(true),
  watch_heartbeat: duration('100ms', '10s').prefault('200ms'),
  ...pace,
})

const tcp = z.strictObject({ type: z.literal('tcp'), port: port.optional(), ...pace })

const mysql = z
  .strictObject({
    type: z.literal('mysql'),
    port: port.optional(),
    user: z.string().min(1).max(80).optional(),
    password_file: path.optional(),
    query: z.string().min(1).max(1024).optional(),
    tls: tls.optional(),
    ...pace,
  })
  .refine(({ user, query, password_file: file, tls }) => user !== undefined || (query ?? file ?? tls) === undefined, {
    path: ['user'],
    error: 'a query or a password needs a user, and tls too; without one only the greeting of the server is read',
  })

const icmp = z.strictObject({ type: z.literal('icmp'), ...pace })

const withType = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !('type' in value) ? { type: 'http', ...value } : value

/** One check of a server. Without a type it is an HTTP check of the agent. */
export const checkSchema = z.preprocess(
  withType,
  z.discriminatedUnion('type', [http, tcp, mysql, icmp], { error: `allowed types are ${checkTypes.join(', ')}` }),
)

/** HAProxy's `agent-check`: a line of text that the host of the server sends of itself. */
export const agentCheckSchema = z.strictObject({
  port,
  interval: duration('50ms', '1h').prefault('2s'),
  timeout: duration('10ms', '5m').prefault('2s'),
  send: z.string().max(1024).default(''),
  fall: integer(1, 1000).default(10),
})

/** One check as configured. Durations are `Millis`. */
export type CheckConfig = z.output<typeof checkSchema>
export type HttpCheckConfig = z.output<typeof http>
export type CheckTlsConfig = z.output<typeof tlsKeys>
export type TcpCheckConfig = z.output<typeof tcp>
export type MysqlCheckConfig = z.output<typeof mysql>
export type IcmpCheckConfig = z.output<typeof icmp>
export type AgentCheckConfig = z.output<typeof agentCheckSchema>
