// A listener as configured and what is decided about it, in the words of the rules.

import type { ListenerConfig } from '../../../config/schema.ts'
import { familyOf } from '../../../core/ip-address.ts'
import { millis } from '../../../core/time.ts'
import type { KernelListener, KernelTarget } from './kernel-listener.ts'

/** What the rules need to know beside the configuration. */
export type Decided = Pick<KernelListener, 'targets' | 'isFull' | 'isHandingOver'>

/** The listener for `kernelTable`. */
export const listenerOfConfig = (
  config: ListenerConfig,
  { targets, isFull, isHandingOver }: Decided,
): KernelListener => ({
  name: config.name,
  binds: config.bind,
  balance: config.balance,
  servers: config.servers.map(({ name, address: { address, port } }) => ({ name, address, port })),
  targets,
  maximumSessions: config.max_connections,
  isFull,
  isHandingOver,
  access: {
    ...accessLists(config),
    connectionRate: config.access.connection_rate,
    connectionRatePerSource: config.access.connection_rate_per_source,
  },
  timeouts: { connect: config.timeouts.connect, idle: idleOf(config) },
})

/** One timer for both sides. */
export const idleOf = ({ timeouts }: ListenerConfig) => millis(Math.min(timeouts.client, timeouts.server))

/** Lists may hold both families, a listener has one. Who is not on a list that is not empty is not allowed. */
const accessLists = ({ bind, access }: ListenerConfig): Pick<KernelListener['access'], 'allow' | 'deny'> => {
  const family = familyOf(bind[0]?.address ?? '')
  const own = (networks: ListenerConfig['access']['allow']): readonly string[] =>
    networks
      .filter(({ address }) => familyOf(address) === family)
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`)
  const allow = own(access.allow)
  if (access.allow.length > 0 && allow.length === 0) return { allow, deny: everyone[family] }
  return { allow, deny: own(access.deny) }
}

const everyone = { ipv4: ['0.0.0.0/0'], ipv6: ['::/0'] } as const

/** The targets with a word about each whether it has all the sessions that it may have. */
export const targetsWithRoom = (
  targets: readonly Omit<KernelTarget, 'isFull'>[],
  sessionsOf: (server: string) => number,
): readonly KernelTarget[] =>
  targets.map((target) => ({
    ...target,
    isFull: target.maximumSessions > 0 && sessionsOf(target.server) >= target.maximumSessions,
  }))
