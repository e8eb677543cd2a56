// One server of one listener as the proxy worker sees it: who uses it, and what went through it.

import { performance } from 'node:perf_hooks'
import type { ServerTraffic } from '../../pool/core/facts.ts'
import type { Place } from '../core/plan.ts'
import type { SessionEnd } from './session.ts'

/** A session, or the attempt to begin one. `end` is called when its server must not have it any more. */
export type Occupant = {
  readonly isConnecting: boolean
  readonly end: (reason: SessionEnd) => void
  readonly bytes: () => { readonly in: number; readonly out: number }
}

/** A server's place in a listener. */
export type ServerSlot = {
  /** Where it is; a reload may have given it another name. */
  readonly place: () => Place
  readonly rename: (place: Place) => void
  /** Takes a place until the returned function is called. */
  readonly enter: (occupant: Occupant) => () => void
  /** Sessions and attempts. */
  readonly occupants: () => number
  readonly sessions: () => number
  readonly endAttempts: (reason: SessionEnd) => void
  /** Ends all that began at a moment of `performance.now()` or earlier. */
  readonly endBegun: (reason: SessionEnd, begunBefore: number) => void
  readonly countSession: () => void
  /** `isRefused`: the server's host said no, as against not answering. */
  readonly countConnectFailure: (failure: { readonly isRefused: boolean }) => void
  /** Where a client that failed here goes: here again, or elsewhere. */
  readonly countNextAttempt: (slot: ServerSlot) => void
  readonly traffic: () => ServerTraffic
}

/** Makes the slot of a server. `onEmptied`: nobody is there any more. */
export const createServerSlot = (first: Place, onEmptied: (slot: ServerSlot) => void): ServerSlot => {
  let place = first
  /** With the moment at which each came. */
  const occupants = new Map<Occupant, number>()
  const finished = { in: 0, out: 0 }
  let maximumSessions = 0
  let totalSessions = 0
  let connectFailures = 0
  let refusedConnects = 0
  let failuresInARow = 0
  let retries = 0
  let redispatches = 0
  const end = (reason: SessionEnd, isMeant: (occupant: Occupant, since: number) => boolean): void => {
    for (const [occupant, since] of [...occupants]) if (isMeant(occupant, since)) occupant.end(reason)
  }

  const slot: ServerSlot = {
    place: () => place,
    rename: (next) => {
      place = next
    },
    enter: (occupant) => {
      occupants.set(occupant, performance.now())
      maximumSessions = Math.max(maximumSessions, occupants.size)
      return () => {
        if (!occupants.delete(occupant)) return
        const bytes = occupant.bytes()
        finished.in += bytes.in
        finished.out += bytes.out
        if (occupants.size === 0) onEmptied(slot)
      }
    },
    occupants: () => occupants.size,
    sessions: () => [...occupants.keys()].filter(({ isConnecting }) => !isConnecting).length,
    endAttempts: (reason) => end(reason, ({ isConnecting }) => isConnecting),
    endBegun: (reason, begunBefore) => end(reason, (_, since) => since <= begunBefore),
    countSession: () => {
      totalSessions += 1
      failuresInARow = 0
    },
    countConnectFailure: ({ isRefused }) => {
      connectFailures += 1
      failuresInARow += 1
      if (isRefused) refusedConnects += 1
    },
    countNextAttempt: (next) => {
      if (next === slot) retries += 1
      else redispatches += 1
    },
    traffic: () => {
      const bytes = { ...finished }
      for (const occupant of occupants.keys()) {
        const live = occupant.bytes()
        bytes.in += live.in
        bytes.out += live.out
      }
      return {
        server: place.server,
        sessions: occupants.size,
        maximumSessions,
        totalSessions,
        bytesIn: bytes.in,
        bytesOut: bytes.out,
        connectFailures,
        refusedConnects,
        failuresInARow,
        detail: { kind: 'userspace', retries, redispatches },
      }
    },
  }
  return slot
}
