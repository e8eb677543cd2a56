// The sessions that there are, one by one, as an operator asks for them, and the number by which one is meant.

import * as z from 'zod'
import { addressBytes, addressText, familyOf } from '../../core/ip-address.ts'

/** How many one process tells of at most: what is asked for is an answer on a terminal, not a copy of a table. */
const mostListed = 5000

const endpoint = z.object({ address: z.string(), port: z.number() }).readonly()
const maybe = z.number().nullable()

const listedSession = z
  .object({
    client: endpoint,
    listener: z.string(),
    bind: z.string().nullable(),
    server: z.string().nullable(),
    acceptedAt: maybe,
    isJoined: z.boolean(),
    bytesIn: maybe,
    bytesOut: maybe,
  })
  .readonly()

/**
 * One session. `bind` is the address and port that its client reached, `server` null while it waits for one, `acceptedAt` milliseconds
 * since the epoch; `isJoined`: its server has accepted. Null is not known to what forwards it.
 */
export type ListedSession = z.output<typeof listedSession>

export const sessionListSchema = z
  .object({
    sessions: z.array(listedSession).readonly(),
    left: z.number(),
    troubles: z.array(z.string()).readonly(),
  })
  .readonly()

/** Sessions, how many more there are (`left`), and a sentence for each that could not tell of its own. */
export type SessionList = z.output<typeof sessionListSchema>

/** What several have told, as one list. */
export const mergeLists = (lists: readonly SessionList[]): SessionList => ({
  sessions: lists.flatMap(({ sessions }) => sessions),
  left: lists.reduce((sum, { left }) => sum + left, 0),
  troubles: lists.flatMap(({ troubles }) => troubles),
})

/** Takes sessions up to `mostListed`, and counts the rest. */
export const collectSessions = () => {
  const sessions: ListedSession[] = []
  let left = 0
  return {
    add: (session: () => ListedSession): void => {
      if (sessions.length < mostListed) sessions.push(session())
      else left += 1
    },
    list: (troubles: readonly string[] = []): SessionList => ({ sessions, left, troubles }),
  }
}

const hex = (bytes: readonly number[]): string => bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')
const portDigits = 4

/**
 * The number of a session, in HAProxy's form: the address and the port of its client. It means the same to every process, whatever forwards,
 * and after an upgrade.
 */
export const sessionId = ({ address, port }: ListedSession['client']): string =>
  `0x${hex(addressBytes(address))}${port.toString(16).padStart(portDigits, '0')}`

/** The client that a number means; undefined for what is none. */
export const clientOfId = (id: string): ListedSession['client'] | undefined => {
  const [, digits] = /^0x((?:[0-9a-f]{8}|[0-9a-f]{32})[0-9a-f]{4})$/i.exec(id) ?? []
  if (digits === undefined) return undefined
  const address = addressText(Buffer.from(digits.slice(0, -portDigits), 'hex'))
  const port = Number.parseInt(digits.slice(-portDigits), 16)
  return port === 0 ? undefined : { address, port }
}

/** `tcpv4` or `tcpv6`, as HAProxy names what a client came by. */
export const protocolOf = ({ address }: ListedSession['client']): string =>
  familyOf(address) === 'ipv4' ? 'tcpv4' : 'tcpv6'
