// A listener as configured and what is decided about it, in the words of the rules.

import type { ListenerConfig } from '../../../config/schema.ts'
import { millis } from '../../../core/time.ts'
import { accessOf } from '../../core/access-lists.ts'
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
  access: accessOf(config),
  timeouts: { connect: config.timeouts.connect, idle: idleOf(config) },
})

/** One timer for both sides. */
export const idleOf = ({ timeouts }: ListenerConfig) => millis(Math.min(timeouts.client, timeouts.server))

/** The targets with a word about each whether it has all the sessions that it may have. */
export const targetsWithRoom = (
  targets: readonly Omit<KernelTarget, 'isFull'>[],
  sessionsOf: (server: string) => number,
): readonly KernelTarget[] =>
  targets.map((target) => ({
    ...target,
    isFull: target.maximumSessions > 0 && sessionsOf(target.server) >= target.maximumSessions,
  }))
