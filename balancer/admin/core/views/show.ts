// What `balancer show` prints: servers, sessions and events, as columns for people or as JSON for programs.

import { printableJson } from '../../../core/text.ts'
import type { Event, Events } from '../../../pool/core/events.ts'
import type { ServerStatus, Status } from '../model/status.ts'
import { amount, bytes, countsText, drainingLines, duration, foundText, holderLines } from './text.ts'

/** `show servers`: every server of every listener, with its state and why, and below them who holds one. */
export const showServers = ({ listeners, draining }: Status, json: boolean): string => {
  if (json) return toJson(listeners)
  const rows = listeners.flatMap((listener) =>
    listener.servers.map((server) => [
      `${listener.name}/${server.name}`,
      listener.writer === server.name ? `${server.status} writer` : server.status,
      server.since === null ? '-' : duration(server.since.ago_ms),
      `${server.weight}${server.backup ? ' backup' : ''}`,
      amount(server.sessions),
      server.role,
      foundText(server),
      server.watched ? 'watched' : 'polled',
      lastCheckText(server),
    ]),
  )
  const table = columns(
    ['SERVER', 'STATUS', 'SINCE', 'WEIGHT', 'SESSIONS', 'ROLE', 'FOUND BY', 'CHECKS', 'LAST CHECK'],
    rows,
  )
  const held = listeners.flatMap(({ name, servers }) =>
    servers.flatMap((server) => holderLines(server).map((line) => `${name}/${server.name}: ${line}`)),
  )
  const below = [...held, ...drainingLines(draining)]
  return below.length === 0 ? table : `${table}\n\n${below.join('\n')}`
}

/** `show sessions`: how many there are and were, per listener and per server, how they ended, and who else has some. */
export const showSessions = ({ listeners, draining }: Status, json: boolean): string => {
  if (json) {
    return toJson(
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
      })),
    )
  }
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
      endsText(listener.ends),
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
      server.connect_failures === 0 ? '' : `connect failures ${amount(server.connect_failures)}`,
    ]),
  ])
  const below = drainingLines(draining)
  const table = columns(['LISTENER', 'NOW', 'MOST', 'LIMIT', 'IN ALL', 'QUEUED', 'IN', 'OUT', 'ENDED'], rows)
  return below.length === 0 ? table : `${table}\n\n${below.join('\n')}`
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

/** What others say may stand in it; it ends on a terminal. */
export const toJson = (value: unknown): string => printableJson(JSON.stringify(value, null, 2))

const lastCheckText = ({ last_check: check }: ServerStatus): string => {
  if (check === null) return 'not checked yet'
  const code = check.code === null ? '' : `/${check.code}`
  const made = check.by === 'check' ? `in ${check.duration_ms}ms` : `by ${check.by}`
  return `${check.status}${code} ${made}, ${check.reason}: ${check.text}`
}

const endsText = (ends: Readonly<Record<string, number>>): string =>
  Object.keys(ends).length === 0 ? '' : countsText(ends)

/** Rows as columns that stand under their heads, two spaces apart. */
export const columns = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const lines = [head, ...rows]
  const widths = head.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
