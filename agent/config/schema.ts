// The shape of agent.yaml: every key with its type, range and default. Rules over several keys stand in rules.ts.

import { isIP } from 'node:net'
import * as z from 'zod'
import { absolutePath, address, duration, integer, network, percentage } from './values.ts'

const socketExample = '/run/mysqld/mysqld.sock'

// sun_path of unix(7) holds 108 bytes with the final zero.
const tooLong = { error: 'a socket path has at most 107 bytes' }
const socketPath = absolutePath(socketExample)
  .max(107, tooLong)
  .refine((text) => Buffer.byteLength(text) <= 107, tooLong)
const port = integer(1, 65_535)

/** What systemd takes for the name of a credential. */
export const credentialName = /^[A-Za-z0-9._-]{1,255}$/

const hostName = z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, { error: 'write a host name or an IP address' })

const serverTls = z.strictObject({
  ca: absolutePath('/etc/mysql/ca.pem').optional(),
  verify: z.union([z.boolean(), z.literal('ca')], { error: 'allowed are true, false and ca' }).default(true),
  server_name: hostName.optional(),
  certificate: absolutePath('/etc/mysqlchk-agent/client.crt').optional(),
  key: absolutePath('/etc/mysqlchk-agent/client.key').optional(),
})

/** An address or a host name, perhaps with a port; an IPv6 address stands in brackets. */
export const clientAddressPattern = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]{1,253}))(?::(\d{1,5}))?$/

const mysql = z.strictObject({
  socket: socketPath.optional(),
  host: hostName.optional(),
  port: port.optional(),
  extra_port: port.optional(),
  admin_port: port.optional(),
  client_address: z
    .string()
    .regex(clientAddressPattern, { error: 'write where clients come in, such as 10.1.6.203:3306, or none' })
    .optional(),
  user: z.string().min(1, { error: 'name the check user, such as mysqlchkusr' }).max(128).optional(),
  password: z.string().optional(),
  password_file: absolutePath('/etc/mysqlchk-agent/password').optional(),
  password_credential: z
    .string()
    .regex(credentialName, { error: 'write the name of a credential, as in LoadCredential=NAME:PATH' })
    .optional(),
  option_file: absolutePath('/etc/mysqlchk-agent/my.cnf').optional(),
  tls: serverTls.optional(),
})

const modes = ['auto', 'ping', 'galera', 'replica', 'group_replication', 'ndb'] as const

const check = z.strictObject({
  mode: z.enum(modes).default('auto'),
  query: z.string().min(1, { error: 'write a query, such as SELECT 1' }).max(4096).default('SELECT 1'),
  expect: z.string().max(1024).nullable().default(null),
  timeout: duration('50ms', '1m').prefault('1s'),
  interval: duration('100ms', '1m').prefault('1s'),
  max_age: duration('0ms', '1m').prefault('500ms'),
  available_when_donor: z
    .union([z.boolean(), z.literal('last')], { error: 'allowed are true, false and last' })
    .default(false),
  max_replication_lag: duration('0s', '365d').prefault('30s'),
  max_source_absence: duration('0s', '365d').prefault('5m'),
  writer_must_replicate: z.boolean().default(false),
  login_interval: duration('0s', '1h').prefault('5s'),
  disk: z
    .strictObject({
      path: absolutePath('/var/lib/mysql').nullable().default(null),
      min_free: percentage.prefault('5%'),
      min_free_inodes: percentage.prefault('5%'),
    })
    .nullable()
    .default(null),
  heartbeat: z
    .strictObject({
      table: z.string().regex(/^[A-Za-z0-9_$]{1,64}\.[A-Za-z0-9_$]{1,64}$/, {
        error: 'write database.table, such as mysqlchk.heartbeat',
      }),
      interval: duration('100ms', '1h').prefault('5s'),
    })
    .nullable()
    .default(null),
  queues: z
    .strictObject({
      max_apply: integer(0, 1_000_000_000).nullable().default(null),
      max_certify: integer(0, 1_000_000_000).nullable().default(null),
    })
    .nullable()
    .default(null),
  connections: z
    .strictObject({ min_free: percentage.prefault('5%') })
    .nullable()
    .default(null),
})

const access = z.strictObject({
  allow: z.array(network).max(1000).default([]),
  deny: z.array(network).max(1000).default([]),
  max_connections: integer(1, 10_000).default(512),
  max_connections_per_source: integer(1, 10_000).default(64),
  rate_limit: z
    .strictObject({ per_source: integer(1, 100_000), burst: integer(1, 100_000).default(50) })
    .nullable()
    .default(null),
})

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const

const anyAddress = address.default('0.0.0.0')

const tls = z.strictObject({
  certificate: absolutePath('/etc/mysqlchk-agent/tls.crt'),
  key: absolutePath('/etc/mysqlchk-agent/tls.key'),
  client_ca: absolutePath('/etc/mysqlchk-agent/client-ca.crt').optional(),
})

const agentCheck = z.strictObject({
  address: anyAddress,
  port,
  weight: z.enum(['none', 'headroom']).default('none'),
  on_force_fail: z.enum(['down', 'drain', 'maint']).default('down'),
})

const response = z.strictObject({
  body: z.enum(['classic', 'role', 'html', 'percona', 'json']).default('classic'),
  /** Left out: where the body is that of a script. */
  compatibility: z.boolean().optional(),
})

/** A health report has to hold them all. */
const mostDirectReturns = 16

const directReturn = z.strictObject({
  address: z.string().refine((value) => isIP(value) !== 0 && !value.includes('%'), {
    error: 'write the address of a listener, such as 198.51.100.7 or 2001:db8::7',
  }),
  port,
  server_port: port.optional(),
})

/** Survives a reboot, which /dev/shm does not. */
const lastingFile = '/var/lib/mysqlchk-agent/proxyoff'

/** Of the units as they come. */
export const directReturnDirectory = '/run/mysqlchk-agent-direct-return'

/** agent.yaml. */
export const agentSchema = z.strictObject({
  listen: z.strictObject({ address: anyAddress, port: port.default(9222), tls: tls.optional() }).prefault({}),
  agent_check: agentCheck.nullable().default(null),
  mysql: mysql.prefault({}),
  check: check.prefault({}),
  force_fail_file: absolutePath('/dev/shm/proxyoff').default('/dev/shm/proxyoff'),
  lasting_force_fail_file: absolutePath(lastingFile).default(lastingFile),
  direct_return: z.array(directReturn).max(mostDirectReturns).default([]),
  direct_return_directory: absolutePath(directReturnDirectory).default(directReturnDirectory),
  access: access.prefault({}),
  response: response.prefault({}),
  log: z.strictObject({ level: z.enum(levels).default('info') }).prefault({}),
})

/** What agent.yaml says, before the files that it names are read. Durations are `Millis`, shares are percent. */
export type AgentSettings = z.output<typeof agentSchema>
export type MysqlSettings = AgentSettings['mysql']
export type CheckConfig = AgentSettings['check']
export type AccessConfig = AgentSettings['access']
export type LogConfig = AgentSettings['log']
