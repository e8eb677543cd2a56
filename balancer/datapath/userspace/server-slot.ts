// One server of one listener as the proxy worker sees it: its health, who uses it, and what went through it.

import { performance } from 'node:perf_hooks'
import type { ServerConfig } from '../../config/schema.ts'
import type { Endpoint } from '../../config/values.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { ChoosableServer } from '../../pool/core/choice.ts'
import type { ServerHealthFact, ServerTraffic } from '../../pool/core/facts.ts'
import { stillWorks, takesSessions } from '../../pool/core/server-state.ts'
import { slowStartShare } from '../../pool/core/slow-start.ts'
import type { SessionEnd } from './session.ts'

/** A session, or the attempt to begin one. `end` is called when its server must not have it any more. */
export type Occupant = {
  readonly isConnecting: boolean
  readonly end: (reason: SessionEnd) => void
  readonly bytes: () => { readonly in: number; readonly out: number }
}

/** What a health fact changed: the mark, and whether it takes sessions that it did not take before. */
export type Heard = { readonly marked: 'up' | 'down' | 'as-before'; readonly isOpened: boolean }

/** Moments before which no session and every session began. */
export const nobody = Number.NEGATIVE_INFINITY
export const everybody = Number.POSITIVE_INFINITY

/** A server's place in a listener. Down until a health fact says otherwise. */
export type ServerSlot = {
  readonly name: string
  /** A reload gave it another name. */
  readonly rename: (name: string) => void
  readonly address: Endpoint
  /** Whether this is the place of a server with the same name and address. */
  readonly isOf: (server: ServerConfig) => boolean
  readonly view: (slowStart: Millis) => ChoosableServer
  readonly hear: (fact: ServerHealthFact) => Heard
  /** Whether those who are logging in can finish that there, although it gets no new sessions. */
  readonly stillWorks: () => boolean
  readonly isUp: () => boolean
  readonly isReplica: () => boolean
  /** Takes a place until the returned function is called. */
  readonly enter: (occupant: Occupant) => () => void
  readonly isOccupied: () => boolean
  /** Ends the attempts to connect, and the sessions that began before a moment of `performance.now()`. */
  readonly empty: (reason: SessionEnd, begunBefore: number) => void
  readonly countSession: () => void
  /** `isRefused`: the server's host said no, as against not answering. */
  readonly countConnectFailure: (failure: { readonly isRefused: boolean }) => void
  /** Where a client that failed here goes: here again, or elsewhere. */
  readonly countNextAttempt: (slot: ServerSlot) => void
  readonly traffic: () => ServerTraffic
}

/** Makes the slot of a configured server. */
export const createServerSlot = ({ name: first, address }: ServerConfig): ServerSlot => {
  let name = first
  /** With the moment at which each came. */
  const occupants = new Map<Occupant, number>()
  const finished = { in: 0, out: 0 }
  let fact: ServerHealthFact | undefined
  let upAt = millis(0)
  let maximumSessions = 0
  let totalSessions = 0
  let connectFailures = 0
  let refusedConnects = 0
  let failuresInARow = 0
  let retries = 0
  let redispatches = 0

  return {
    get name() {
      return name
    },
    rename: (next) => {
      name = next
    },
    address,
    isOf: (server) =>
      server.name === name && server.address.address === address.address && server.address.port === address.port,
    view: (slowStart) => ({
      name,
      weight: (fact?.weight ?? 0) * slowStartShare(slowStart, millis(performance.now() - upAt)),
      usable: fact !== undefined && takesSessions(fact),
      lastResort: fact !== undefined && fact.admin === 'ready' && !fact.refusing && !fact.draining && fact.weight > 0,
      backup: fact?.backup ?? false,
      sessions: occupants.size,
      maximumSessions: fact?.maximumSessions ?? 0,
    }),
    hear: (now) => {
      const wasUp = fact?.up ?? false
      const isOpened = takesSessions(now) && !(fact !== undefined && takesSessions(fact))
      fact = now
      if (wasUp === now.up) return { marked: 'as-before', isOpened }
      // A worker that was started again finds servers that have been up for long.
      if (now.up) upAt = millis(performance.now() - Math.max(0, Date.now() - now.since))
      return { marked: now.up ? 'up' : 'down', isOpened }
    },
    stillWorks: () => fact !== undefined && stillWorks(fact),
    isUp: () => fact?.up === true,
    isReplica: () => fact?.role === 'replica',
    enter: (occupant) => {
      occupants.set(occupant, performance.now())
      maximumSessions = Math.max(maximumSessions, occupants.size)
      return () => {
        if (!occupants.delete(occupant)) return
        const bytes = occupant.bytes()
        finished.in += bytes.in
        finished.out += bytes.out
      }
    },
    isOccupied: () => occupants.size > 0,
    empty: (reason, begunBefore) => {
      for (const [occupant, since] of [...occupants]) {
        if (occupant.isConnecting || since <= begunBefore) occupant.end(reason)
      }
    },
    countSession: () => {
      totalSessions += 1
      failuresInARow = 0
    },
    countConnectFailure: ({ isRefused }) => {
      connectFailures += 1
      failuresInARow += 1
      if (isRefused) refusedConnects += 1
    },
    countNextAttempt: (slot) => {
      if (slot.name === name) retries += 1
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
        server: name,
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
}
