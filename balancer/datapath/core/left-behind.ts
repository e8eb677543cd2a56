// Servers that rules from before this process give sessions to: as long as nothing is known of them they go on getting some.

import { takesSessions } from '../../pool/core/server-state.ts'
import type { Plan } from './plan.ts'
import type { Target } from './targets.ts'

/** What is left of a target: a server that went on getting sessions, as it is configured. */
export type LeftTarget = Pick<Target, 'server' | 'weight' | 'maximumSessions'>

/** Whether the plan knows enough to decide alone. */
export const isKnown = ({ config, servers, writer }: Plan): boolean =>
  servers.every(({ fact }) => fact !== null) && (config.balance !== 'single' || writer !== null)

/**
 * Of `inherited`, names of servers that get sessions by what an earlier process left, those of which nothing is known that would
 * speak against it; `own` are the targets that the plan has chosen itself. Their weights are those of the configuration, as those of `own`
 * are: their slots as they were found are on another scale, and the first server that is known would have next to none beside them.
 */
export const leftBehind = (
  { config, servers, writer }: Plan,
  inherited: ReadonlySet<string>,
  own: ReadonlySet<string>,
): readonly LeftTarget[] =>
  servers.flatMap(({ server, fact }) => {
    if (!inherited.has(server) || own.has(server)) return []
    const isUndecided = config.balance === 'single' && writer === null && fact !== null && takesSessions(fact)
    if (fact !== null && !isUndecided) return []
    const configured = config.servers.find(({ name }) => name === server)
    // One that is configured with 0 got its sessions by an order.
    const weight = Math.max(1, configured?.weight ?? 1)
    return [{ server, weight, maximumSessions: configured?.max_connections ?? 0 }]
  })
