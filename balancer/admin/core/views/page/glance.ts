// All listeners at one look, a row each: where clients reach it, its servers by name and state, and how many sessions there are.

import type { ListenerStatus, ServerStatus } from '../../model/status.ts'
import { type Content, type Html, html } from '../html.ts'
import { serverTone } from '../state-tone.ts'
import { count } from './listeners.ts'

/** With more servers than this those that are well are counted, and the others named, so many at most. */
const [mostNamed, mostUnwell] = [12, 8]

/** The cells of a listener's row after its name. */
export const glanceCells = (listener: ListenerStatus): readonly Content[] => {
  const { binds, sessions, session_limit: limit, session_rate: rate } = listener
  return [
    servers(listener),
    `${count(sessions)} of ${count(limit)}`,
    rate === null ? '-' : `${count(rate)}/s`,
    binds.length === 0
      ? 'not reported yet'
      : html`${binds.map(({ address, open }) => html`<span class="chip ${open ? 'open' : 'closed'}">${address} ${open ? 'OPEN' : 'CLOSED'}</span> `)}`,
  ]
}

const servers = ({ servers: all, writer }: ListenerStatus): Html => {
  const chip = (server: ServerStatus): Html =>
    html`<span class="chip ${serverTone(server)}">${server.name} ${server.status}${writer === server.name ? ' writer' : null}</span> `
  if (all.length <= mostNamed) return html`${all.map(chip)}`
  const unwell = all.filter((server) => !['up', 'backup'].includes(serverTone(server)))
  const well = all.length - unwell.length
  const more = unwell.length - mostUnwell
  return html`<span class="chip ${well === 0 ? 'down' : 'up'}">${well} of ${all.length} UP</span> ${unwell.slice(0, mostUnwell).map(chip)}${more > 0 ? `and ${more} more` : null}`
}

/** The table with these rows. */
export const glanceTable = (rows: readonly Html[]): Html =>
  html`<div class="scroll" role="group" aria-labelledby="h-glance" tabindex="0"><table class="glance" aria-labelledby="h-glance"><thead><tr><th scope="col">Listener</th><th scope="col">Servers</th><th scope="col" class="n">Sessions</th><th scope="col" class="n">New</th><th scope="col">Clients reach it on</th></tr></thead><tbody>${rows}</tbody></table></div>`

/** The row of a listener, whose section has the id `section`. */
export const glanceRow = (id: string, section: string, listener: ListenerStatus): Html =>
  html`<tr id="${id}"><th scope="row"><a href="#${section}">${listener.name}</a></th>${glanceCells(listener).map(
    (cell, i) => html`<td${i === 1 || i === 2 ? html` class="n"` : null}>${cell}</td>`,
  )}</tr>`
