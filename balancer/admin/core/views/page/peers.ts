// The other balancers on the page: whether each is connected, and what is not as it should be.

import type { Status } from '../../model/status.ts'
import { type Content, type Html, html } from '../html.ts'
import { peerLines } from '../peers-text.ts'
import type { Age } from './age.ts'
import { cellRow } from './row.ts'

type Peer = NonNullable<Status['peers']>['peers'][number]

/** The class of a peer's row, by which it has its colour. */
export const peerTone = ({ connected }: Peer): string => (connected ? 'master' : 'fault')

/** What a peer is called at the head of its row. */
export const peerName = ({ name }: Peer): string => name ?? 'not heard yet'

/** The cells of a peer's row after its name. */
export const peerCells = (peer: Peer, age: Age): readonly Content[] => [
  peer.address,
  html`<span class="state ${peerTone(peer)}">${peer.connected ? 'connected' : 'NOT CONNECTED'}</span> for ${age(peer.since)}`,
  peer.holds.join(', ') || '-',
  `${peer.told}`,
  `${peer.taken}`,
]

/** What is told of them; nothing where no listener needs them. `rowId` of the peer i. */
export const peersSection = ({ peers }: Status, age: Age, rowId: (i: number) => string): Html | null => {
  if (peers === null) return null
  const rows = peers.peers.map((peer, i) => cellRow(rowId(i), peerTone(peer), peerName(peer), peerCells(peer, age)))
  const heads = ['Balancer', 'Address', 'Connection', 'Holds', 'Told', 'Taken']
  const table = html`<div class="scroll" role="group" aria-labelledby="h-peers" tabindex="0"><table><caption>Sessions that a table of servers alone does not tell, exchanged with other balancers</caption><thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`
  return html`<section aria-labelledby="h-peers"><h2 id="h-peers">Other balancers</h2>${rows.length === 0 ? null : table}<div id="peers">${peerNotes(peers)}</div></section>`
}

/** What is not as it should be, below the table. */
export const peerNotes = (peers: NonNullable<Status['peers']>): Html =>
  html`${peerLines(peers).map((line) => html`<p>${line}.</p>`)}`
