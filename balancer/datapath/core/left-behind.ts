// Servers that rules from before this process give sessions to: as long as nothing is known of them they go on getting some.

import { takesSessions } from '../../pool/core/server-state.ts'
import type { Plan } from './plan.ts'
import type { Target } from './targets.ts'

/** What is left of a target: its name, and its share as it was found. */
export type LeftTarget = Pick<Target, 'server' | 'weight' | 'maximumSessions'>

/** Whether the plan knows enough to decide alone. */
export const isKnown = ({ config, servers, writer }: Plan): boolean =>
  servers.every(({ fact }) => fact !== null) && (config.balance !== 'single' || writer !== null)

/**
 * Of `inherited`, shares by name that an earlier process left, those of whose server nothing is known that would speak against it.
 * `own` are the targets that the plan has chosen itself.
 */
export const leftBehind = (
  { config, servers, writer }: Plan,
  inherited: ReadonlyMap<string, number>,
  own: ReadonlySet<string>,
): readonly LeftTarget[] =>
  servers.flatMap(({ server, fact }) => {
    const weight = inherited.get(server)
    if (weight === undefined || own.has(server)) return []
    const isUndecided = config.balance === 'single' && writer === null && fact !== null && takesSessions(fact)
    if (fact !== null && !isUndecided) return []
    const configured = config.servers.find(({ name }) => name === server)
    return [{ server, weight, maximumSessions: configured?.max_connections ?? 0 }]
  })
