// What VRRP tracks and whom it tells: scripts, files and processes, notification scripts and webhooks, with their keys.

import { z } from 'zod'
import { headerName, headers, path, withShort } from './shapes.ts'
import { duration, integer, interfaceName, name } from './values.ts'

/** What a failure takes off the priority, or a success adds to it; 0 means FAULT. The bounds are keepalived's. */
const weight = integer(-253, 253)
const user = z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/, { error: 'write the name of a user of this host' })
const maximumTracked = 100

/** A name, or an object with the name under `key` and a weight of its own. */
const reference = <K extends string>(key: K) =>
  withShort(
    z.preprocess(
      (value) => (typeof value === 'string' ? { [key]: value } : value),
      z.strictObject({ [key]: name, weight: weight.optional() } as { [P in K]: typeof name } & {
        weight: z.ZodOptional<typeof weight>
      }),
    ),
    name,
  )

const interfaceReference = withShort(
  z.preprocess(
    (value) => (typeof value === 'string' ? { interface: value } : value),
    z.strictObject({ interface: interfaceName, weight: weight.default(0) }),
  ),
  interfaceName,
)

/** `true` is FAULT when the thing fails, a weight takes that much instead, `false` does not look. */
export const counting = z
  .union([z.boolean(), z.strictObject({ weight })], { error: 'write true, false or { weight: -50 }' })
  .transform((value) => (value === false ? null : { weight: value === true ? 0 : value.weight }))

/** The key `track` of an instance. */
export const trackSchema = z.strictObject({
  serving: counting.prefault(true),
  interfaces: z.array(interfaceReference).max(maximumTracked).default([]),
  scripts: z.array(reference('script')).max(maximumTracked).default([]),
  files: z.array(reference('file')).max(maximumTracked).default([]),
  processes: z.array(reference('process')).max(maximumTracked).default([]),
})

/** A program with its arguments; it is never given to a shell. */
const command = z
  .array(z.string().max(4096), { error: 'write the program and its arguments as a list, such as [/usr/local/bin/chk]' })
  .min(1, { error: 'name the program' })
  .max(100)
  .refine(([program]) => program === undefined || /^\/[^\0]*$/.test(program), {
    error: 'write the absolute path of the program',
  })

/** keepalived: `vrrp_script`. */
export const scriptSchema = z.strictObject({
  name,
  command,
  interval: duration('100ms', '1h').prefault('1s'),
  timeout: duration('10ms', '1h').optional(),
  rise: integer(1, 100).default(1),
  fall: integer(1, 100).default(1),
  weight: weight.default(0),
  user: user.optional(),
  init_fail: z.boolean().default(false),
})

/** keepalived: `track_file`. */
export const trackFileSchema = z.strictObject({ name, path, weight: weight.default(1) })

/** keepalived: `track_process`. */
export const trackProcessSchema = z.strictObject({
  name,
  process: z.string().min(1).max(1024),
  quorum: integer(1, 10_000).default(1),
  delay: duration('0s', '1h').prefault('0s'),
  weight: weight.default(0),
})

/** A notification script: its path, or a list of its path and arguments. */
const notification = withShort(
  z.preprocess((value) => (typeof value === 'string' ? [value] : value), command),
  path,
).optional()

/** The key `notify` of an instance or a sync group. */
export const notifySchema = z.strictObject({
  master: notification,
  backup: notification,
  fault: notification,
  stop: notification,
  any: notification,
  timeout: duration('100ms', '1h').prefault('10s'),
  user: user.optional(),
})

const hasCredentials = (url: string): boolean => {
  if (!URL.canParse(url)) return false
  const { username, password } = new URL(url)
  return username !== '' || password !== ''
}

/** A receiver of every change of state, as JSON. Secret headers come from files. */
export const webhookSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/, error: 'write an address that begins with http:// or https://' })
    .refine((url) => !hasCredentials(url), {
      error:
        'user and password do not belong here; write "Basic …" into a file and name it in header_files: Authorization',
    }),
  headers,
  header_files: z.record(headerName, path).default({}),
  timeout: duration('100ms', '1m').prefault('5s'),
  retries: integer(0, 100).default(5),
})

/** The keys of `vrrp` that all instances share. */
export const sharedTrackKeys = {
  scripts: z.array(scriptSchema).max(maximumTracked).default([]),
  track_files: z.array(trackFileSchema).max(maximumTracked).default([]),
  track_processes: z.array(trackProcessSchema).max(maximumTracked).default([]),
  webhooks: z.array(webhookSchema).max(20).default([]),
  script_user: user.optional(),
}

/** The events that a notification script can be for. */
export const notifyKeys = ['master', 'backup', 'fault', 'stop', 'any'] as const

export type ScriptConfig = z.output<typeof scriptSchema>
export type TrackFileConfig = z.output<typeof trackFileSchema>
export type TrackProcessConfig = z.output<typeof trackProcessSchema>
export type NotifyConfig = z.output<typeof notifySchema>
export type WebhookConfig = z.output<typeof webhookSchema>
