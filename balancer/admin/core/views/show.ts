// What `balancer show` prints: the whole, servers, sessions and events, as tables for people or as JSON for programs.

import { printableJson } from '../../../core/text.ts'
import type { Event, Events } from '../../../pool/core/events.ts'
import type { ListenerStatus, ServerStatus, Status } from '../model/status.ts'
import { elsewhereLines } from './elsewhere-text.ts'
import { moodSigns, verdictOf } from './page/verdict.ts'
import { serverTone } from './state-tone.ts'
import { type Block, columnsOf, type Line, linesBlock, plain, plainText, type Table } from './table.ts'
import { amount, bytes, countsText, drainingLines, duration, findingLines, foundText, holderLines } from './text.ts'
import { routersTable } from './vrrp-text.ts'

/** An event as it is told: `at` as ISO 8601; `ago` in words, where the one who shows it knows the time. */
export type ToldEvent = {
  readonly at: string
  readonly level: Event['level']
  readonly text: string
  readonly ago?: string
}

/** Events that the whole has. */
const lastEvents = 10

/** `show status`: the document itself, or the most important of it on one screen. */
export const showStatus = (status: Status, events: Events, json: boolean, iso: (moment: number) => string): string => {
  if (json) return toJson(status)
  return plainText(
    overviewBlocks({ status, events: events.map(({ at, level, text }) => ({ at: iso(at), level, text })) }),
  )
}

/** See `showStatus`; the last events, oldest first. */
export const overviewBlocks = ({
  status,
  events,
}: {
  readonly status: Status
  readonly events: readonly ToldEvent[]
}): readonly Block[] => [
  [verdictLine(status), ...findingsOf(status)],
  ...(status.vrrp.length === 0 ? [] : [routersTable(status.vrrp)]),
  ...serversBlocks(status),
  ...(events.length === 0 ? [] : [eventsTable(events.slice(-lastEvents))]),
]

/** Whether all is well, on one line. */
export const verdictLine = (status: Status): Line => {
  const { mood, headline } = verdictOf(status)
  return [{ text: `${moodSigns[mood]} ${headline}`, tone: mood, mark: `verdict ${mood}` }]
}

/** What is not well, a line each. */
export const findingsOf = (status: Status): readonly Line[] =>
  verdictOf(status).findings.map(({ mood, text }) => [{ text: `${moodSigns[mood]} `, tone: mood }, plain(text)])

/** `show servers`: every server of every listener, with its state and why, and below them who holds one. */
export const showServers = (status: Status, json: boolean): string =>
  json ? toJson(status.listeners) : plainText(serversBlocks(status))

/** See `showServers`. */
export const serversBlocks = (status: Status): readonly Block[] => [
  serversTable(serverRows(status)),
  ...linesBlock([
    ...status.listeners.flatMap(({ name, servers }) =>
      servers.flatMap((server) => holderLines(server).map((line) => `${name}/${server.name}: ${line}`)),
    ),
    ...status.listeners.flatMap(findingLines),
    ...elsewhereLines(status),
    ...drainingLines(status.draining),
  ]),
]

/** Every server with its listener. */
export const serverRows = ({ listeners }: Status): readonly ServerRow[] =>
  listeners.flatMap((listener) => listener.servers.map((server) => ({ listener, server })))

type ServerRow = { readonly listener: ListenerStatus; readonly server: ServerStatus }

/** A table of these servers. */
export const serversTable = (rows: readonly ServerRow[]): Table => ({
  columns: columnsOf(
    ...['SERVER', 'STATUS', 'SINCE', ['WEIGHT', 1] as const, 'SESSIONS', ['ROLE', 2] as const],
    ...[['FOUND BY', 4] as const, ['CHECKS', 3] as const, 'LAST CHECK'],
  ),
  rows: rows.map(({ listener, server }) => {
    const place = `${listener.name}/${server.name}`
    const status = listener.writer === server.name ? `${server.status} writer` : server.status
    const weight = `${server.weight}${server.backup ? ' backup' : ''}`
    const { last_check: check } = server
    return [
      plain(place),
      { text: status, tone: serverTone(server), mark: `${place} ${status}` },
      plain(server.since === null ? '-' : duration(server.since.ago_ms)),
      { text: weight, mark: `${place} weight ${weight}` },
      plain(amount(server.sessions)),
      { text: server.role, mark: `${place} role ${server.role}` },
      plain(foundText(server)),
      plain(server.watched ? 'watched' : 'polled'),
      { text: lastCheckText(server), mark: `${place} check ${check?.status} ${check?.code} ${check?.reason}` },
    ]
  }),
})

