// Listeners and servers on the page, in the table that HAProxy's users know.

import type { NumberName } from '../../../../pool/core/numbers.ts'
import type { ListenerStatus, ServerStatus } from '../../model/status.ts'
import { type Content, type Html, html } from '../html.ts'
import { serverTone } from '../state-tone.ts'
import { bytes, countsText, duration, holderLines } from '../text.ts'
import type { Age } from './age.ts'

/** A column: its head as on HAProxy's page, and what that means. */
type Column = { readonly title: string; readonly means?: string; readonly isNumber?: true }

const number = (title: string, means?: string): Column =>
  means === undefined ? { title, isNumber: true } : { title, means, isNumber: true }

/** The groups of columns after that of the name. */
const groups: readonly { readonly title: string; readonly columns: readonly Column[] }[] = [
  {
    title: 'State',
    columns: [
      { title: 'Status' },
      { title: 'LastChk', means: 'Last check' },
      number('Wght', 'Weight now, and the configured one where that is another'),
    ],
  },
  {
    title: 'Queue',
    columns: [number('Cur', 'Clients that wait now'), number('Max', 'The most that have waited at once')],
  },
  {
    title: 'Sessions',
    columns: [
      number('Cur', 'Now'),
      number('Max', 'The most at once'),
      number('Limit', 'At most so many'),
      number('Total', 'So far; HAProxy: LbTot too'),
      number('Last', 'Since the last one'),
    ],
  },
  {
    title: 'Session rate',
    columns: [
      number('Cur', 'New ones a second, now'),
      number('Max', 'New ones a second, the most there were'),
      number('Limit', 'New ones a second, at most so many'),
    ],
  },
  { title: 'Bytes', columns: [number('In', 'From clients'), number('Out', 'To clients')] },
  {
    title: 'Errors',
    columns: [
      number('Conn', 'Connections to the server that failed'),
      number('Retr', 'Tried again here'),
      number('Redis', 'Tried again elsewhere'),
    ],
  },
  {
    title: 'Checks',
    columns: [
      number('Chk', 'Checks that failed'),
      number('Dwn', 'Times that it went down'),
      number('Dwntme', 'Downtime'),
    ],
  },
]

const columns = groups.flatMap((group) => group.columns)

/** What each column means that does not say so itself, with its group. */
export const columnMeanings: readonly (readonly [title: string, means: string])[] = groups.flatMap(
  ({ title: group, columns: own }) =>
    own.flatMap(({ title, means }) => (means === undefined ? [] : [[`${group} ${title}`, means] as const])),
)

/** A count for people: digits in groups of three from 10,000 on, `-` where it is not known. */
export const count = (value: number | null): string =>
  value === null ? '-' : value < firstGrouped ? `${value}` : `${value}`.replace(/\B(?=(\d{3})+$)/g, '\u202f')

const firstGrouped = 10_000

/** What does not exist in the listener's datapath is no number and not unknown either. */
const shownIn =
  ({ not_counted: absent }: ListenerStatus) =>
  (name: NumberName, text: string): Content =>
    absent.includes(name) ? html`<span class="na">n/a</span>` : text

/** The cells of a server after its name. */
export const serverCells = (server: ServerStatus, listener: ListenerStatus, age: Age): readonly Content[] => {
  const shown = shownIn(listener)
  const { weight, configured_weight: configured } = server
  return [
    html`<span class="state ${serverTone(server)}">${server.status}</span> ${age(server.since)}${notes(server, listener, age).map((line) => html`<br><small>${line}</small>`)}`,
    lastCheck(server),
    weight === configured ? `${weight}` : `${weight} of ${configured}`,
    // Clients wait at the listener.
    shown('queued', ''),
    shown('maximum_queued', ''),
    count(server.sessions),
    count(server.maximum_sessions),
    server.session_limit === 0 ? '-' : count(server.session_limit),
    count(server.total_sessions),
    age(server.last_session),
    count(server.session_rate),
    count(server.maximum_session_rate),
    '',
    bytes(server.bytes_in),
    bytes(server.bytes_out),
    count(server.connect_failures),
    shown('retries', count(server.retries)),
    shown('redispatches', count(server.redispatches)),
    count(server.failed_checks),
    count(server.times_down),
    server.down_ms < 1000 ? '-' : duration(server.down_ms),
  ]
}

