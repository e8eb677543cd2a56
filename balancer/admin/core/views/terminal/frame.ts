// The live view as lines: a head, what the view shows in between, and what keys do.

import { eventsTable, findingsOf, serverRows, serversBlocks, serversTable, verdictLine } from '../show.ts'
import { serverTone } from '../state-tone.ts'
import { type Block, isTable, type Line, plain, type Tone } from '../table.ts'
import { duration } from '../text.ts'
import { routersTable } from '../vrrp-text.ts'
import { type Answer, contentsOf, newestFirst, viewNames } from './contents.ts'
import { cutLine, laidOut, wrappedLine } from './layout.ts'
import type { WatchState } from './watch.ts'
import { widthOf } from './width.ts'

/** Lines that are not the view's own: names of views, the verdict, an empty one, and the keys. */
const headRows = 3
const footRows = 1

/** The lines of a window: as many as it has, none wider than it is. */
export const frameOf = (state: WatchState): readonly Line[] => {
  const { rows, columns } = state.size
  const shown = bodyOf(state)
  const body = Array.from({ length: bodyRows(state) }, (_, i): Line => shown.lines[i] ?? [])
  const frame = [headLine(state), stateLine(state), [], ...body, footLine(state, shown)]
  return frame.slice(0, rows).map((line) => cutLine(line, columns))
}

/** How far the view can be scrolled, and by how much a page does, in lines. */
export const scrollRangeOf = (state: WatchState): { readonly most: number; readonly page: number } => {
  const { most, page } = bodyOf(state)
  return { most, page: Math.max(1, page) }
}

const bodyRows = ({ size }: WatchState): number => Math.max(0, size.rows - headRows - footRows)

/** What is shown of the view; of what is scrolled, the line it begins `from`, and how many there are in `all`. */
type Body = {
  readonly lines: readonly Line[]
  readonly from: number
  readonly all: number
  readonly most: number
  readonly page: number
}

const bodyOf = (state: WatchState): Body => {
  const { answer, trouble, view, size } = state
  const told = trouble === null ? [] : [...wrappedLine([plain(trouble.text)], size.columns), []]
  const room = Math.max(0, bodyRows(state) - told.length)
  if (answer === null) return { lines: told, from: 0, all: 0, most: 0, page: 0 }
  const body =
    view === 'status'
      ? wholeOf(answer, size.columns, room, state.scroll)
      : scrolled(contentsOf(view, answer), size.columns, room, state.scroll)
  return { ...body, lines: [...told, ...body.lines] }
}

/** Blocks from a line on; the head of a table that they begin with stays. */
const scrolled = (blocks: readonly Block[], width: number, room: number, scroll: number): Body => {
  const lines = laidOut(blocks, width, true)
  const first = blocks[0]
  const pinned = first !== undefined && isTable(first) ? 1 : 0
  const page = Math.max(0, room - pinned)
  const all = lines.length - pinned
  const most = Math.max(0, all - page)
  const from = Math.min(scroll, most)
  return {
    lines: [...lines.slice(0, pinned), ...lines.slice(pinned + from, pinned + from + page)],
    from,
    all,
    most,
    page,
  }
}

/** Events that the whole has at least, findings and lines of instances that it has at most. */
const leastEvents = 5
const mostFindings = 4

/** All that matters on one screen. Servers that are not as they should be come first where not all have room. */
const wholeOf = (answer: Answer, width: number, room: number, scroll: number): Body => {
  const { status, events } = answer
  const findings = shortened(
    findingsOf(status).flatMap((line) => wrappedLine(line, width)),
    mostFindings,
  )
  const routers = status.vrrp.length === 0 ? [] : laidOut([routersTable(status.vrrp)], width, true)
  const top = [
    ...findings,
    ...(findings.length === 0 ? [] : [[]]),
    ...shortened(routers, Math.max(2, Math.floor(room / 4))),
    ...(routers.length === 0 ? [] : [[]]),
  ]
  const bottomLeast = Math.min(events.length, leastEvents) + (events.length === 0 ? 0 : 2)
  const serverRoom = Math.max(2, room - top.length - bottomLeast)
  const all = laidOut(serversBlocks(status), width, true)
  const servers =
    all.length <= serverRoom
      ? { lines: all, from: 0, all: all.length, most: 0, page: all.length }
      : scrolled([serversTable(byUrgency(answer)), ...serversBlocks(status).slice(1)], width, serverRoom, scroll)
  const left = room - top.length - servers.lines.length - 2
  const told =
    left < 1 || events.length === 0
      ? []
      : [[], ...laidOut([eventsTable(newestFirst(events).slice(0, left))], width, true)]
  return { ...servers, lines: [...top, ...servers.lines, ...told] }
}

const shortened = (lines: readonly Line[], most: number): readonly Line[] =>
  lines.length <= most
    ? lines
    : [...lines.slice(0, most - 1), [{ text: `… and ${lines.length - most + 1} more`, tone: 'dim' }]]

const urgency: readonly Tone[] = ['down', 'rising', 'failing', 'unchecked', 'maint', 'drain', 'up', 'backup']

const byUrgency = ({ status }: Answer) => {
  const rank = ({ server }: ReturnType<typeof serverRows>[number]): number => urgency.indexOf(serverTone(server))
  return serverRows(status).toSorted((one, other) => rank(one) - rank(other))
}

const headLine = ({ view, answer, size }: WatchState): Line => {
  const tabs = viewNames.map((name, i) => (name === view ? `[${i + 1} ${name}]` : ` ${i + 1} ${name} `)).join('')
  const name = answer === null ? 'balancer' : answer.status.router_id
  const clock = answer === null ? '' : `${answer.status.generated_at.slice(0, 19).replace('T', ' ')}Z`
  const used = widthOf(name) + 2 + widthOf(tabs)
  const space = size.columns - used - clock.length
  return [
    { text: name, tone: 'head' },
    plain('  '),
    plain(tabs),
    ...(space < 1 ? [] : [plain(' '.repeat(space) + clock)]),
  ]
}

const stateLine = (state: WatchState): Line => {
  const { answer, trouble, isPaused, now, answeredAt } = state
  const paused: Line = isPaused ? [{ text: 'PAUSED', tone: 'attention' }, plain(' ')] : []
  if (trouble !== null) {
    const kept = answer === null ? '' : `; below is what it said ${duration(now - answeredAt)} ago`
    return [...paused, { text: `\u2716 No answer for ${duration(now - trouble.since)}${kept}`, tone: 'trouble' }]
  }
  return answer === null ? [...paused, plain('asking the balancer')] : [...paused, ...verdictLine(answer.status)]
}

const footLine = ({ size }: WatchState, { from, all, most }: Body): Line => {
  const place = most > 0 ? `line ${from + 1} of ${all}  ` : ''
  const keys = size.columns < 20 ? 'q quit' : 'q quit  p pause  arrows j k scroll  1-6 tab view'
  return [{ text: `${place}${keys}`, tone: 'dim' }]
}