/** `show sessions`: how many there are and were, per listener and per server, how they ended, and who else has some. */
export const showSessions = (status: Status, json: boolean): string =>
  json ? toJson(sessionMembers(status)) : plainText(sessionsBlocks(status))

const sessionMembers = ({ listeners, draining }: Status) =>
  listeners.map(({ name, sessions, maximum_sessions, session_limit, total_sessions, queued, ends, servers }) => ({
    listener: name,
    sessions,
    maximum_sessions,
    session_limit,
    total_sessions,
    queued,
    ends,
    draining: draining.flatMap(({ listeners: kept, ...worker }) =>
      kept.flatMap((one) => (one.listener === name ? [{ ...worker, sessions: one.sessions }] : [])),
    ),
    servers: servers.map((server) => ({
      server: server.name,
      sessions: server.sessions,
      maximum_sessions: server.maximum_sessions,
      session_limit: server.session_limit,
      total_sessions: server.total_sessions,
      bytes_in: server.bytes_in,
      bytes_out: server.bytes_out,
      connect_failures: server.connect_failures,
      retries: server.retries,
      redispatches: server.redispatches,
    })),
  }))

/** See `showSessions`. */
export const sessionsBlocks = (status: Status): readonly Block[] => {
  const { listeners, draining } = status
  const rows = listeners.flatMap((listener) => [
    [
      listener.name,
      amount(listener.sessions),
      amount(listener.maximum_sessions),
      `${listener.session_limit}`,
      amount(listener.total_sessions),
      amount(listener.queued),
      '',
      '',
      Object.keys(listener.ends).length === 0 ? '' : countsText(listener.ends),
    ],
    ...listener.servers.map((server) => [
      `${listener.name}/${server.name}`,
      amount(server.sessions),
      amount(server.maximum_sessions),
      server.session_limit === 0 ? '-' : `${server.session_limit}`,
      amount(server.total_sessions),
      '',
      bytes(server.bytes_in),
      bytes(server.bytes_out),
      server.connect_failures === null || server.connect_failures === 0
        ? ''
        : `connect failures ${server.connect_failures}`,
    ]),
  ])
  const columns = columnsOf(
    ...['LISTENER', 'NOW', ['MOST', 2] as const, ['LIMIT', 3] as const, 'IN ALL'],
    ...['QUEUED', ['IN', 1] as const, ['OUT', 1] as const, 'ENDED'],
  )
  return [
    { columns, rows: rows.map((row) => row.map(plain)) },
    ...linesBlock([...elsewhereLines(status), ...drainingLines(draining)]),
  ]
}

/** `show events`: what changed, oldest first. `iso` writes a moment as ISO 8601. */
export const showEvents = (events: Events, json: boolean, iso: (moment: number) => string): string =>
  json
    ? toJson(events.map((event) => eventMembers(event, iso)))
    : events.map(({ at, text }) => `${iso(at)}  ${text}`).join('\n') || 'Nothing has changed yet.'

/** An event as JSON. */
export const eventMembers = ({ at, level, text, fields }: Event, iso: (moment: number) => string) => ({
  at: iso(at),
  level,
  text,
  ...fields,
})

const levelTones = { info: undefined, warn: 'attention', error: 'trouble' } as const

/** A table of events in this order. */
export const eventsTable = (events: readonly ToldEvent[]): Table => {
  const hasAge = events.some(({ ago }) => ago !== undefined)
  return {
    columns: columnsOf(...(hasAge ? ['AGO', ['AT', 1] as const] : ['AT']), 'EVENT'),
    rows: events.map(({ at, level, text, ago }) => {
      const tone = levelTones[level]
      const mark = `event ${at} ${text}`
      return [
        ...(hasAge ? [plain(ago ?? '')] : []),
        { text: at, tone: 'dim' },
        tone === undefined ? { text, mark } : { text, mark, tone },
      ]
    }),
  }
}

/** What others say may stand in it; it ends on a terminal. */
export const toJson = (value: unknown): string => printableJson(JSON.stringify(value, null, 2))

const lastCheckText = ({ last_check: check }: ServerStatus): string => {
  if (check === null) return 'not checked yet'
  const code = check.code === null ? '' : `/${check.code}`
  const made = check.by === 'check' ? `in ${check.duration_ms}ms` : `by ${check.by}`
  return `${check.status}${code} ${made}, ${check.reason}: ${check.text}`
}
