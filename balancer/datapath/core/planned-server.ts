// One server of a plan, and how its sessions end when it must not have them any more: at once, after the configured grace,
// or, where they are logging in and the server still works, when they have had the time for that.

import type { ServerConfig } from '../../config/schema.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { ServerHealthFact } from '../../pool/core/facts.ts'
import { stillWorks } from '../../pool/core/server-state.ts'

/** How long a login takes, far networks and TLS included. */
export const loginMillis = millis(500)

/** Every session began before this moment. */
export const everybody = Number.POSITIVE_INFINITY

/** A server of a listener. `id` stays when a reload gives it another `server` name, and is never another's. */
export type Place = { readonly id: number; readonly server: string; readonly address: ServerConfig['address'] }

/**
 * Why a server must not have its sessions any more: it went down, is not the writer, is a backup that is not needed any more,
 * or was taken out of the configuration.
 */
export type LeaveReason = 'server-down' | 'demoted' | 'active-server-up' | 'server-removed'

/**
 * What a datapath has to do. `end-attempts`: connections on their way to the server, which the client may not notice.
 * `end-sessions`: those of the server that began at `begunBefore` or earlier, a moment of the clock of the events; Infinity is
 * all of them. `forget-failures`: whoever could not connect there may try it again.
 */
export type PlanEffect = Place &
  (
    | { readonly effect: 'end-attempts'; readonly reason: LeaveReason }
    | { readonly effect: 'end-sessions'; readonly reason: LeaveReason; readonly begunBefore: number }
    | { readonly effect: 'forget-failures' }
  )

/** Sessions that began at `begunBefore` or earlier have until then to log in. */
type Login = { readonly until: Millis; readonly begunBefore: Millis; readonly reason: LeaveReason }

/**
 * A server with what is known of it. `upAt` is when it came up. `mayHaveSessions`: it could get some since they were last
 * ended; those of `logins` end anyway, and so do all at the end of `grace`.
 */
export type PlannedServer = Place & {
  readonly fact: ServerHealthFact | null
  readonly upAt: Millis
  readonly mayHaveSessions: boolean
  readonly grace: { readonly until: Millis; readonly reason: LeaveReason } | null
  readonly logins: readonly Login[]
}

/** A server after a change, and what is to be done. */
export type Change = readonly [PlannedServer, readonly PlanEffect[]]

/** A server of which nothing is known: down until a fact says otherwise. */
export const plannedServer = (
  id: number,
  { name, address }: ServerConfig,
  mayHaveSessions: boolean,
): PlannedServer => ({
  id,
  server: name,
  address,
  fact: null,
  upAt: millis(0),
  mayHaveSessions,
  grace: null,
  logins: [],
})

/** It alone. */
export const placeOf = ({ id, server, address }: Place): Place => ({ id, server, address })

/** Ends connections on their way to the server; its sessions stay. */
export const endAttempts = (server: PlannedServer, reason: LeaveReason): Change => [
  server,
  [{ ...placeOf(server), effect: 'end-attempts', reason }],
]

/** Ends all that the server has. */
export const endAll = (server: PlannedServer, reason: LeaveReason): Change => {
  const next: PlannedServer = { ...server, mayHaveSessions: false, grace: null, logins: [] }
  return hasAny(server) ? [next, endings(server, reason, everybody)] : [next, []]
}

/** Ends what the server has; who is logging in has its time where the server still works. */
export const vacate = (server: PlannedServer, reason: LeaveReason, at: Millis): Change => {
  if (server.fact === null || !stillWorks(server.fact)) return endAll(server, reason)
  const next: PlannedServer = { ...server, mayHaveSessions: false, grace: null }
  // Whoever has its time already gets no more.
  if (!server.mayHaveSessions) return [next, []]
  const login: Login = { until: millis(at + loginMillis), begunBefore: at, reason }
  return [{ ...next, logins: [...server.logins, login] }, endings(server, reason, at - loginMillis)]
}

/** Does so after a grace. */
export const vacateAfter = (server: PlannedServer, reason: LeaveReason, grace: Millis, at: Millis): Change =>
  grace === 0
    ? vacate(server, reason, at)
    : endAttempts({ ...server, grace: { until: millis(at + grace), reason } }, reason)

/** The server may keep what it has. */
export const takeBack = (server: PlannedServer): PlannedServer => ({
  ...server,
  mayHaveSessions: hasAny(server),
  grace: null,
  logins: [],
})

/** Nobody is there any more who would have to leave. */
export const emptied = (server: PlannedServer): PlannedServer => ({ ...server, mayHaveSessions: false, logins: [] })

/** Whether the server can have a session. */
export const hasAny = ({ mayHaveSessions, logins }: PlannedServer): boolean => mayHaveSessions || logins.length > 0

/** When something of it ends next; null for never. */
export const deadlineOfServer = ({ grace, logins }: PlannedServer): Millis | null => {
  const moments = [...(grace === null ? [] : [grace.until]), ...logins.map(({ until }) => until)]
  return moments.length === 0 ? null : millis(Math.min(...moments))
}

/** Ends what has had its time. */
export const passDeadlines = (server: PlannedServer, at: Millis): Change => {
  const due = server.logins.filter(({ until }) => until <= at)
  const waiting: PlannedServer = { ...server, logins: server.logins.filter(({ until }) => until > at) }
  // Not those who came since, where it is wanted again.
  const ended = due.map(({ reason, begunBefore }) => endSessions(server, reason, begunBefore))
  const { grace } = waiting
  if (grace === null || grace.until > at) return [waiting, ended]
  const [next, effects] = vacate(waiting, grace.reason, at)
  return [next, [...ended, ...effects]]
}

const endSessions = (server: PlannedServer, reason: LeaveReason, begunBefore: number): PlanEffect => ({
  ...placeOf(server),
  effect: 'end-sessions',
  reason,
  begunBefore,
})

const endings = (server: PlannedServer, reason: LeaveReason, begunBefore: number): readonly PlanEffect[] => [
  ...endAttempts(server, reason)[1],
  endSessions(server, reason, begunBefore),
]
