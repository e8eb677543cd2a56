// Which process of a balancer keeps which of the supervisor's capabilities.

import type { Logger } from 'pino'
import { type Capability, type Confinement, canConfine, confinementTo } from '../os/capabilities.ts'
import type { ProcessRole } from './core/processes.ts'

/**
 * What a process needs; null: all that the supervisor has. The vrrp process changes the network, and the scripts that it
 * starts may need what an operator gave to the unit. `net_raw` lets forwarders reset sessions of an address or a server that
 * has left, and the director send echo requests; `net_admin` is for rules in the kernel. `chown` gives a runtime socket its group.
 */
const needed: Readonly<Record<ProcessRole, readonly Capability[] | null>> = {
  vrrp: null,
  director: ['net_raw', 'net_bind_service', 'chown'],
  proxy: ['net_raw', 'net_bind_service'],
  kernel: ['net_admin', 'net_raw'],
}

/** How a child is to be forked. */
export const confinementOf = (role: ProcessRole): Confinement | Readonly<Record<string, never>> => {
  const kept = needed[role]
  return kept === null ? {} : confinementTo(kept)
}

/** Says so where the processes cannot be confined. */
export const warnUnconfined = (log: Logger): void => {
  if (!canConfine()) log.warn('The director and what forwards keep all privileges: the supervisor has no CAP_SETPCAP')
}
