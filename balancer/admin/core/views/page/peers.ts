// The other balancers on the page: whether each is connected, and what is not as it should be.

import type { Status } from '../../model/status.ts'
import { type Html, html } from '../html.ts'
import { peerLines } from '../peers-text.ts'
import type { Age } from './age.ts'

/** What is told of them; nothing where no listener needs them. */
export const peersMarkup = ({ peers }: Status, age: Age): Html => {
  if (peers === null) return html``
  const rows = peers.peers.map(
    ({ name, address, connected, since, told, taken }) =>
      html`<tr class="${connected ? 'master' : 'fault'}"><th scope="row">${name ?? '-'}</th><td>${address}</td><td><span class="state ${connected ? 'master' : 'fault'}">${connected ? 'connected' : 'NOT CONNECTED'}</span> for ${age(since)}</td><td>${told}</td><td>${taken}</td></tr>`,
  )
  const table = html`<div class="scroll" role="group" aria-label="Other balancers" tabindex="0"><table><caption>Sessions that a table of servers alone does not tell, exchanged with them</caption><thead><tr><th scope="col">Balancer</th><th scope="col">Address</th><th scope="col">Connection</th><th scope="col">Told</th><th scope="col">Taken</th></tr></thead><tbody>${rows}</tbody></table></div>`
  return html`<h2>Other balancers</h2>${rows.length === 0 ? null : table}${peerLines(peers).map((line) => html`<p>${line}.</p>`)}`
}
