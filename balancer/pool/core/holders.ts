// Who keeps a server from its share of sessions, or gave it another one: an operator, its agent, or a check.

import type { ServerHealthFact } from './facts.ts'

/** One who wants something of a server. `since` is milliseconds since the epoch, null where it is not known. */
export type Holder = {
  readonly by: 'operator' | 'agent' | 'check'
  readonly wants: string
  readonly since: number | null
  /** Its own words; empty where it has none. */
  readonly text: string
}

/** All who hold a server, an operator first. Empty for one that is as configured. */
export const holdersOf = ({
  orders,
  agent,
  draining,
  drainingSince,
  lastCheck,
}: ServerHealthFact): readonly Holder[] => {
  const { admin, weight } = orders
  const told = { by: 'agent', since: agent?.since ?? agent?.at ?? null, text: agent?.text ?? '' } as const
  return [
    ...(admin === 'ready' ? [] : [operator(admin, orders.adminSince)]),
    ...(weight === null ? [] : [operator(`weight ${weight}`, orders.weightSince)]),
    ...(agent === null || agent.admin === 'ready' ? [] : [{ ...told, wants: agent.admin }]),
    ...(agent?.down ? [{ ...told, wants: 'down' }] : []),
    ...(agent === null || agent.percent === null || agent.percent === whole
      ? []
      : [{ ...told, wants: `${agent.percent}% of the weight` }]),
    ...(agent === null || agent.maximumSessions === null
      ? []
      : [{ ...told, wants: `at most ${agent.maximumSessions} sessions` }]),
    ...(draining
      ? [{ by: 'check', wants: 'drain (404)', since: drainingSince ?? null, text: lastCheck?.text ?? '' } as const]
      : []),
  ]
}

const whole = 100

const operator = (wants: string, since: number | null | undefined): Holder => ({
  by: 'operator',
  wants,
  since: since ?? null,
  text: '',
})

/** What is told to an operator whose order was carried out: the order, and what else holds the server. */
export const describeOrder = (order: string, fact: ServerHealthFact, iso: (moment: number) => string): string => {
  const others = holdersOf(fact).filter(({ by, wants }) => by !== 'operator' || wants !== order)
  const lines = others.map(
    ({ by, wants, since, text }) =>
      `${by === 'operator' ? 'an operator ordered' : by === 'agent' ? 'the agent says' : 'a check says'} ${wants}` +
      `${since === null ? '' : ` since ${iso(since)}`}${text === '' || text === wants ? '' : ` ("${text}")`}`,
  )
  const isWanted = fact.admin !== 'maint' && fact.agent?.down !== true
  const failing = isWanted && !fact.up ? [downText(fact)] : []
  const all = [...lines, ...failing]
  return all.length === 0 ? order : `${order}, but ${all.join('; ')}`
}

const downText = ({ counters, lastCheck }: ServerHealthFact): string =>
  lastCheck === null || counters.includes(null)
    ? 'it is checked first'
    : `it is DOWN: ${lastCheck.reason}: ${lastCheck.text}`
