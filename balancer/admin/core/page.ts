// The status page as HTML: who holds the address, which servers serve, and why one does not.

import { drawing } from './drawing.ts'
import { peerLines } from './peers-text.ts'
import type { ListenerStatus, Moment, RouterStatus, ServerStatus, Status } from './status.ts'
import { amount, bytes, countsText, drainingLines, duration, escapeHtml as e, foundText, holderLines } from './text.ts'

/** The page's only style sheet; its hash stands in the Content-Security-Policy. */
export const styleSheet = `
:root{color-scheme:light dark;--ok:#1a7f37;--bad:#cf222e;--wait:#9a6700;--line:#8886;--soft:#8882}
body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:76rem;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
header{display:flex;justify-content:space-between;align-items:baseline;flex-wrap:wrap;gap:.5rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:600;background:var(--soft)}td.n,th.n{text-align:right}
.up,.master{color:var(--ok);font-weight:600}.down,.fault{color:var(--bad);font-weight:600}
.moving,.init{color:var(--wait);font-weight:600}.scroll{overflow-x:auto}.dim{opacity:.75}
svg{max-width:100%;height:auto}svg text{fill:currentColor;font:13px system-ui,sans-serif}
svg rect{fill:var(--soft);stroke:var(--line)}svg .ok{stroke:var(--ok)}svg .bad{stroke:var(--bad);stroke-dasharray:4 4}
svg path{fill:none;stroke-width:2}svg rect.ok,svg rect.bad{stroke-width:2}
@media (prefers-reduced-motion:no-preference){svg path.flow{stroke-dasharray:8 6;animation:f 1s linear infinite}@keyframes f{to{stroke-dashoffset:-14}}}
`

