// The statistics as HAProxy writes them (management guide, section 9.1): what `path;csv` and `show stat` answer. Its tools
// find columns by their names; what does not exist here is empty, as in HAProxy.

import type { ListenerStatus, ServerStatus, Status } from '../model/status.ts'

/** HAProxy's columns, in its order. */
export const csvColumns = (
  'pxname svname qcur qmax scur smax slim stot bin bout dreq dresp ereq econ eresp wretr wredis status weight act bck chkfail ' +
  'chkdown lastchg downtime qlimit pid iid sid throttle lbtot tracked type rate rate_lim rate_max check_status check_code ' +
  'check_duration hrsp_1xx hrsp_2xx hrsp_3xx hrsp_4xx hrsp_5xx hrsp_other hanafail req_rate req_rate_max req_tot cli_abrt ' +
  'srv_abrt comp_in comp_out comp_byp comp_rsp lastsess last_chk last_agt qtime ctime rtime ttime agent_status agent_code ' +
  'agent_duration check_desc agent_desc check_rise check_fall check_health agent_rise agent_fall agent_health addr cookie ' +
  'mode algo conn_rate conn_rate_max conn_tot intercepted dcon dses'
).split(' ')

/** A row by its columns; what is missing or null is empty. */
export type CsvRow = Readonly<Record<string, string | number | null>>
type Row = CsvRow

const types = { frontend: 0, backend: 1, server: 2 } as const
/** HAProxy's answer where there was no session yet. */
const never = -1
/** HAProxy numbers its own proxies from 1; the first of the configuration is the second there. */
const firstProxy = 2

/** All listeners: the row FRONTEND, a row for each server, the row BACKEND, as of a `listen` section. */
export const csvRows = ({ listeners }: Status): readonly CsvRow[] =>
  listeners.flatMap((listener, i) => rowsOf(listener, proxyNumber(i)))

/** HAProxy's number (`iid`) of the listener at this place of the configuration. */
export const proxyNumber = (place: number): number => place + firstProxy

/** Rows below the line of the columns' names. */
export const csvText = (rows: readonly CsvRow[]): string => `# ${csvColumns.join(',')},\n${rows.map(line).join('')}`

/** All rows. */
export const csvOf = (status: Status): string => csvText(csvRows(status))

const line = (row: Row): string => `${csvColumns.map((column) => cell(row[column] ?? '')).join(',')},\n`

/** HAProxy quotes what has a comma, a quote or a line end in it. */
const cell = (value: string | number): string => {
  const text = `${value}`
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const rowsOf = (listener: ListenerStatus, proxy: number): readonly Row[] => [
  { ...common(listener.name, 'FRONTEND', proxy, 0, types.frontend), ...frontend(listener) },
  ...listener.servers.map((server, i) =>
    // A spread into an object of so many members costs ten times as much.
    Object.assign(
      common(listener.name, server.name, proxy, i + 1, types.server),
      serverRow(server),
      checkRow(server),
      agentRow(server),
    ),
  ),
  { ...common(listener.name, 'BACKEND', proxy, 0, types.backend), ...backend(listener) },
]

const common = (proxyName: string, name: string, proxy: number, id: number, type: number): Row => ({
  pxname: proxyName,
  svname: name,
  pid: 1,
  iid: proxy,
  sid: id,
  type,
  mode: 'tcp',
})

const seconds = (milliseconds: number): number => Math.floor(milliseconds / 1000)
const sum = (numbers: readonly (number | null)[]): number | null =>
  numbers.includes(null) ? null : numbers.reduce<number>((all, one) => all + (one ?? 0), 0)
const whole = (rate: number | null): number | null => (rate === null ? null : Math.round(rate))

const traffic = (listener: ListenerStatus): Row => ({
  scur: listener.sessions,
  smax: listener.maximum_sessions,
  slim: listener.session_limit,
  stot: listener.total_sessions,
  bin: sum(listener.servers.map(({ bytes_in: bytes }) => bytes)),
  bout: sum(listener.servers.map(({ bytes_out: bytes }) => bytes)),
  rate: whole(listener.session_rate),
  rate_max: whole(listener.maximum_session_rate),
})

const frontend = (listener: ListenerStatus): Row => ({
  ...traffic(listener),
  dreq: 0,
  dresp: 0,
  ereq: 0,
  status: listener.binds.some(({ open }) => open) ? 'OPEN' : 'STOP',
  rate_lim: listener.session_rate_limit,
  conn_rate: whole(listener.session_rate),
  conn_rate_max: whole(listener.maximum_session_rate),
  conn_tot: listener.total_sessions,
  dcon: listener.denied,
  dses: 0,
})

const backend = (listener: ListenerStatus): Row => {
  const taking = listener.servers.filter(({ takes_sessions: takes }) => takes)
  const backups = taking.filter(({ backup }) => backup)
  const active = taking.length - backups.length
  return {
    ...traffic(listener),
    qcur: listener.queued,
    qmax: listener.maximum_queued,
    dreq: 0,
    dresp: 0,
    econ: sum(listener.servers.map(({ connect_failures: failures }) => failures)),
    eresp: 0,
    wretr: sum(listener.servers.map(({ retries }) => retries)),
    wredis: sum(listener.servers.map(({ redispatches }) => redispatches)),
    status: taking.length > 0 ? 'UP' : 'DOWN',
    weight: taking.reduce((all, { weight }) => all + weight, 0),
    act: active,
    bck: backups.length,
    chkdown: listener.servers.reduce((all, { times_down: times }) => all + times, 0),
    lbtot: listener.total_sessions,
    lastsess: lastSession(listener.last_session),
    algo: listener.balance,
  }
}

const lastSession = (last: { readonly ago_ms: number } | null): number => (last === null ? never : seconds(last.ago_ms))

const serverRow = (server: ServerStatus): Row => ({
  scur: server.sessions,
  smax: server.maximum_sessions,
  slim: server.session_limit === 0 ? null : server.session_limit,
  stot: server.total_sessions,
  bin: server.bytes_in,
  bout: server.bytes_out,
  dresp: 0,
  econ: server.connect_failures,
  eresp: 0,
  wretr: server.retries,
  wredis: server.redispatches,
  status: server.status,
  weight: server.weight,
  act: server.backup ? 0 : 1,
  bck: server.backup ? 1 : 0,
  chkfail: server.failed_checks,
  chkdown: server.times_down,
  lastchg: server.since === null ? null : seconds(server.since.ago_ms),
  downtime: seconds(server.down_ms),
  throttle: server.throttle_percent,
  lbtot: server.total_sessions,
  rate: whole(server.session_rate),
  rate_max: whole(server.maximum_session_rate),
  lastsess: lastSession(server.last_session),
  addr: server.address,
})

const checkRow = ({ last_check: check, health }: ServerStatus): Row => ({
  check_status: check?.status ?? 'INI',
  check_code: check?.code ?? null,
  check_duration: check?.duration_ms ?? null,
  last_chk: check === null ? '' : `${check.reason}: ${check.text}`,
  check_desc: check?.passed === true ? 'passed' : (check?.reason ?? 'Initializing'),
  check_rise: health?.rise ?? null,
  check_fall: health?.fall ?? null,
  check_health: health?.value ?? null,
})

const agentRow = ({ agent_check: agent, agent_trouble: trouble }: ServerStatus): Row =>
  agent === null && trouble === null
    ? {}
    : {
        agent_status: trouble === null || trouble.failures_in_a_row === 0 ? 'L7OK' : 'L4CON',
        last_agt: agent?.text ?? '',
        agent_desc: trouble?.reason ?? '',
      }
