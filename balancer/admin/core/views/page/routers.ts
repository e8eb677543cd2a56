// VRRP on the page: who holds the address, since when and why, and what the priority is made of.

import type { RouterStatus } from '../../model/status.ts'
import { type Content, type Html, html } from '../html.ts'
import { countsText, duration, senderText } from '../text.ts'
import type { Age } from './age.ts'

/** What is told of one instance, as the inside of its box. */
export const routerMarkup = (router: RouterStatus, age: Age): Html => {
  const { state, since, reason, virtual_addresses: addresses, interface: device } = router
  return html`<p><span class="state ${state}">${state.toUpperCase()}</span>${since === null ? null : html` for ${age(since)}`}${reason ? html`, because: ${reason}` : null}</p>
<dl>${[
    row('Addresses', addresses.length === 0 ? '-' : addresses.join(', ')),
    row('Priority', priorityText(router)),
    row('Peer', peerText(router, age)),
    row(
      'Network',
      `${device ?? '-'}, VRID ${router.virtual_router_id ?? '-'}, version ${router.version ?? '-'}${router.advertisement_interval_ms === null ? '' : `, each ${duration(router.advertisement_interval_ms)}`}`,
    ),
    row('Advertisements', `${router.received} received, dropped: ${countsText(router.dropped)}`),
    row('Changes of state', router.transitions),
    ...othersHeard(router, age).map((text) => row('Heard', text)),
    ...(router.sync_group === null ? [] : [row('Sync group', router.sync_group)]),
    ...router.findings.map((text) => row('In the way', text)),
    ...orders(router).map((order) => row('By order', order)),
  ]}</dl>`
}

const row = (term: string, content: Content): Html => html`<div><dt>${term}</dt><dd>${content}</dd></div>`

/** `150`, or the sum with its parts. */
const priorityText = ({ priority, priority_parts: parts }: RouterStatus): Content =>
  parts.length < 2
    ? `${priority ?? '-'}`
    : html`${priority} <small>= ${parts.map(({ of, value }) => `${of} ${value}`).join(', ')}</small>`

const peerText = ({ last_advertisement: heard, unicast_peers: peers }: RouterStatus, age: Age): Content => {
  const named = peers === null ? '' : ` (peers: ${peers.join(', ')})`
  if (heard === null) return `nobody heard${named}`
  return html`${senderText(heard)}, priority ${heard.priority}, heard ${age(heard)} ago${named}`
}

/** Another master, or a router that is configured otherwise: it stays when it is no news any more. */
const othersHeard = ({ other_masters: others, conflicts }: RouterStatus, age: Age): readonly Html[] => [
  ...(others.last === null
    ? []
    : [html`another master ${others.count} times, ${senderText(others.last)} last, ${age(others.last)} ago`]),
  ...(conflicts.last === null
    ? []
    : [
        html`${senderText(conflicts.last)} ${conflicts.last.differs}, ${conflicts.count} times, last ${age(conflicts.last)} ago${conflicts.last.over ? ', over since' : null}`,
      ]),
]

const orders = (router: RouterStatus): readonly string[] => [
  ...(router.handing_over ? ['hands over: keeps the addresses until another router has them'] : []),
  ...(router.stands_back ? ['preempts nobody until it is ordered ready'] : []),
  ...(router.in_maintenance ? ['takes no part until it is ordered ready'] : []),
]