/** The cells of the listener itself, below those of its servers. */
export const listenerCells = (listener: ListenerStatus, age: Age): readonly Content[] => {
  const { servers, session_rate_limit: rateLimit } = listener
  const shown = shownIn(listener)
  const isOpen = listener.binds.some(({ open }) => open)
  const taking = servers.filter(({ takes_sessions: takes }) => takes)
  const backups = taking.filter(({ backup }) => backup).length
  return [
    html`<span class="state ${isOpen ? 'open' : 'closed'}">${isOpen ? 'OPEN' : 'CLOSED'}</span>${taking.length === 0 ? html` <span class="chip down">NO SERVER</span>` : null}`,
    html`${listener.servers_up} of ${servers.length} up<br><small>taking sessions: ${taking.length - backups} active, ${backups} backup</small>`,
    count(taking.reduce((sum, { weight }) => sum + weight, 0)),
    shown('queued', count(listener.queued)),
    shown('maximum_queued', count(listener.maximum_queued)),
    count(listener.sessions),
    count(listener.maximum_sessions),
    count(listener.session_limit),
    count(listener.total_sessions),
    age(listener.last_session),
    count(listener.session_rate),
    count(listener.maximum_session_rate),
    rateLimit === 0 ? '-' : count(rateLimit),
    bytes(sum(servers, (one) => one.bytes_in)),
    bytes(sum(servers, (one) => one.bytes_out)),
    count(sum(servers, (one) => one.connect_failures)),
    shown('retries', count(sum(servers, (one) => one.retries))),
    shown('redispatches', count(sum(servers, (one) => one.redispatches))),
    count(sum(servers, (one) => one.failed_checks)),
    count(sum(servers, (one) => one.times_down)),
    '',
  ]
}

const sum = (servers: readonly ServerStatus[], of: (server: ServerStatus) => number | null): number | null => {
  let all = 0
  for (const server of servers) {
    const one = of(server)
    if (one === null) return null
    all += one
  }
  return all
}

const notes = (server: ServerStatus, listener: ListenerStatus, age: Age): readonly Content[] => [
  ...(listener.writer === server.name ? ['writer'] : []),
  ...(server.backup ? ['backup'] : []),
  ...(server.role === 'unknown' ? [] : [server.role]),
  ...(server.throttle_percent === null ? [] : [`starts slowly: ${server.throttle_percent} % of its weight`]),
  ...(server.connections === null ? [] : [`${count(server.connections)} connections in all, says its agent`]),
  ...server.held_by.map(({ by, wants, since, text }) => {
    const told = text === '' || text === wants ? '' : ` "${text}"`
    return html`${wants} by ${by}${told}${since === null ? null : html` for ${age(since)}`}`
  }),
  ...holderLines({ ...server, held_by: [] }),
]

const lastCheck = ({ last_check: check, watched }: ServerStatus): Content => {
  if (check === null) return 'first check not finished'
  const code = check.code === null ? '' : `/${check.code}`
  const made = check.by === 'check' ? `in ${check.duration_ms} ms` : `by ${check.by}`
  return html`${check.status}${code} ${made}${watched ? ', watched' : null}<br><small>${check.reason}: ${check.text}</small>`
}

/** What is said of a listener above its table. */
export const listenerSummary = (listener: ListenerStatus): Html => {
  const { balance, writer, ends, datapath, denied, exceptions, findings } = listener
  const binds = listener.binds.map(({ address, open, why }) => `${address} ${open ? 'open' : (why ?? 'not open')}`)
  const single = balance === 'single' ? html`, the writer is <b>${writer ?? 'nobody'}</b>` : null
  return html`${binds.join('; ') || 'Its addresses are not reported yet'}. Datapath ${datapath}, balance ${balance}${single}. Sessions ended: ${countsText(ends)}. Clients not let in: ${count(denied)}.${
    exceptions === null ? null : ` Sessions older than the last change of servers: ${count(exceptions)}.`
  }${findings.map(({ server, text }) => html`<br><b>${server === null ? 'In the way:' : `${server}:`}</b> ${text}`)}`
}

/** What is said below its table: how it differs from that of another datapath. */
export const listenerNotes = ({ datapath, not_counted: absent }: ListenerStatus): Html | null =>
  absent.includes('queued')
    ? html`<p class="dim">n/a: does not exist with datapath: ${datapath}.${datapath === 'direct' ? ' Bytes out are what the agents on the servers tell: answers pass no balancer.' : null}</p>`
    : null

/** The two rows of heads, for a table whose first column is the name. */
export const tableHead: Html = html`<thead><tr><th scope="col" rowspan="2">Server</th>${groups.map(
  ({ title, columns: own }) => html`<th scope="colgroup" colspan="${own.length}">${title}</th>`,
)}</tr><tr>${columns.map(headOf)}</tr></thead>`

function headOf({ title, means, isNumber }: Column): Html {
  const words = means === undefined ? title : html`<abbr title="${means}">${title}</abbr>`
  // Who hears the table hears what a short head means; a title is for the mouse.
  const spoken = means === undefined ? null : html` aria-label="${means}"`
  return html`<th scope="col"${spoken}${isNumber ? html` class="n"` : null}>${words}</th>`
}
