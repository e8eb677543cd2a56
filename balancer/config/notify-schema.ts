// Who is told of what happens: notification scripts and webhooks, with their keys.

import * as z from 'zod'
import { headerName, headers, path, withShort } from './shapes.ts'
import { duration, integer } from './values.ts'

/** A user of this host. */
export const userName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$/, { error: 'write the name of a user of this host' })

/** A program with its arguments; it is never given to a shell. */
export const command = z
  .array(z.string().max(4096), { error: 'write the program and its arguments as a list, such as [/usr/local/bin/chk]' })
  .min(1, { error: 'name the program' })
  .max(100)
  .refine(([program]) => program === undefined || /^\/[^\0]*$/.test(program), {
    error: 'write the absolute path of the program',
  })

/** A notification script: its path, or a list of its path and arguments. */
const script = withShort(
  z.preprocess((value) => (typeof value === 'string' ? [value] : value), command),
  path,
).optional()

const common = { timeout: duration('100ms', '1h').prefault('10s'), user: userName.optional() }

/** The key `notify` of an instance or a sync group. */
export const routerNotifySchema = z.strictObject({
  master: script,
  backup: script,
  fault: script,
  stop: script,
  any: script,
  ...common,
})

/** The states that a notification script of VRRP can be for. */
export const routerNotifyKeys = ['master', 'backup', 'fault', 'stop', 'any'] as const

const hasCredentials = (url: string): boolean => {
  if (!URL.canParse(url)) return false
  const { username, password } = new URL(url)
  return username !== '' || password !== ''
}

/** A receiver of every change, as JSON. Secret headers come from files. */
const webhook = z.strictObject({
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

/** The key `webhooks`. */
export const webhooksSchema = z.array(webhook).max(20).default([])

const notify = z.strictObject({ server: script, writer: script, webhooks: webhooksSchema, ...common })

/** The key `notify` of the whole: changes of servers and writers. */
export const notifySchema = notify.prefault({})
export const notifyKeys = notify.keyof().options

export type RouterNotifyConfig = z.output<typeof routerNotifySchema>
export type WebhookConfig = z.output<typeof webhook>
