// A row of a table whose cells a page that is open replaces one by one.

import { type Content, type Html, html } from '../html.ts'

/** A row of a class that gives it its colour; its id is where its cells are found by a page that is open. */
export const cellRow = (id: string, state: string, head: Content, cells: readonly Content[]): Html =>
  html`<tr id="${id}" class="${state}"><th scope="row">${head}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>
`
