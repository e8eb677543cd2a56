// Listeners and servers on the page, in the table that HAProxy's users know.

import type { ListenerStatus, ServerStatus } from '../../model/status.ts'
import { type Content, type Html, html } from '../html.ts'
import { serverTone } from '../state-tone.ts'
import { amount, bytes, duration, holderLines } from '../text.ts'
import type { Age } from './age.ts'
import { counted } from './routers.ts'

/** A column: its head as on HAProxy's page, and what that means. */
type Column = { readonly title: string; readonly means?: string; readonly isNumber?: true }

const number = (title: string, means?: string): Column =>
  means === undefined ? { title, isNumber: true } : { title, means, isNumber: true }

/** The groups of columns after that of the name. */
const groups: readonly { readonly title: string; readonly columns: readonly Column[] }[] = [
  {
    title: 'State',
    columns: [{ title: 'Status' }, { title: 'LastChk', means: 'Last check' }, number('Wght', 'Weight')],
  },
  { title: 'Queue', columns: [number('Cur', 'Now')] },
  {
    title: 'Sessions',
    columns: [
      number('Cur', 'Now'),
      number('Max'),
      number('Limit'),
      number('Total'),
      number('Last', 'Since the last one'),
    ],
  },
  { title: 'Session rate', columns: [number('Cur', 'A second, now'), number('Max', 'A second, at most')] },
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

/** The cells of a server after its name. */
export const serverCells = (server: ServerStatus, isWriter: boolean, age: Age): readonly Content[] => [
  html`<span class="state ${serverTone(server)}">${server.status}</span> ${age(server.since)}${notes(server, isWriter).map((line) => html`<br><small>${line}</small>`)}`,
  lastCheck(server),
  `${server.weight}`,
  '-',
  amount(server.sessions),
  amount(server.maximum_sessions),
  server.session_limit === 0 ? '-' : `${server.session_limit}`,
  amount(server.total_sessions),
  age(server.last_session),
  amount(server.session_rate),
  amount(server.maximum_session_rate),
  bytes(server.bytes_in),
  bytes(server.bytes_out),
  amount(server.connect_failures),
  amount(server.retries),
  amount(server.redispatches),
  html`${server.failed_checks} <small>of ${server.checks}</small>`,
  server.times_down,
  server.down_ms < 1000 ? '-' : duration(server.down_ms),
]

/** The cells of the listener itself, below those of its servers. */
export const listenerCells = (listener: ListenerStatus, age: Age): readonly Content[] => {
  const { servers } = listener
  const isOpen = listener.binds.some(({ open }) => open)
  const taking = servers.filter(({ takes_sessions: takes }) => takes)
  return [
    html`<span class="state ${isOpen ? 'open' : 'closed'}">${isOpen ? 'OPEN' : 'CLOSED'}</span>`,
    `${listener.servers_up} of ${servers.length} up`,
    taking.reduce((sum, { weight }) => sum + weight, 0),
    amount(listener.queued),
    amount(listener.sessions),
    amount(listener.maximum_sessions),
    listener.session_limit,
    amount(listener.total_sessions),
    age(listener.last_session),
    amount(listener.session_rate),
    amount(listener.maximum_session_rate),
    bytes(sum(servers, (one) => one.bytes_in)),
    bytes(sum(servers, (one) => one.bytes_out)),
    amount(sum(servers, (one) => one.connect_failures)),
    amount(sum(servers, (one) => one.retries)),
    amount(sum(servers, (one) => one.redispatches)),
    html`${sum(servers, (one) => one.failed_checks)} <small>of ${sum(servers, (one) => one.checks)}</small>`,
    sum(servers, (one) => one.times_down),
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

const notes = (server: ServerStatus, isWriter: boolean): readonly string[] => [
  ...(isWriter ? ['writer'] : []),
  ...(server.backup ? ['backup'] : []),
  ...(server.role === 'unknown' ? [] : [server.role]),
  ...holderLines(server),
]

const lastCheck = ({ last_check: check, watched }: ServerStatus): Content => {
  if (check === null) return 'first check not finished'
  const code = check.code === null ? '' : `/${check.code}`
  const made = check.by === 'check' ? `in ${check.duration_ms} ms` : `by ${check.by}`
  return html`${check.status}${code} ${made}${watched ? ', watched' : null}<br><small>${check.reason}: ${check.text}</small>`
}

/** What is said of a listener above its table. */
export const listenerSummary = (listener: ListenerStatus): Html => {
  const { balance, writer, ends, datapath } = listener
  const binds = listener.binds.map(({ address, open, why }) => `${address} ${open ? 'open' : (why ?? 'not open')}`)
  const single = balance === 'single' ? html`, the writer is <b>${writer ?? 'nobody'}</b>` : null
  return html`${binds.join('; ') || 'not reported yet'}. Datapath ${datapath}, balance ${balance}${single}. Sessions ended: ${counted(ends)}.`
}

/** The two rows of heads, for a table whose first column is the name. */
export const tableHead: Html = html`<thead><tr><th scope="col" rowspan="2">Server</th>${groups.map(
  ({ title, columns: own }) => html`<th scope="colgroup" colspan="${own.length}">${title}</th>`,
)}</tr><tr>${columns.map(headOf)}</tr></thead>`

function headOf({ title, means, isNumber }: Column): Html {
  const words = means === undefined ? title : html`<abbr title="${means}">${title}</abbr>`
  return html`<th scope="col"${isNumber ? html` class="n"` : null}>${words}</th>`
}

/** A row; its id is where its cells are found by a page that is open. */
export const tableRow = (id: string, head: Content, cells: readonly Content[]): Html =>
  html`<tr id="${id}"><th scope="row">${head}</th>${cells.map(
    (cell, i) => html`<td${columns[i]?.isNumber ? html` class="n"` : null}>${cell}</td>`,
  )}</tr>
`
