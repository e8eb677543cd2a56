// The shape of balancer.yaml: every key with its type, range and default. Rules over several keys stand in rules.ts.

import { z } from 'zod'
import { duration, endpoint, integer, name } from './values.ts'
import { vrrpSchema } from './vrrp-schema.ts'

const oneOrMore = <T extends z.ZodType>(item: T) =>
  z.preprocess((value) => (Array.isArray(value) ? value : [value]), z.array(item).min(1))

const path = z.string().regex(/^\//, { error: 'write an absolute path, such as /etc/balancer/status.password' })
const urlPath = z.string().regex(/^\/[!-~]*$/, { error: 'write a path that begins with /' })

const check = z.strictObject({
  type: z.enum(['http']).default('http'),
  port: integer(1, 65_535).default(9222),
  path: urlPath.default('/'),
  interval: duration('50ms', '1h').prefault('2s'),
  timeout: duration('10ms', '5m').prefault('2s'),
  rise: integer(1, 100).default(2),
  fall: integer(1, 100).default(3),
})

const server = z.strictObject({
  name,
  address: endpoint,
  weight: integer(0, 256).default(1),
  max_connections: integer(0, 1_000_000).default(0),
})

const listener = z.strictObject({
  name,
  bind: oneOrMore(endpoint),
  datapath: z
    .literal('userspace', { error: 'this version forwards in user space only; write userspace' })
    .default('userspace'),
  balance: z.enum(['roundrobin']).default('roundrobin'),
  max_connections: integer(1, 1_000_000).default(4000),
  timeouts: z
    .strictObject({
      connect: duration('10ms', '10m').prefault('5s'),
      client: duration('1s', '30d').prefault('8h'),
      server: duration('1s', '30d').prefault('8h'),
      queue: duration('10ms', '10m').prefault('5s'),
    })
    .prefault({}),
  redispatch: z.boolean().default(true),
  on_marked_down: z.enum(['shutdown_sessions', 'keep']).default('shutdown_sessions'),
  check: check.prefault({}),
  servers: z.array(server).min(1, { error: 'name at least one server' }).max(1000),
})

/** The runtime socket unless `admin.socket` says otherwise. */
export const defaultSocket = '/run/balancer/admin.sock'

const admin = z.strictObject({
  // Longer paths do not fit into the kernel's sockaddr_un, and are cut off without a word.
  socket: path.max(107, { error: 'a socket path has at most 107 characters' }).default(defaultSocket),
  http: z
    .strictObject({
      bind: oneOrMore(endpoint),
      path: urlPath.default('/status'),
      refresh: duration('1s', '1h').prefault('5s'),
      users: z
        .array(z.strictObject({ name, password_file: path }))
        .min(1, { error: 'name at least one user; balancer hash-password makes the file' })
        .max(50),
    })
    .optional(),
})

/** Keys of the documented format that a later version brings; naming one is an error that says so. */
export const laterKeys: ReadonlySet<string> = new Set([
  'unicast',
  'authentication',
  'track',
  'notify',
  'scripts',
  'sync_groups',
  'session_sync',
  'backup',
  'syslog',
  'facility',
])

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const

/** The whole of balancer.yaml. */
export const balancerSchema = z.strictObject({
  router_id: name,
  vrrp: vrrpSchema,
  listeners: z.array(listener).min(1, { error: 'name at least one listener' }).max(100),
  admin: admin.prefault({}),
  log: z.strictObject({ level: z.enum(levels).default('info') }).prefault({}),
})

/** The typed configuration of one balancer. Durations are `Millis`. */
export type BalancerConfig = z.output<typeof balancerSchema>
export type ListenerConfig = BalancerConfig['listeners'][number]
export type ServerConfig = ListenerConfig['servers'][number]
export type CheckConfig = ListenerConfig['check']
export type StatusPageConfig = NonNullable<BalancerConfig['admin']['http']>
