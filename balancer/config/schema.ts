// The shape of balancer.yaml: every key with its type, range and default. Rules over several keys stand in rules.ts.

import * as z from 'zod'
import { bindEndpoint } from './endpoint-values.ts'
import { listenerSchema } from './listener-schema.ts'
import { logSchema } from './log-schema.ts'
import { notifySchema } from './notify-schema.ts'
import { type PeersConfig, peersSchema } from './peers-schema.ts'
import type { Secrets } from './secrets.ts'
import { oneOrMore, path, urlPath } from './shapes.ts'
import { socketSchema } from './socket-schema.ts'
import { duration, name } from './values.ts'
import { vrrpSchema } from './vrrp-schema.ts'

const admin = z.strictObject({
  socket: socketSchema,
  http: z
    .strictObject({
      bind: oneOrMore(bindEndpoint),
      path: urlPath.default('/status'),
      refresh: duration('1s', '1h').prefault('5s'),
      users: z
        .array(z.strictObject({ name, password_file: path, role: z.enum(['viewer', 'operator']).default('viewer') }))
        .min(1, { error: 'name at least one user; balancer hash-password makes the file' })
        .max(50),
      public: z
        .array(z.enum(['healthz', 'metrics', 'csv', 'json', 'events']))
        .max(5)
        .default(['healthz']),
    })
    .optional(),
})

/** Keys of the documented format that a later version brings; naming one is an error that says so. */
export const laterKeys: ReadonlySet<string> = new Set(['session_sync'])

/** The whole of balancer.yaml. */
export const balancerSchema = z.strictObject({
  router_id: name,
  vrrp: vrrpSchema,
  listeners: z.array(listenerSchema).min(1, { error: 'name at least one listener' }).max(100),
  peers: peersSchema.optional(),
  admin: admin.prefault({}),
  notify: notifySchema,
  state_file: path.nullable().optional(),
  hard_stop_after: duration('1s', '24h').prefault('1h'),
  log: logSchema,
})

/** The typed configuration of one balancer. Durations are `Millis`; `secrets` is there when it was read from a file. */
export type BalancerConfig = Omit<z.output<typeof balancerSchema>, 'peers'> & {
  readonly peers?: PeersConfig | undefined
  readonly secrets?: Secrets
}
export type {
  AgentCheckConfig,
  CheckConfig,
  CheckTlsConfig,
  HttpCheckConfig,
  IcmpCheckConfig,
  MysqlCheckConfig,
  TcpCheckConfig,
} from './check-schema.ts'
export type { Balance, ListenerConfig, ServerConfig } from './listener-schema.ts'
export type { PeersConfig } from './peers-schema.ts'
export type StatusPageConfig = NonNullable<BalancerConfig['admin']['http']>
