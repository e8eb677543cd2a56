// What `balancer show vrrp` prints for people: who is master, since when and why, and what came in.

import type { RouterStatus } from '../model/status.ts'
import { routerTone } from './state-tone.ts'
import { type Block, type Cell, columnsOf, linesBlock, plain, plainText, type Table } from './table.ts'
import { countsText, duration, senderText } from './text.ts'

/** See `routersBlocks`, as text. */
export const describeRouters = (routers: readonly RouterStatus[]): string => plainText(routersBlocks(routers))

/** A table of the virtual routers, and under it why each is in its state and what it counted. */
export const routersBlocks = (routers: readonly RouterStatus[]): readonly Block[] => {
  if (routers.length === 0) return linesBlock(['no VRRP instance is configured'])
  const columns = columnsOf(
    ...['INSTANCE', 'STATE', 'SINCE', 'PRIORITY', ['INTERFACE/VRID', 2] as const],
    ...[['PROTOCOL', 4] as const, ['INTERVAL', 3] as const, 'ADDRESSES'],
  )
  const rows = routers.map((router) => [
    ...firstCells(router),
    plain(`${router.interface ?? '-'}/${router.virtual_router_id ?? '-'}`),
    plain(router.version === null ? '-' : `v${router.version} ${router.family === 'ipv4' ? 'IPv4' : 'IPv6'}`),
    plain(router.advertisement_interval_ms === null ? '-' : duration(router.advertisement_interval_ms)),
    addressesCell(router),
  ])
  return [{ columns, rows }, ...routers.flatMap((router) => linesBlock([router.name, ...details(router)]))]
}

/** The virtual routers in a line each: in which state they are, and why. */
export const routersTable = (routers: readonly RouterStatus[]): Table => ({
  columns: columnsOf('INSTANCE', 'STATE', 'SINCE', ['PRIORITY', 1], 'ADDRESSES', 'BECAUSE'),
  rows: routers.map((router) => [
    ...firstCells(router),
    addressesCell(router),
    { text: reasonText(router), mark: `${router.name} because ${reasonText(router)}` },
  ]),
})

/** What was heard of another master, or of another configuration, is so still for this long, milliseconds. */
export const stillThere = 60_000

/** The router that is configured otherwise, as far as is known now; null: there is none, or it was mended or is silent. */
export const conflictNow = ({ conflicts: { last } }: RouterStatus): RouterStatus['conflicts']['last'] =>
  last === null || last.over || last.ago_ms >= stillThere ? null : last

const firstCells = (router: RouterStatus): readonly Cell[] => {
  const [state, priority] = [router.state.toUpperCase(), priorityText(router)]
  return [
    plain(router.name),
    { text: state, tone: routerTone(router), mark: `${router.name} ${state}` },
    plain(router.since === null ? '-' : duration(router.since.ago_ms)),
    { text: priority, mark: `${router.name} priority ${priority}` },
  ]
}

const addressesCell = ({ virtual_addresses: addresses }: RouterStatus): Cell => plain(addresses.join(' '))

/** `150`, or the sum with its parts: `100 = configured 150, chk_disk -50`. */
const priorityText = ({ priority, priority_parts: parts }: RouterStatus): string =>
  parts.length < 2 ? `${priority ?? '-'}` : `${priority} = ${parts.map(({ of, value }) => `${of} ${value}`).join(', ')}`

const reasonText = ({ reason, since }: RouterStatus): string =>
  reason ?? (since === null ? 'the vrrp process has not told of it yet' : '')

const details = (router: RouterStatus): readonly string[] => {
  const { name, since, source, unicast_peers: peers, last_advertisement: heard, sync_group: group } = router
  const { other_masters: others, conflicts } = router
  const ago = (moment: { readonly ago_ms: number }): string => `${duration(moment.ago_ms)} ago`
  if (since === null) return [`  ${reasonText(router)}`]
  return [
    `${router.state.toUpperCase()} because: ${reasonText(router)}`,
    ...(router.handing_over ? ['hands over: keeps the addresses until another router has them'] : []),
    ...(router.stands_back ? [`handed over by an operator: preempts nobody until "balancer vrrp ${name} ready"`] : []),
    ...(router.in_maintenance ? [`in maintenance: takes no part until "balancer vrrp ${name} ready"`] : []),
    source === null ? 'no source address' : `sends from ${source} to ${peers?.join(', ') ?? 'the multicast group'}`,
    heard === null
      ? 'no advertisement heard'
      : `last advertisement from ${senderText(heard)}, priority ${heard.priority}, ${ago(heard)}`,
    `${router.transitions} transitions, ${router.sent} sent, ${router.received} received, dropped: ${countsText(router.dropped)}`,
    ...router.findings,
    ...router.virtual_routes.flatMap(({ route, there, trouble }) =>
      trouble !== null ? [`route ${route} cannot be added: ${trouble}`] : there ? [`route ${route} is there`] : [],
    ),
    ...(group === null ? [] : [`in sync group ${group}`]),
    ...(others.last === null
      ? []
      : [
          `${others.count} advertisements of another master: ${senderText(others.last)}, ${ago(others.last)}`,
          ...(router.state === 'master' && others.last.ago_ms < stillThere
            ? ['  it does not hear this host: "balancer check" there names the rule that drops IP protocol 112']
            : []),
        ]),
    ...(conflicts.last === null ? [] : [conflictText(router, conflicts.last, ago(conflicts.last))]),
  ].map((line) => `  ${line}`)
}

/** What is over is told as such: who has mended it looks here first. */
const conflictText = (
  router: RouterStatus,
  last: NonNullable<RouterStatus['conflicts']['last']>,
  when: string,
): string => {
  const { count } = router.conflicts
  const { differs, over } = last
  const from = senderText(last)
  if (conflictNow(router) !== null) {
    return `CONFIGURATION ERROR: ${from} ${differs} (${count} advertisements, the last ${when})`
  }
  const since = over ? 'over since' : 'not repeated since'
  return `no configuration error now; the last was heard ${when}, ${since}: ${from} ${differs} (${count} advertisements)`
}
