// What the colours and the heads of the columns mean, for those who do not know HAProxy's page, and for keyboards and phones, which
// see no titles.

import { type Html, html } from '../html.ts'
import { columnMeanings } from './listeners.ts'

const colours = [
  ['up', 'UP', 'takes sessions'],
  ['backup', 'UP', 'a backup'],
  ['failing', 'UP 2/3', 'its last checks failed: it goes down after so many more'],
  ['rising', 'DOWN 1/2', 'its last checks passed: it comes up after so many more'],
  ['down', 'DOWN', 'gets nothing'],
  ['drain', 'DRAIN, NOLB', 'keeps its sessions, gets no new ones'],
  ['maint', 'MAINT', 'in maintenance'],
  ['unchecked', 'DOWN', 'not checked yet'],
] as const

/** The explanation, closed until somebody opens it. */
export const legend: Html = html`<details><summary>What colours and columns mean</summary>
<p>${colours.map(([state, word, meaning]) => html`<span class="chip ${state}">${word}</span> ${meaning}. `)}A number that is not known is written -, one that does not exist in a listener's datapath n/a.</p>
<dl>${columnMeanings.map(([title, meaning]) => html`<div><dt>${title}</dt><dd>${meaning}</dd></div>`)}</dl></details>`
