// A listener as configured and what is decided about it, in the words of the rules.

import type { ListenerConfig } from '../../../config/schema.ts'
import { millis } from '../../../core/time.ts'
import type { Access } from '../../rules/core/access.ts'
import type { DirectListener } from './direct-table.ts'

/** What the rules need to know beside the configuration. */
export type Decided = Pick<DirectListener, 'servers' | 'table' | 'established' | 'admits'>

/** The listener for `directTable`. */
export const listenerOfConfig = (config: ListenerConfig, decided: Decided): DirectListener => ({
  name: config.name,
  binds: config.bind,
  ...decided,
  access: accessOf(config),
  timeouts: { connect: config.timeouts.connect, idle: idleOf(config) },
})

/** Of both families: the rules take of each list what is of a packet's. */
const accessOf = ({ access }: ListenerConfig): Access => ({
  allow: access.allow.map(networkText),
  deny: access.deny.map(networkText),
  connectionRate: access.connection_rate,
  connectionRatePerSource: access.connection_rate_per_source,
})

const networkText = ({ address, prefixLength }: ListenerConfig['access']['allow'][number]): string =>
  `${address}/${prefixLength}`

/** A session is forgotten when it has been silent for so long: the longer of both, since nothing may end before its time. */
export const idleOf = ({ timeouts }: ListenerConfig) => millis(Math.max(timeouts.client, timeouts.server))

/** What of a client chooses its server. */
export const hashIn = ({ balance }: Pick<ListenerConfig, 'balance'>): 'session' | 'source' =>
  balance === 'source' ? 'source' : 'session'
