// A listener and its servers: every key with its type, range and default. The checks stand in check-schema.ts.

import * as z from 'zod'
import { datapaths } from '../core/forwarders.ts'
import { agentCheckSchema, checkSchema } from './check-schema.ts'
import { bindEndpoint, hostEndpoint } from './endpoint-values.ts'
import { oneOrMore } from './shapes.ts'
import { clientNetwork, duration, integer, name } from './values.ts'

const server = z.strictObject({
  name,
  address: hostEndpoint,
  weight: integer(0, 256).default(1),
  backup: z.boolean().default(false),
  max_connections: integer(0, 1_000_000).default(0),
})

/** How a listener chooses (HAProxy: `balance`); `single` gives all sessions to one writer. */
const balances = ['roundrobin', 'leastconn', 'source', 'first', 'random', 'single'] as const

/** What connect failures of sessions mean for a server (HAProxy: `observe layer4`, `error-limit`, `on-error`). */
const observe = z.strictObject({
  enabled: z.boolean().default(true),
  error_limit: integer(1, 10_000).default(10),
  on_error: z.enum(['fast_interval', 'fail_check', 'mark_down']).default('fail_check'),
})

/** Who may connect, and how often (nftables: `ip saddr @set`, `limit rate`). 0 is no limit. */
const access = z.strictObject({
  allow: z.array(clientNetwork).max(1000).default([]),
  deny: z.array(clientNetwork).max(1000).default([]),
  connection_rate: integer(0, 1_000_000).default(0),
  connection_rate_per_source: integer(0, 1_000_000).default(0),
})

/** A listener. */
export const listenerSchema = z.strictObject({
  name,
  bind: oneOrMore(bindEndpoint),
  datapath: z.enum(datapaths).default('userspace'),
  balance: z.enum(balances).default('roundrobin'),
  fail_back: z.boolean().default(false),
  all_backups: z.boolean().default(false),
  panic_threshold: integer(0, 1000).default(0),
  slow_start: duration('0s', '1h').prefault('0s'),
  max_connections: integer(1, 1_000_000).default(4000),
  access: access.prefault({}),
  // Timers count milliseconds in 31 bits: 24 days.
  timeouts: z
    .strictObject({
      connect: duration('10ms', '10m').prefault('5s'),
      client: duration('1s', '24d').prefault('8h'),
      server: duration('1s', '24d').prefault('8h'),
      queue: duration('10ms', '10m').prefault('5s'),
    })
    .prefault({}),
  retries: integer(0, 100).default(3),
  redispatch: z.boolean().default(true),
  on_marked_down: z.enum(['shutdown_sessions', 'keep']).default('shutdown_sessions'),
  shutdown_grace: duration('0s', '1h').prefault('0s'),
  on_marked_up: z.enum(['shutdown_backup_sessions', 'keep']).default('keep'),
  check: oneOrMore(checkSchema).prefault([{}]),
  agent_check: agentCheckSchema.optional(),
  observe: observe.prefault({}),
  servers: z.array(server).min(1, { error: 'name at least one server' }).max(1000),
})

/** A listener as configured. Durations are `Millis`. */
export type ListenerConfig = z.output<typeof listenerSchema>
export type ServerConfig = ListenerConfig['servers'][number]
export type Balance = ListenerConfig['balance']