/** Renders the page; it asks for itself again after `refreshSeconds`. */
export const renderPage = (status: Status, refreshSeconds: number): string => {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="${refreshSeconds}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>${e(status.router_id)}: ${e(headline(status))}</title><style>${styleSheet}</style></head><body>
<header><h1>${e(status.router_id)}: ${e(headline(status))}</h1>
<span class="dim">balancer ${e(status.version)}, ${e(status.generated_at)}</span></header>
${status.listeners.map((listener) => drawing(status, listener)).join('\n')}
<h2>Virtual routers</h2>${routerTable(status.vrrp)}
${peersSection(status.peers)}
${status.listeners.map((listener) => listenerSection(listener)).join('\n')}
${drainingLines(status.draining)
  .map((line) => `<p>An earlier program still runs: ${e(line)}.</p>`)
  .join('\n')}
</body></html>
`
}

const headline = ({ vrrp, listeners }: Status): string => {
  const held = vrrp.filter(({ state }) => state === 'master')
  const role =
    vrrp.length === 0
      ? 'no VRRP'
      : held.length > 0
        ? `holds ${held.flatMap((r) => r.virtual_addresses).join(', ')}`
        : 'stands by'
  const dead = listeners.filter(({ servers_up: up }) => up === 0)
  return dead.length === 0 ? role : `${role}; ${dead.map(({ name }) => name).join(', ')} HAS NO SERVER`
}

const routerTable = (routers: readonly RouterStatus[]): string =>
  table(
    [
      'Instance',
      'State',
      'Since',
      'Addresses',
      'Interface',
      'VRID',
      'Priority',
      'Interval',
      'Last advertisement from',
      'Sent',
      'Received',
      'Dropped',
    ],
    routers.map((router) => [
      e(router.name),
      `<span class="${router.state}">${router.state.toUpperCase()}</span><br><span class="dim">${e(router.reason ?? '')}</span>`,
      age(router.since),
      [...router.virtual_addresses.map(e), ...router.virtual_routes.flatMap(routeTrouble)].join('<br>'),
      e(router.interface ?? '-'),
      `${router.virtual_router_id ?? '-'}`,
      priority(router),
      router.advertisement_interval_ms === null ? '-' : duration(router.advertisement_interval_ms),
      router.last_advertisement === null
        ? 'nobody'
        : `${e(router.last_advertisement.from)}, priority ${router.last_advertisement.priority}, ${age(router.last_advertisement)} ago`,
      `${router.sent}`,
      `${router.received}`,
      `${counted(router.dropped)}${conflict(router)}`,
    ]),
  )

/** A route that is as it should be is no news. */
const routeTrouble = ({ route, trouble }: RouterStatus['virtual_routes'][number]): readonly string[] =>
  trouble === null ? [] : [`<span class="down">route ${e(route)}: ${e(trouble)}</span>`]

/** Who is configured otherwise, as long as that is news. */
const conflict = ({ conflicts: { last } }: RouterStatus): string =>
  last === null
    ? ''
    : `<br><span class="${last.ago_ms < conflictIsNews ? 'down' : 'dim'}">${e(last.from)} ${e(last.differs)}, ${age(last)} ago</span>`
const conflictIsNews = 60_000

/** `150`, or the sum with its parts below it. */
const priority = ({ priority: effective, priority_parts: parts }: RouterStatus): string =>
  parts.length < 2
    ? `${effective ?? '-'}`
    : `${effective}<br><span class="dim">${parts.map(({ of, value }) => `${e(of)} ${value}`).join(', ')}</span>`

const peersSection = (peers: Status['peers']): string => {
  if (peers === null) return ''
  const rows = peers.peers.map((peer) => [
    e(peer.name ?? '-'),
    e(peer.address),
    peer.connected ? '<span class="up">connected</span>' : '<span class="down">NOT CONNECTED</span>',
    age(peer.since),
    `${peer.told}`,
    `${peer.taken}`,
  ])
  const head = ['Peer', 'Address', 'State', 'Since', 'Exceptions told', 'Exceptions taken']
  const lines = peerLines(peers).map((line) => `<p>${e(line)}.</p>`)
  return `<h2>Other balancers</h2>${rows.length === 0 ? '' : table(head, rows)}${lines.join('\n')}`
}

const listenerSection = (listener: ListenerStatus): string => {
  const binds = listener.binds
    .map(({ address, open, why }) => `${e(address)} ${open ? 'open' : e(why ?? 'not open')}`)
    .join('; ')
  return `<h2>Listener ${e(listener.name)}</h2>
<p>${binds || 'not reported yet'}. Balance ${listener.balance}${listener.balance === 'single' ? `, the writer is ${e(listener.writer ?? 'nobody')}` : ''}${listener.panicking ? '. <b class="down">So few servers pass that all are used</b>' : ''}. ${amount(listener.sessions)} of at most ${listener.session_limit} sessions, ${amount(listener.queued)} queued, ${amount(listener.total_sessions)} in all. Ended: ${counted(listener.ends)}.</p>
${table(
  [
    'Server',
    'Status',
    'Since',
    'Address',
    'Role',
    'Weight',
    'Last check',
    'Sessions',
    'In all',
    'Bytes in',
    'Bytes out',
    'Connect failures',
  ],
  listener.servers.map((server) => serverRow(server)),
)}`
}

const serverRow = (server: ServerStatus): readonly string[] => [
  e(server.name),
  `<span class="${statusClass(server)}">${e(server.status)}</span>${holderLines(server)
    .map((line) => `<br><span class="dim">${e(line)}</span>`)
    .join('')}`,
  `${age(server.since)}${server.found === null ? '' : `<br><span class="dim">by ${foundText(server)}</span>`}`,
  `${e(server.address)}${server.backup ? ' (backup)' : ''}`,
  server.role === 'unknown' ? '-' : server.role,
  `${server.weight}`,
  lastCheck(server),
  amount(server.sessions),
  amount(server.total_sessions),
  bytes(server.bytes_in),
  bytes(server.bytes_out),
  amount(server.connect_failures),
]

const statusClass = ({ status, takes_sessions: takes, up }: ServerStatus): string =>
  status.includes('/') || (up && !takes) ? 'moving' : up ? 'up' : 'down'

const lastCheck = ({ last_check: check, watched }: ServerStatus): string => {
  if (check === null) return 'first check not finished'
  const code = check.code === null ? '' : `/${check.code}`
  const made = check.by === 'check' ? `in ${check.duration_ms} ms` : `by ${check.by}`
  return `${check.status}${code} ${made}${watched ? ', watched' : ''}<br><span class="dim">${e(check.reason)}: ${e(check.text)}</span>`
}

const age = (moment: Moment | null): string => (moment === null ? '-' : duration(moment.ago_ms))

const counted = (counts: Readonly<Record<string, number>>): string => e(countsText(counts))

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<div class="scroll"><table><thead><tr>${head.map((cell) => `<th>${e(cell)}</th>`).join('')}</tr></thead><tbody>${rows
    .map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`)
    .join('')}</tbody></table></div>`
