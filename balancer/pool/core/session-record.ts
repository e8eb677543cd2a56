// A session that has ended, whatever forwarded it, and its line in the log: HAProxy's tcplog, and the same as JSON.

import { type Calendar, sessionTime } from '../../core/calendar.ts'
import { endpointText } from '../../core/endpoint.ts'

/** How far it came: it waited for a server, was connecting to one, or had one. */
export type SessionStage = 'queue' | 'connect' | 'data'

/**
 * All that is to be said of it; null is not known by what forwarded it, or was never reached. `end` is how it ended, in our own
 * words (`ends` of a listener counts the same), `state` the same in HAProxy's two letters. Durations are milliseconds: `queued`
 * until its first attempt to connect or to its end in the queue, `connecting` from there until it had a server, `total` from its acceptance at
 * `acceptedAt` (since the epoch; where the former is not known, its end). `retries` are attempts after the first, `isRedispatched` one at another server among them.
 * `sessions` are those at that moment, this one included; `position` its place in the queue when it began to wait, 0 where it did not.
 */
export type SessionRecord = {
  readonly client: { readonly address: string; readonly port: number }
  readonly listener: string
  readonly server: string | null
  readonly acceptedAt: number
  readonly queued: number | null
  readonly connecting: number | null
  readonly total: number | null
  readonly bytes: { readonly in: number; readonly out: number } | null
  readonly end: string
  readonly state: string
  readonly retries: number
  readonly isRedispatched: boolean
  readonly sessions: {
    readonly process: number
    readonly listener: number
    readonly placed: number
    readonly server: number
  }
  readonly position: number
}

const stageLetters: Readonly<Record<SessionStage, string>> = { queue: 'Q', connect: 'C', data: 'D' }

/** Who ended it (HAProxy documentation, section 8.5): the first letter, for ends that come at any stage. */
const whoEnded: Readonly<Record<string, string>> = {
  'client-left': 'C',
  'client-reset': 'C',
  'server-reset': 'S',
  'client-timeout': 'c',
  'server-timeout': 's',
  'queue-full': 'P',
  'address-left': 'P',
  'server-down': 'D',
  demoted: 'D',
  'active-server-up': 'U',
  'server-removed': 'K',
  stopped: 'K',
  // Of the kernel datapath: it cannot tell which side it was.
  reset: 'C',
  timeout: 'c',
  ordered: 'K',
  deleted: 'K',
}

/** Ends that say by themselves how far the session came. */
const wholeStates: Readonly<Record<string, string>> = {
  closed: '--',
  'no-server': 'SC',
  'queue-timeout': 'sQ',
}

/**
 * HAProxy's two letters for how a session ended and where. `isSilent`: the last server that could not be connected to did not
 * answer, as against refusing.
 */
export const terminationState = (end: string, stage: SessionStage, isSilent: boolean): string => {
  if (end === 'connect-failed') return isSilent ? 'sC' : 'SC'
  if (end.startsWith('out-of-')) return 'RC'
  return wholeStates[end] ?? `${whoEnded[end] ?? 'P'}${stageLetters[stage]}`
}

const whole = (milliseconds: number | null): number => (milliseconds === null ? -1 : Math.round(milliseconds))

/**
 * HAProxy's tcplog: `%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq`; `at` is when it was accepted. Times that
 * are not known are -1 there, and what else is not known is a hyphen.
 */
export const tcplogLine = (record: SessionRecord, at: Calendar): string => {
  const { client, listener, server, queued, connecting, total, bytes, state, retries, sessions, position } = record
  const times = [queued, connecting, total].map(whole).join('/')
  const counts = [sessions.process, sessions.listener, sessions.placed, sessions.server].join('/')
  const again = `${record.isRedispatched ? '+' : ''}${retries}`
  // HAProxy writes no brackets, and what reads its lines expects none.
  const who = `${client.address}:${client.port} [${sessionTime(at)}] ${listener} ${listener}/${server ?? '<NOSRV>'}`
  // A server has no queue of its own here.
  return `${who} ${times} ${bytes?.out ?? '-'} ${state} ${counts}/${again} 0/${position}`
}

/** The same as members of a JSON object, with what tcplog does not tell; `at` as ISO 8601. */
export const sessionMembers = (record: SessionRecord, at: string): Readonly<Record<string, unknown>> => {
  const { client, queued, connecting, total, bytes, isRedispatched, position, ...rest } = record
  const { listener, server, end, state, retries, sessions } = rest
  return {
    client: endpointText(client),
    accepted_at: at,
    listener,
    server,
    queue_ms: queued === null ? null : Math.round(queued),
    connect_ms: connecting === null ? null : Math.round(connecting),
    total_ms: total === null ? null : Math.round(total),
    bytes_in: bytes?.in ?? null,
    bytes_out: bytes?.out ?? null,
    end,
    state,
    retries,
    redispatched: isRedispatched,
    sessions: { process: sessions.process, listener: sessions.listener, server: sessions.server },
    queue_position: position,
  }
}
