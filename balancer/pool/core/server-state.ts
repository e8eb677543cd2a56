// What a server's fact means: whether it takes sessions, what becomes of those it has, and the word that operators know.

import type { ReasonCode } from '../../../shared/reason.ts'
import type { AdminState, LastCheck, ServerHealthFact } from './facts.ts'

/** Whether new sessions may go to the server. */
export const takesSessions = ({ up, admin, draining, weight }: ServerHealthFact): boolean =>
  up && admin === 'ready' && !draining && weight > 0

/** Whether the server works, wanted or not: it passes its checks, or its agent says that an operator took it out. */
export const isWorking = ({ up, refusing }: ServerHealthFact): boolean => up || refusing

/** Whether nothing is known of a server yet; one in maintenance is not checked. */
export const isUnchecked = ({ counters, admin }: ServerHealthFact): boolean =>
  admin !== 'maint' && counters.includes(null)

/** Of servers that do not work: whether the one that went last went into maintenance, and did not fail. */
export const wentByOrder = (servers: readonly ServerHealthFact[]): boolean =>
  servers.toSorted((one, other) => other.since - one.since)[0]?.admin === 'maint'

/**
 * Whether a server that is not wanted still does its work, so that who is logging in there can finish: it is drained, an
 * operator took it out, or it says itself why it should get no more. Not where nothing answered, and not where what it
 * still answers is worth nothing: an outsider to its cluster, a node that takes no writes any more, or a server that lets
 * nobody in.
 */
export const stillWorks = ({ up, lastCheck }: ServerHealthFact): boolean =>
  up || lastCheck === null || lastCheck.passed || (answered.has(lastCheck.status) && !useless.has(lastCheck.reason))

/** Who says so is alive; what died there was reset by its own kernel. */
const answered: ReadonlySet<LastCheck['status']> = new Set(['L7STS', 'L7RSP'])
const useless: ReadonlySet<string> = new Set<ReasonCode>([
  'connection-refused',
  'unreachable',
  'timeout',
  'connection-lost',
  'not-primary',
  'not-ready',
  'no-majority',
  'not-online',
  'no-data-nodes',
  'rejecting-queries',
  'read-only',
  'galera-off',
  'closed-to-clients',
  'unknown',
])

/** HAProxy's words: `UP`, `UP 2/3` while failing, `DOWN`, `DOWN 1/2` while rising, `DRAIN`, `NOLB` after a 404, `MAINT`. */
export const statusWord = (fact: ServerHealthFact | undefined): string => {
  if (fact === undefined) return 'DOWN'
  const { value, rise, fall } = fact.health
  if (fact.admin === 'maint') return 'MAINT'
  if (!fact.up) return value > 0 && value < rise ? `DOWN ${value}/${rise}` : 'DOWN'
  if (fact.admin === 'drain') return 'DRAIN'
  if (fact.draining) return 'NOLB'
  return value === rise + fall - 1 ? 'UP' : `UP ${value - rise + 1}/${fall}`
}

const strictness: Readonly<Record<AdminState, number>> = { ready: 0, drain: 1, maint: 2 }

/** The stricter of two wishes. */
export const stricter = (one: AdminState, other: AdminState): AdminState =>
  strictness[one] >= strictness[other] ? one : other

/** Whether two facts differ at most in what the last check said. */
export const isSameState = (one: ServerHealthFact, other: ServerHealthFact): boolean =>
  watched.every((key) => one[key] === other[key]) &&
  one.counters.every((counter, i) => counter === other.counters[i]) &&
  one.orders.weight === other.orders.weight &&
  one.orders.admin === other.orders.admin &&
  one.agentCheck?.silent === other.agentCheck?.silent &&
  one.agentCheck?.unknown === other.agentCheck?.unknown

const watched = [
  'up',
  'since',
  'admin',
  'draining',
  'refusing',
  'weight',
  'maximumSessions',
  'role',
  'roleIsOld',
  'backup',
] as const satisfies readonly (keyof ServerHealthFact)[]
