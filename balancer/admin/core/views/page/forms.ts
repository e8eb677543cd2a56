// What an operator can order on the page. The forms work without JavaScript; a viewer gets none.

import { routerActions, serverActions } from '../../commands/orders.ts'
import type { ServerStatus } from '../../model/status.ts'
import { type Content, type Html, html } from '../html.ts'

/** Who looks at it. An operator has a `token` that the page's forms prove themselves with; null: he may only look. */
export type Viewer = { readonly user: string; readonly token: string | null }

/** What was ordered last with a form, and what came of it. */
export type Answer = { readonly ok: boolean; readonly text: string }

/** The same, with the place of the form: `listener NAME` or `instance NAME`. */
export type PlacedAnswer = Answer & { readonly place: string }

/** The name of a server at the head of its row, for an operator with a box to choose it. */
export const serverPick = (viewer: Viewer, formId: string, listener: string, server: ServerStatus): Content => {
  const name = html`<span class="name">${server.name}</span>`
  const address = html`<br><small>${server.address}</small>`
  return viewer.token === null
    ? html`${name}${address}`
    : html`<label><input type="checkbox" form="${formId}" name="server" value="${server.name}" aria-label="Choose ${listener}/${server.name}"> ${name}</label><small>${server.address}</small>`
}

/** Below a table: what to do with the servers that are chosen, as on HAProxy's page. */
export const listenerForm = (viewer: Viewer, path: string, listener: string, formId: string): Html | null =>
  viewer.token === null
    ? null
    : html`<form id="${formId}" method="post" action="${path}"><input type="hidden" name="token" value="${viewer.token}"><input type="hidden" name="listener" value="${listener}">
<label for="${formId}a">The chosen servers of ${listener}:</label> ${choice(`${formId}a`, serverActions)}
<label for="${formId}w">weight</label> <input id="${formId}w" name="weight" aria-label="weight, listener ${listener}" inputmode="numeric" pattern="\\d{1,3}|initial" size="6" placeholder="0-256">
<button>Apply to <span data-chosen="the chosen servers">the chosen servers</span></button></form>`

/** Below an instance: what to do with it. */
export const routerForm = (viewer: Viewer, path: string, instance: string, i: number): Html | null =>
  viewer.token === null
    ? null
    : html`<form method="post" action="${path}"><input type="hidden" name="token" value="${viewer.token}"><input type="hidden" name="instance" value="${instance}">
<label for="rv${i}">${instance}:</label> ${choice(`rv${i}`, routerActions)} <button>Apply to ${instance}</button></form>`

const choice = (id: string, actions: Readonly<Record<string, string>>): Html =>
  html`<select id="${id}" name="action" required><option value="">choose …</option>${Object.entries(actions).map(
    ([value, text]) => html`<option value="${value}">${text}</option>`,
  )}</select>`
