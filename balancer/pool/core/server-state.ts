// What a server's fact means: whether it takes sessions, and the word that operators know for its state.

import type { AdminState, ServerHealthFact } from './facts.ts'

/** Whether new sessions may go to the server. */
export const takesSessions = ({ up, admin, draining, weight }: ServerHealthFact): boolean =>
  up && admin === 'ready' && !draining && weight > 0

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
  'backup',
] as const satisfies readonly (keyof ServerHealthFact)[]
