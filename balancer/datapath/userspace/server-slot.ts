// One server of one listener as the proxy worker sees it: who uses it, and what went through it.

import type { ServerConfig } from '../../config/schema.ts'
import type { Endpoint } from '../../config/values.ts'
import type { ChoosableServer } from '../../pool/core/choice.ts'
import type { ServerTraffic } from '../../pool/core/facts.ts'

/** A session, or the attempt to begin one. `serverDown` is called when the server is marked down. */
export type Occupant = {
  readonly serverDown: () => void
  readonly bytes: () => { readonly in: number; readonly out: number }
}

/** A server's place in a listener. Down until a health fact says otherwise. */
export type ServerSlot = {
  readonly name: string
  readonly address: Endpoint
  readonly view: () => ChoosableServer
  /** Marks the server; its occupants hear of it when it goes down. */
  readonly mark: (up: boolean) => void
  /** Takes a place until the returned function is called. */
  readonly enter: (occupant: Occupant) => () => void
  readonly countSession: () => void
  readonly countConnectFailure: (redispatched: boolean) => void
  readonly traffic: () => ServerTraffic
}

/** Makes the slot of a configured server. */
export const createServerSlot = ({ name, address, weight, max_connections }: ServerConfig): ServerSlot => {
  const occupants = new Set<Occupant>()
  const finished = { in: 0, out: 0 }
  let up = false
  let maximumSessions = 0
  let totalSessions = 0
  let connectFailures = 0
  let redispatches = 0

  return {
    name,
    address,
    view: () => ({ name, weight, up, sessions: occupants.size, maximumSessions: max_connections }),
    mark: (now) => {
      const wentDown = up && !now
      up = now
      if (wentDown) for (const occupant of occupants) occupant.serverDown()
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
    countSession: () => {
      totalSessions += 1
    },
    countConnectFailure: (redispatched) => {
      connectFailures += 1
      if (redispatched) redispatches += 1
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
        redispatches,
      }
    },
  }
}
