// What a client's way through this process was, for its line in the session log.

import type { Socket } from 'node:net'
import { plainAddress } from '../../core/endpoint.ts'
import type { ListedSession } from '../../pool/core/session-list.ts'
import { type SessionRecord, terminationState } from '../../pool/core/session-record.ts'
import type { ServerSlot } from './server-slot.ts'

/** Moments are those of `performance.now()`, but for `acceptedAt`. */
export type SessionTrace = {
  readonly client: SessionRecord['client']
  readonly acceptedAt: number
  readonly since: number
  firstAttemptAt: number | null
  joinedAt: number | null
  attempts: number
  isRedispatched: boolean
  /** Whether the last server that could not be connected to did not answer. */
  isSilent: boolean
  isConnecting: boolean
  slot: ServerSlot | null
  position: number
  bytes: (() => NonNullable<SessionRecord['bytes']>) | null
}

/** Begins with the acceptance of a client. */
export const beginTrace = ({ remoteAddress, remotePort = 0 }: Socket): SessionTrace => ({
  client: { address: plainAddress(remoteAddress), port: remotePort },
  acceptedAt: Date.now(),
  since: performance.now(),
  firstAttemptAt: null,
  joinedAt: null,
  attempts: 0,
  isRedispatched: false,
  isSilent: false,
  isConnecting: false,
  slot: null,
  position: 0,
  bytes: null,
})

/** It is about to connect to a server. */
export const traceAttempt = (trace: SessionTrace, slot: ServerSlot): void => {
  trace.firstAttemptAt ??= performance.now()
  trace.attempts += 1
  trace.isConnecting = true
  if (trace.slot !== null && trace.slot !== slot) trace.isRedispatched = true
  trace.slot = slot
}

/** Its server did not take it. */
export const traceFailure = (trace: SessionTrace, isSilent: boolean): void => {
  trace.isConnecting = false
  trace.isSilent = isSilent
}

/** It has a server. */
export const traceJoined = (trace: SessionTrace, bytes: NonNullable<SessionTrace['bytes']>): void => {
  trace.joinedAt = performance.now()
  trace.bytes = bytes
}

/** The server that it has, or connects to now; null while it waits for one. */
export const serverOf = ({ slot, joinedAt, isConnecting }: SessionTrace): string | null =>
  joinedAt !== null || isConnecting ? (slot?.place().server ?? null) : null

/** What is to be said of it while it is there; `bind` is what its client reached. */
export const listedOf = (trace: SessionTrace, listener: string, bind: string): ListedSession => {
  const { client, acceptedAt, joinedAt, bytes } = trace
  const { in: bytesIn, out: bytesOut } = bytes?.() ?? { in: 0, out: 0 }
  const isJoined = joinedAt !== null
  return { client, listener, bind, server: serverOf(trace), acceptedAt, isJoined, bytesIn, bytesOut }
}

/** What is to be said at its end; `sessions` are those of the listener, and those of them that have a server or connect to one. */
export const recordOf = (
  trace: SessionTrace,
  listener: string,
  end: string,
  sessions: Pick<SessionRecord['sessions'], 'listener' | 'placed'>,
): Omit<SessionRecord, 'sessions'> & { readonly sessions: Omit<SessionRecord['sessions'], 'process'> } => {
  const { client, acceptedAt, since, firstAttemptAt, joinedAt, attempts, isRedispatched, isSilent, slot, position } =
    trace
  const total = performance.now() - since
  const waited = position > 0 ? total : null
  const stage = joinedAt !== null ? 'data' : trace.isConnecting ? 'connect' : 'queue'
  return {
    client,
    listener,
    server: slot?.place().server ?? null,
    acceptedAt,
    queued: firstAttemptAt === null ? waited : firstAttemptAt - since,
    connecting: firstAttemptAt === null || joinedAt === null ? null : joinedAt - firstAttemptAt,
    total,
    bytes: trace.bytes?.() ?? { in: 0, out: 0 },
    end,
    state: terminationState(end, stage, isSilent),
    retries: Math.max(0, attempts - 1),
    isRedispatched,
    sessions: { ...sessions, server: slot?.occupants() ?? 0 },
    position,
  }
}

/** A session that has ended, without the number of sessions of all listeners. */
export type EndedSession = ReturnType<typeof recordOf>
