// What every check of a server has: a run that ends within its limit, and words for connections that fail.

import { isBarred, shortageOf } from '../../core/shortage.ts'
import type { Millis } from '../../core/time.ts'
import { isTrackingFull } from '../../os/host-limits.ts'
import { failed, type Judgement, notMade } from '../core/result.ts'
import type { News, StreamSource } from '../stream.ts'
import type { Stage } from './dialer.ts'

/**
 * One check of one server. `run` never rejects and ends within the check's timeout; `connectWithin` is less than that, for a
 * host that may be gone.
 */
export type Probe = {
  readonly run: (connectWithin?: Millis) => Promise<Judgement>
  readonly close: () => void
  /** What an agent can do beside answering; only HTTP has it. */
  readonly watch?: WatchedProbe
}

/** The part of a check that a stream has. */
export type WatchedProbe = {
  readonly source: StreamSource
  /** Whether the last answer offered a stream; null where none came. */
  readonly isOffered: () => boolean | null
  readonly judge: (news: News) => Judgement
  /** Drops the kept connection, which may lead nowhere. */
  readonly renew: () => void
}

/**
 * Calls `onDeadline` after `timeout`, once what waits in the sockets has been read: after a stall of the event loop timers
 * fire first. The returned function takes it back.
 */
export const startDeadline = (timeout: Millis, onDeadline: () => void): (() => void) => {
  let immediate: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    immediate = setImmediate(onDeadline)
  }, timeout)
  return () => {
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}

/** A connection that could not be made in time: nothing came back, not even a refusal. */
export const noConnection = (port: number, timeout: Millis): Judgement =>
  isTrackingFull()
    ? notMade('connection-tracking', 'timeout')
    : failed('L4TOUT', 'timeout', `no connection to port ${port} within ${timeout} ms`)

/** A connection on which no complete answer came in time. */
export const noAnswer = (port: number, timeout: Millis): Judgement =>
  failed('L7TOUT', 'timeout', `no answer from port ${port} within ${timeout} ms`)

/** A connection that had not come further than `stage` within its time. */
export const silentAt = (stage: Stage, port: number, timeout: Millis): Judgement => {
  switch (stage) {
    case 'connecting':
      return noConnection(port, timeout)
    case 'handshake':
      return failed('L6TOUT', 'timeout', `port ${port} connects, but TLS did not stand within ${timeout} ms`)
    case 'open':
      return noAnswer(port, timeout)
    default:
      return stage satisfies never
  }
}

/** A connection that failed with the system's error `code`. */
export const connectionFailure = (code: string, port: number, refusedReason = 'connection-refused'): Judgement => {
  const shortage = shortageOf(code)
  if (shortage !== undefined) return notMade(shortage, code)
  if (isBarred(code)) return barred(code)
  switch (code) {
    case 'ECONNREFUSED':
      return failed('L4CON', refusedReason, `nothing listens on port ${port}`)
    case 'EHOSTUNREACH':
    case 'EHOSTDOWN':
      return failed('L4CON', 'unreachable', 'the host cannot be reached, or a firewall there refuses it')
    default:
      return failed('SOCKERR', 'connection-lost', `the connection to port ${port} broke (${code})`)
  }
}

/** This host does not let its own packets out. */
const barred = (code: string): Judgement =>
  isTrackingFull()
    ? notMade('connection-tracking', code)
    : failed('L4CON', 'unreachable', `this host has no way there: its own routes or packet filter say ${code}`)
