// The shape of agent.yaml: every key with its type, range and default. Rules over several keys stand in rules.ts.

import { z } from 'zod'
import { absolutePath, address, duration, integer, later, network } from './values.ts'

/** Where the server listens. */
export type MysqlTarget =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }

const defaultSocket = '/run/mysqld/mysqld.sock'
const mysqlPort = 3306

// sun_path of unix(7) holds 108 bytes with the final zero.
const socketPath = absolutePath(defaultSocket).max(107, { error: 'a socket path has at most 107 bytes' })

const mysql = z
  .strictObject({
    socket: socketPath.optional(),
    host: z
      .string()
      .regex(/^[A-Za-z0-9.:_-]{1,253}$/, { error: 'write a host name or an IP address' })
      .optional(),
    port: integer(1, 65_535).optional(),
    user: z.string().min(1, { error: 'name the check user, such as mysqlchkusr' }).max(128).default('mysqlchkusr'),
    password: z.string().optional(),
    password_file: absolutePath('/etc/mysqlchk-agent/password').optional(),
    option_file: later('write user and password_file instead'),
  })
  .transform(({ socket, host, port, user, password }) => ({
    target: targetOf(socket, host, port),
    user,
    password: password ?? '',
  }))

const targetOf = (socket: string | undefined, host: string | undefined, port: number | undefined): MysqlTarget =>
  host === undefined
    ? { kind: 'socket', path: socket ?? defaultSocket }
    : { kind: 'tcp', host, port: port ?? mysqlPort }

const laterModes: readonly unknown[] = ['replica', 'group_replication', 'ndb']

const mode = z
  .unknown()
  .superRefine((value, context) => {
    if (!laterModes.includes(value)) return
    context.addIssue({ code: 'custom', message: 'this version does not have it yet; use auto, ping or galera' })
  })
  .pipe(z.enum(['auto', 'ping', 'galera']))

const check = z.strictObject({
  mode: mode.default('auto'),
  query: z.string().min(1, { error: 'write a query, such as SELECT 1' }).max(4096).default('SELECT 1'),
  timeout: duration('50ms', '1m').prefault('1s'),
  interval: duration('100ms', '1m').prefault('1s'),
  max_age: duration('0ms', '1m').prefault('500ms'),
  available_when_donor: z.boolean().default(false),
  max_replication_lag: later('take the line out'),
})

const access = z.strictObject({
  allow: z.array(network).max(1000).default([]),
  max_connections: integer(1, 10_000).default(512),
  max_connections_per_source: integer(1, 10_000).default(64),
})

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const

/** agent.yaml. */
export const agentSchema = z.strictObject({
  listen: z.strictObject({ address: address.default('0.0.0.0'), port: integer(1, 65_535).default(9222) }).prefault({}),
  mysql: mysql.prefault({}),
  check: check.prefault({}),
  force_fail_file: absolutePath('/dev/shm/proxyoff').default('/dev/shm/proxyoff'),
  access: access.prefault({}),
  response: z.strictObject({ body: z.enum(['classic', 'html', 'percona', 'json']).default('classic') }).prefault({}),
  log: z.strictObject({ level: z.enum(levels).default('info') }).prefault({}),
})

/** What agent.yaml says, before the password file is read. Durations are `Millis`. */
export type AgentSettings = z.output<typeof agentSchema>
export type ListenConfig = AgentSettings['listen']
export type AccessConfig = AgentSettings['access']
export type LogConfig = AgentSettings['log']
