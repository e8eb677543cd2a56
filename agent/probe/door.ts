// The login where clients come in: a server that answers over its socket may be out of reach for everybody else.

import { networkInterfaces } from 'node:os'
import { performance } from 'node:perf_hooks'
import type { MysqlConfig } from '../config/login.ts'
import type { Millis } from '../core/time.ts'
import { closedBy, doorOf, isLoopback } from './core/door.ts'
import type { Words } from './core/facts.ts'
import type { Failure } from './core/failure.ts'
import { openSession, type Session } from './session.ts'

/** Where the login goes on: who may have to throw it away, and what for. */
export type DoorTurn = { door: { readonly session: Session; readonly where: string } | null }

/** Knocks when it is time to. */
export type DoorLook = {
  /** Why no client gets in, as of the newest look; null where they do. `isFull`: a login would take the last place. */
  readonly look: (turn: DoorTurn, words: Words, isFull: boolean) => Promise<Failure | null>
  /** What the newest login there met, in words for people; null where none was made. */
  readonly seen: () => string | null
  /** The server is another one, or has been restarted. */
  readonly forget: () => void
}

/** A door that has not been looked at. */
export const createDoorLook = (mysql: MysqlConfig, interval: Millis): DoorLook => {
  const { client = { kind: 'none' }, target } = mysql
  // A login from elsewhere is the way of the clients already.
  const isSeen = client.kind === 'own' && target.kind === 'tcp' && !isLoopback(target.host)
  let lookedAt = Number.NEGATIVE_INFINITY
  let found: Failure | null = null
  let seen: string | null = null
  /** Before this moment nobody knocks where the check user was not let in: the server counts each time. */
  let silentUntil = Number.NEGATIVE_INFINITY

  const knock = async (turn: DoorTurn, host: string, port: number): Promise<Failure | null> => {
    const session = openSession({ kind: 'tcp', host, port }, mysql)
    const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    turn.door = { session, where }
    const failure = await session.login()
    turn.door = null
    session.end()
    silentUntil = performance.now() + silenceAfter(failure)
    const closed = failure === null ? null : closedBy(failure, where)
    if (failure === null) seen = `${where} lets the check user in`
    else seen = closed?.text ?? `${where} answers, and does not let the check user in: ${failure.text}`
    return closed
  }

  return {
    look: async (turn, words, isFull) => {
      if (isSeen || client.kind === 'none') return null
      const isDue = found !== null || performance.now() - lookedAt >= interval
      if (!isDue || isFull || performance.now() < silentUntil) return found
      const door = doorOf(client, words, client.kind === 'own' ? ownAddresses() : [])
      seen = null
      if (door === null) found = null
      else found = 'closed' in door ? door.closed : await knock(turn, door.host, door.port)
      lookedAt = performance.now()
      return found
    },
    seen: () => seen,
    forget: () => {
      lookedAt = Number.NEGATIVE_INFINITY
      found = null
      seen = null
      silentUntil = Number.NEGATIVE_INFINITY
    },
  }
}

/** An operator may give the check user what it lacks there. */
const deniedMillis = 60_000

/** A handshake that breaks off counts towards max_connect_errors, and would have the server block this host some day. */
const silenceAfter = (failure: Failure | null): number => {
  if (failure?.code === 'tls-failed') return Number.POSITIVE_INFINITY
  return failure?.code === 'access-denied' ? deniedMillis : 0
}

/**
 * Addresses by which others reach this host, IPv4 first. None where the system does not tell (a unit without AF_NETLINK): then
 * the server's variables are all that is looked at.
 */
export const ownAddresses = (): readonly string[] => {
  try {
    return Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
      .sort((a, b) => a.family.localeCompare(b.family))
      .map(({ address }) => address)
  } catch {
    return []
  }
}
