// The status page as one HTML document: the verdict, who holds the address, what happened, and every server.

import type { ListenerStatus, RouterStatus, Status } from '../../model/status.ts'
import { type Html, html, ownText } from '../html.ts'
import { serverTone } from '../state-tone.ts'
import { writtenAge } from './age.ts'
import { charts } from './chart.ts'
import { listenerForm, type PlacedAnswer, routerForm, serverPick, type Viewer } from './forms.ts'
import { glanceRow, glanceTable } from './glance.ts'
import { icon } from './icon.ts'
import { legend } from './legend.ts'
import { listenerCells, listenerNotes, listenerSummary, serverCells, tableHead } from './listeners.ts'
import { drainingMarkup, ids, outlineOf, type Scene } from './parts.ts'
import { peersSection } from './peers.ts'
import { routerMarkup } from './routers.ts'
import { cellRow } from './row.ts'
import { liveScript } from './script.ts'
import { styleSheet } from './style.ts'
import { timelineMarkup } from './timeline.ts'
import { moodSigns, verdictMarkup, verdictOf } from './verdict.ts'

/**
 * The page: what it shows, for whom, where it is, and how often a browser without JavaScript is to ask for it again; `isStill`: it is not to.
 */
export type Page = Scene & {
  readonly viewer: Viewer
  readonly answer: PlacedAnswer | null
  readonly path: string
  readonly refreshSeconds: number
  readonly isStill: boolean
}

/** Renders it in pieces, so that the maker may pause between them. */
export function* renderPage(page: Page): Generator<string> {
  const { status, timeline, viewer } = page
  yield head(page).text
  yield html`<section aria-labelledby="h-glance"><h2 id="h-glance">Listeners at a glance</h2>${glanceTable(
    status.listeners.map((listener, i) => glanceRow(ids.glance(i), ids.section(i), listener)),
  )}</section>
<div class="pair"><section aria-labelledby="h-vrrp"><h2 id="h-vrrp">VRRP</h2>${
    status.vrrp.length === 0
      ? html`<p>No VRRP instance is configured.</p>`
      : html`<div class="cards">${status.vrrp.map((router, i) => routerBox(router, i, page))}</div>`
  }</section>
<section aria-labelledby="h-events"><h2 id="h-events">The last 24 hours</h2><div id="timeline" class="day" role="group" aria-labelledby="h-events" tabindex="0">${timelineMarkup(timeline, writtenAge)}</div></section></div>
${peersSection(status, writtenAge, ids.peer)}
<div id="draining">${drainingMarkup(status)}</div>
`.text
  for (const [i, listener] of status.listeners.entries()) yield* listenerSection(listener, i, page)
  yield html`${legend}</main><footer><p>balancer ${status.version}, its director runs for ${writtenAge(status.director_started)}. The same for programs: <a href="${below(page.path)}/json">JSON</a>, <a href="${page.path};csv">CSV</a>, <a href="/metrics">metrics</a>, <a href="/events">events</a>. You are ${viewer.user}, ${viewer.token === null ? 'viewer' : 'operator'}.</p></footer><script>${ownText(liveScript)}</script></body></html>
`.text
}

/** What the tab is called. */
export const titleOf = (status: Status): string => {
  const { mood, headline } = verdictOf(status)
  return `${moodSigns[mood]} ${status.router_id}: ${headline}`
}

/** Of an ISO 8601 moment. */
const toSeconds = 19

const below = (path: string): string => path.replace(/\/$/, '')

const head = ({ status, answer, path, refreshSeconds, isStill, viewer }: Page): Html => {
  const verdict = verdictOf(status)
  const attributes = html`data-live="${below(path)}/live" data-outline="${outlineOf(status)}" data-at="${status.generated_at}" data-refresh="${refreshSeconds}"`
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
${isStill ? null : html`<noscript><meta http-equiv="refresh" content="${refreshSeconds}"></noscript>`}
<link rel="icon" id="icon" href="${icon(verdict.mood)}">
<title>${titleOf(status)}</title><style>${ownText(styleSheet)}</style></head><body ${attributes}>
<a class="skip" href="#main">To the content</a>
<header><h1>${status.router_id}</h1><p class="asof"><span id="live" role="status"></span> <span class="dim">as of <time id="asof" datetime="${status.generated_at}" data-clock>${status.generated_at.slice(0, toSeconds).replace('T', ' ')} UTC</time></span></p><p id="news" role="status" class="away"></p></header>
<main id="main" tabindex="-1">${answer === null ? null : html`<p id="answer" role="status" tabindex="-1" class="${answer.ok ? 'done' : 'refused'}"><b>${answer.ok ? 'Done' : 'Not done'}:</b> ${answer.text}${wayBack(status, answer)}</p>`}
<section aria-label="Is all well?" id="verdict">${verdictMarkup(verdict)}</section>
<noscript><p class="dim">${
    isStill
      ? html`The page stays as it is: <a href="${path}">have it ask for itself again</a>.`
      : html`The page asks for itself again every ${refreshSeconds} s: <a href="${path}?still">have it stay as it is</a>.`
  }</p></noscript>
${viewer.token === null ? null : html`<p class="dim">Orders are given below VRRP instances and tables; they are logged with your name.</p>`}
`
}

/** Whoever gave an order far below goes on there. */
const wayBack = ({ listeners, vrrp }: Status, { place }: PlacedAnswer): Html | null => {
  const i = listeners.findIndex(({ name }) => place === `listener ${name}`)
  const j = vrrp.findIndex(({ name }) => place === `instance ${name}`)
  if (i < 0 && j < 0) return null
  return html` <a href="#${i < 0 ? ids.routerHead(j) : ids.section(i)}">Back to ${place}</a>`
}

const routerBox = (router: RouterStatus, i: number, page: Page): Html =>
  html`<article aria-labelledby="${ids.routerHead(i)}"><h3 id="${ids.routerHead(i)}" tabindex="-1">${router.name}</h3><div id="${ids.router(i)}">${routerMarkup(router, writtenAge)}</div>${routerForm(page.viewer, page.path, router.name, i)}</article>`

function* listenerSection(listener: ListenerStatus, i: number, page: Page): Generator<string> {
  const { name, servers } = listener
  const headId = ids.section(i)
  const formId = `f${i}`
  yield html`<section class="listener" aria-labelledby="${headId}"><h2 id="${headId}" tabindex="-1">Listener ${name}</h2><p id="${ids.summary(i)}">${listenerSummary(listener)}</p>
<div class="charts" id="${ids.charts(i)}">${charts(page.history(listener))}</div>
<div class="scroll" role="group" aria-labelledby="${headId}" tabindex="0"><table class="servers"><caption>Servers of ${name}, the whole listener below them</caption>${tableHead}<tbody>`
    .text
  for (const [j, server] of servers.entries()) {
    const pick = serverPick(page.viewer, formId, listener.name, server)
    yield cellRow(ids.server(i, j), serverTone(server), pick, serverCells(server, listener, writtenAge)).text
  }
  yield html`</tbody><tfoot>${cellRow(ids.whole(i), 'whole', 'all', listenerCells(listener, writtenAge))}</tfoot></table></div>
${listenerNotes(listener)}${listenerForm(page.viewer, page.path, name, formId)}</section>
`.text
}
