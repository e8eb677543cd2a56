// Which numbers of listeners and servers there are in which datapath: what does not exist is shown as that, and never as 0.

import type { Datapath } from '../../core/forwarders.ts'

/** `counted`: by the balancer itself; `told`: by the agents of the servers, where they know it; `none`: it does not exist there. */
export type Availability = 'counted' | 'told' | 'none'

type Row = Readonly<Record<Datapath, Availability>>

const everywhere: Row = { userspace: 'counted', kernel: 'counted', direct: 'counted' }
const inUserSpace: Row = { userspace: 'counted', kernel: 'none', direct: 'none' }

/** By the name that the number has in the status document. */
export const numbers = {
  sessions: everywhere,
  maximum_sessions: everywhere,
  total_sessions: everywhere,
  session_rate: everywhere,
  maximum_session_rate: everywhere,
  last_session: everywhere,
  bytes_in: everywhere,
  // What servers answer passes no balancer there.
  bytes_out: { userspace: 'counted', kernel: 'counted', direct: 'told' },
  connect_failures: everywhere,
  denied: everywhere,
  // The kernel sends a client's second SYN to another server by itself, and tells nobody.
  retries: inUserSpace,
  redispatches: inUserSpace,
  queued: inUserSpace,
  maximum_queued: inUserSpace,
  connections: { userspace: 'none', kernel: 'none', direct: 'told' },
  exceptions: { userspace: 'none', kernel: 'none', direct: 'counted' },
} as const satisfies Readonly<Record<string, Row>>

/** A number of the status document that not every datapath has, or all. */
export type NumberName = keyof typeof numbers

/** Those that do not exist in a datapath, in the order of the matrix. */
export const notCounted = (datapath: Datapath): readonly NumberName[] =>
  numberNames.filter((name) => numbers[name][datapath] === 'none')

const isNumberName = (name: string): name is NumberName => name in numbers
const numberNames = Object.keys(numbers).filter(isNumberName)
