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
  /** The server does not let the check user in there: asked again it would only count one more refusal. */
  let isRefused = false

  const knock = async (turn: DoorTurn, host: string, port: number): Promise<Failure | null> => {
    const session = openSession({ kind: 'tcp', host, port }, mysql)
    const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
    turn.door = { session, where }
    const failure = await session.login()
    turn.door = null
    session.end()
    isRefused = failure?.code === 'access-denied'
    return failure === null ? null : closedBy(failure, where)
  }

  return {
    look: async (turn, words, isFull) => {
      if (isSeen || client.kind === 'none') return null
      const isDue = found !== null || performance.now() - lookedAt >= interval
      if (!isDue || isRefused || isFull) return found
      const door = doorOf(client, words, client.kind === 'own' ? ownAddresses() : [])
      if (door === null) found = null
      else found = 'closed' in door ? door.closed : await knock(turn, door.host, door.port)
      lookedAt = performance.now()
      return found
    },
    forget: () => {
      lookedAt = Number.NEGATIVE_INFINITY
      found = null
      isRefused = false
    },
  }
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
