// What `balancer show vrrp` prints for people: who is master, since when and why, and what came in.

import type { VirtualRouterFact } from '../../../pool/core/facts.ts'
import { columns } from './show.ts'
import { countsText, duration } from './text.ts'

/** A table of the virtual routers, and under it why each is in its state and what it counted. `now`: since the epoch. */
export const describeRouters = (facts: readonly VirtualRouterFact[], now: number): string => {
  if (facts.length === 0) return 'no VRRP instance is configured'
  const rows = facts.map((fact) => [
    fact.name,
    fact.state.toUpperCase(),
    duration(now - fact.since),
    priorityText(fact),
    `${fact.interface}/${fact.virtualRouterId}`,
    `v${fact.version} ${fact.family === 'ipv4' ? 'IPv4' : 'IPv6'}`,
    duration(fact.advertisementInterval),
    fact.addresses.join(' '),
  ])
  const head = ['INSTANCE', 'STATE', 'SINCE', 'PRIORITY', 'INTERFACE/VRID', 'PROTOCOL', 'INTERVAL', 'ADDRESSES']
  return [columns(head, rows), ...facts.map((fact) => details(fact, now))].join('\n')
}

/** `150`, or the sum with its parts: `100 = configured 150, chk_disk -50`. */
const priorityText = ({ priority, priorityParts }: VirtualRouterFact): string =>
  priorityParts.length < 2
    ? `${priority}`
    : `${priority} = ${priorityParts.map((p) => `${p.of} ${p.value}`).join(', ')}`

const details = (fact: VirtualRouterFact, now: number): string => {
  const { lastAdvertisement: heard, otherMasters, conflicts, peers, source } = fact
  const ago = (at: number): string => `${duration(now - at)} ago`
  const lines = [
    `${fact.state.toUpperCase()} because: ${fact.reason}`,
    ...(fact.handingOver ? ['hands over: keeps the addresses until another router has them'] : []),
    ...(fact.standsBack
      ? [`handed over by an operator: preempts nobody until "balancer vrrp ${fact.name} ready"`]
      : []),
    ...(fact.inMaintenance ? [`in maintenance: takes no part until "balancer vrrp ${fact.name} ready"`] : []),
    source === null ? 'no source address' : `sends from ${source} to ${peers?.join(', ') ?? 'the multicast group'}`,
    heard === null
      ? 'no advertisement heard'
      : `last advertisement from ${heard.from}, priority ${heard.priority}, ${ago(heard.at)}`,
    `${fact.transitions} transitions, ${fact.sent} sent, ${fact.received} received, dropped: ${countsText(fact.dropped)}`,
    ...fact.routes.flatMap(({ route, isThere, trouble }) =>
      trouble !== null ? [`route ${route} cannot be added: ${trouble}`] : isThere ? [`route ${route} is there`] : [],
    ),
    ...(fact.syncGroup === null ? [] : [`in sync group ${fact.syncGroup}`]),
    ...(otherMasters.last === null
      ? []
      : [
          `${otherMasters.count} advertisements of another master: ${otherMasters.last.from}, ${ago(otherMasters.last.at)}`,
        ]),
    ...(conflicts.last === null
      ? []
      : [
          `CONFIGURATION ERROR: ${conflicts.last.from} ${conflicts.last.differs} (${conflicts.count} advertisements, the last ${ago(conflicts.last.at)})`,
        ]),
  ]
  return [`\n${fact.name}`, ...lines.map((line) => `  ${line}`)].join('\n')
}
