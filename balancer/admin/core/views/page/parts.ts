// The page in parts: each has a key, by which a page that is open finds what to replace.

import type { History } from '../../model/history.ts'
import type { ListenerStatus, Status } from '../../model/status.ts'
import { type Content, type Html, html } from '../html.ts'
import { serverTone } from '../state-tone.ts'
import { drainingLines } from '../text.ts'
import { liveAge } from './age.ts'
import { charts } from './chart.ts'
import { glanceCells } from './glance.ts'
import { listenerCells, listenerSummary, serverCells } from './listeners.ts'
import { peerCells, peerName, peerNotes, peerTone } from './peers.ts'
import { routerMarkup } from './routers.ts'
import { type Timeline, timelineMarkup } from './timeline.ts'
import { verdictMarkup, verdictOf } from './verdict.ts'

/** All that the page shows. `history` of a listener by its name. */
export type Scene = {
  readonly status: Status
  readonly timeline: Timeline
  readonly history: (listener: ListenerStatus) => History
}

/** The inside of an element by its id, or of a cell of a row: `ROW/NUMBER`, the name being cell 0; `ROW/class` is its class. */
export type Part = readonly [key: string, html: string]

/** Ids: of instance i and its head, peer i, listener i at a glance, the head of its section, what is said of it, its charts, its own row, and the row of its server j. */
export const ids = {
  router: (i: number) => `v${i}`,
  routerHead: (i: number) => `hv${i}`,
  peer: (i: number) => `p${i}`,
  glance: (i: number) => `g${i}`,
  section: (i: number) => `hl${i}`,
  summary: (i: number) => `l${i}`,
  charts: (i: number) => `c${i}`,
  whole: (i: number) => `w${i}`,
  server: (i: number, j: number) => `s${i}-${j}`,
} as const

/** Names of all that the page has a place for: where another one is shown than was loaded, it has to be loaded anew. */
export const outlineOf = ({ vrrp, peers, listeners }: Status): string =>
  JSON.stringify([
    peers?.peers.map(({ address }) => address) ?? 'no peers',
    vrrp.map(({ name }) => name),
    listeners.map(({ name, servers }) => [name, servers.map((s) => s.name)]),
  ])

/** Makes them one after another, so that the maker may pause between them. */
export function* partsOf({ status, timeline, history }: Scene): Generator<Part> {
  const { vrrp, listeners } = status
  yield ['verdict', verdictMarkup(verdictOf(status)).text]
  yield ['draining', drainingMarkup(status).text]
  if (status.peers !== null) yield ['peers', peerNotes(status.peers).text]
  for (const [i, peer] of (status.peers?.peers ?? []).entries()) {
    yield [`${ids.peer(i)}/0`, html`${peerName(peer)}`.text]
    yield [`${ids.peer(i)}/class`, peerTone(peer)]
    yield* cellParts(ids.peer(i), peerCells(peer, liveAge))
  }
  yield ['timeline', timelineMarkup(timeline, liveAge).text]
  for (const [i, router] of vrrp.entries()) yield [ids.router(i), routerMarkup(router, liveAge).text]
  for (const [i, listener] of listeners.entries()) {
    yield* cellParts(ids.glance(i), glanceCells(listener))
    yield [ids.summary(i), listenerSummary(listener).text]
    yield [ids.charts(i), charts(history(listener)).text]
    yield* cellParts(ids.whole(i), listenerCells(listener, liveAge))
    for (const [j, server] of listener.servers.entries()) {
      yield [`${ids.server(i, j)}/class`, serverTone(server)]
      yield* cellParts(ids.server(i, j), serverCells(server, listener, liveAge))
    }
  }
}

function* cellParts(row: string, cells: readonly Content[]): Generator<Part> {
  for (const [i, cell] of cells.entries()) yield [`${row}/${i + 1}`, html`${cell}`.text]
}

/** What earlier programs still have. */
export const drainingMarkup = ({ draining }: Status): Html =>
  html`${drainingLines(draining).map((line) => html`<p>An earlier program still runs: ${line}.</p>`)}`
