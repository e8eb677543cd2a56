// What is otherwise on two balancers that should give each session to the same server, in words for an operator.

import type { PeerTable } from './messages.ts'

/**
 * A line of differences. `isPassing`: it may go away by itself, as when one sees a server up before the other; `isUsual`: it does so
 * all the time, and nobody is told of it before it has lasted.
 */
export type Difference = { readonly text: string; readonly isPassing: boolean; readonly isUsual?: true }

/** What `theirs` has otherwise than `own`; `name` is theirs. */
export const differencesOf = (
  own: readonly PeerTable[],
  theirs: readonly PeerTable[],
  name: string,
): readonly Difference[] => {
  const mine = new Map(own.map((one) => [one.table.listener, one]))
  const other = new Map(theirs.map((one) => [one.table.listener, one]))
  const lasting = (text: string): Difference => ({ text, isPassing: false })
  return [
    ...[...mine.keys()]
      .filter((listener) => !other.has(listener))
      .map((listener) => lasting(`listener ${listener} is direct here and not on ${name}`)),
    ...[...other.keys()]
      .filter((listener) => !mine.has(listener))
      .map((listener) => lasting(`listener ${listener} is direct on ${name} and not here`)),
    ...[...mine].flatMap(([listener, one]) => {
      const two = other.get(listener)
      return two === undefined ? [] : between(listener, one, two, name)
    }),
  ]
}

/** Addresses that both have, as in each hand-over for a moment; `name` is the other one's. */
export const heldByBoth = (own: readonly string[], theirs: readonly string[], name: string): readonly Difference[] => {
  const both = own.filter((address) => theirs.includes(address))
  if (both.length === 0) return []
  const text =
    `both are master: ${listed(both)} is here and on ${name}, and one does not hear the other's adverts: ` +
    'let IP protocol 112 pass both ways (nft list ruleset on both)'
  return [{ text, isPassing: true, isUsual: true }]
}

const between = (listener: string, one: PeerTable, two: PeerTable, name: string): readonly Difference[] => {
  const of = `listener ${listener}`
  const here = one.servers.filter((server) => !two.servers.includes(server))
  const there = two.servers.filter((server) => !one.servers.includes(server))
  const lasting = [
    ...(here.length > 0 ? [`${of}: only here: ${listed(here)}`] : []),
    ...(there.length > 0 ? [`${of}: only on ${name}: ${listed(there)}`] : []),
    ...(one.table.hash === two.table.hash
      ? []
      : [`${of}: balance differs: by ${hashWords[one.table.hash]} here, by ${hashWords[two.table.hash]} on ${name}`]),
  ]
  const sameServers = here.length === 0 && there.length === 0
  const sameSlots = one.table.seed === two.table.seed && one.table.slotCount === two.table.slotCount
  if (sameServers && !sameSlots) {
    lasting.push(`${of}: another seed on ${name}: give both the same names of listener and servers, and one version`)
  }
  const targets = [one, two].map(({ table }) => targetsText(table.targets))
  const differ = targets[0] !== targets[1]
  return [
    ...lasting.map((text) => ({ text, isPassing: false })),
    ...(differ
      ? [
          {
            text: `${of}: new sessions go to ${targets[0]} here, to ${targets[1]} on ${name}${orderHint}`,
            isPassing: true,
          },
        ]
      : []),
  ]
}

const hashWords = { session: 'address and port', source: 'address alone' } as const

/** Often it was given while the other one was stopped, which starts with the orders from before. */
const orderHint = ': see show servers on both; an order is given on each balancer, and a restart forgets none'

const targetsText = (targets: PeerTable['table']['targets']): string =>
  listed(targets.map(({ server, weight }) => `${server} ${weight}`).sort()) || 'nobody'

const mostListed = 10
const listed = (names: readonly string[]): string =>
  names.length > mostListed
    ? `${names.slice(0, mostListed).join(', ')} and ${names.length - mostListed} more`
    : names.join(', ')
