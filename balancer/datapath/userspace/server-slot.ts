// One server of one listener as the proxy worker sees it: its health, who uses it, and what went through it.

import { performance } from 'node:perf_hooks'
import type { ServerConfig } from '../../config/schema.ts'
import type { Endpoint } from '../../config/values.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { ChoosableServer } from '../../pool/core/choice.ts'
import type { ServerHealthFact, ServerTraffic } from '../../pool/core/facts.ts'
import { takesSessions } from '../../pool/core/server-state.ts'
import { slowStartShare } from '../../pool/core/slow-start.ts'
import type { SessionEnd } from './session.ts'

/** A session, or the attempt to begin one. `end` is called when its server must not have it any more. */
export type Occupant = {
  readonly isConnecting: boolean
  readonly end: (reason: SessionEnd) => void
  readonly bytes: () => { readonly in: number; readonly out: number }
}

/** What a health fact changed. */
export type MarkedAs = 'up' | 'down' | 'as-before'

/** A server's place in a listener. Down until a health fact says otherwise. */
export type ServerSlot = {
  readonly name: string
  /** A reload gave it another name. */
  readonly rename: (name: string) => void
  readonly address: Endpoint
  readonly view: (slowStart: Millis) => ChoosableServer
  readonly hear: (fact: ServerHealthFact) => MarkedAs
  /** Takes a place until the returned function is called. */
  readonly enter: (occupant: Occupant) => () => void
  /** Ends the attempts to connect, or those and all sessions. */
  readonly empty: (reason: SessionEnd, whom: 'connecting' | 'all') => void
  readonly countSession: () => void
  /** `isRefused`: the server's host said no, as against not answering. */
  readonly countConnectFailure: (failure: { readonly isRefused: boolean; readonly isRedispatched: boolean }) => void
  readonly traffic: () => ServerTraffic
}

/** Makes the slot of a configured server. */
export const createServerSlot = ({ name: first, address }: ServerConfig): ServerSlot => {
  let name = first
  const occupants = new Set<Occupant>()
  const finished = { in: 0, out: 0 }
  let fact: ServerHealthFact | undefined
  let upAt = millis(0)
  let maximumSessions = 0
  let totalSessions = 0
  let connectFailures = 0
  let refusedConnects = 0
  let failuresInARow = 0
  let redispatches = 0

  return {
    get name() {
      return name
    },
    rename: (next) => {
      name = next
    },
    address,
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
      fact = now
      if (wasUp === now.up) return 'as-before'
      // A worker that was started again finds servers that have been up for long.
      if (now.up) upAt = millis(performance.now() - Math.max(0, Date.now() - now.since))
      return now.up ? 'up' : 'down'
    },
    enter: (occupant) => {
      occupants.add(occupant)
      maximumSessions = Math.max(maximumSessions, occupants.size)
      return () => {
        if (!occupants.delete(occupant)) return
        const bytes = occupant.bytes()
        finished.in += bytes.in
        finished.out += bytes.out
      }
    },
    empty: (reason, whom) => {
      for (const occupant of [...occupants]) if (whom === 'all' || occupant.isConnecting) occupant.end(reason)
    },
    countSession: () => {
      totalSessions += 1
      failuresInARow = 0
    },
    countConnectFailure: ({ isRefused, isRedispatched }) => {
      connectFailures += 1
      failuresInARow += 1
      if (isRefused) refusedConnects += 1
      if (isRedispatched) redispatches += 1
    },
    traffic: () => {
      const bytes = { ...finished }
      for (const occupant of occupants) {
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
        redispatches,
      }
    },
  }
}
