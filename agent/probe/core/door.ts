// Where clients come in, by what the server tells of itself: the door that the agent knocks at.

import type { Words } from './facts.ts'
import { type Failure, isOwnLimit } from './failure.ts'

/** Where clients come in: the server's own port on an address that others reach, a place, or nowhere to be looked at. */
export type ClientAddress =
  | { readonly kind: 'own' | 'none' }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number | null }

/** A place to log in, or why there is none; null where nothing is to be looked at. */
export type Door = { readonly host: string; readonly port: number } | { readonly closed: Failure } | null

/** What the server is asked for it. */
export const doorStatement = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('skip_networking', 'bind_address', 'port')"
export const doorNames = ['skip_networking', 'bind_address', 'port']

const everywhere = ['', '*', '0.0.0.0', '::', '%']

/** The place that is written, or the server's own port on the first of its addresses that others reach. */
export const doorOf = (client: ClientAddress, words: Words, own: readonly string[]): Door => {
  if (client.kind === 'none') return null
  const port = Number(words['port'] ?? 0)
  if (client.kind === 'tcp') return { host: client.host, port: client.port ?? (port > 0 ? port : defaultPort) }
  if (words['port'] === undefined) return null
  if (words['skip_networking'] === 'ON') return { closed: closed('skip_networking is ON') }
  if (port === 0) return { closed: closed('port is 0') }
  const bound = (words['bind_address'] ?? '').split(',').map((one) => one.trim())
  if (bound.some((one) => everywhere.includes(one))) {
    const [host] = own
    return host === undefined ? null : { host, port }
  }
  const host = bound.find((one) => !isLoopback(one))
  return host === undefined ? { closed: closed('bind_address is an address of this host alone') } : { host, port }
}

/** Whether an address is reached from its own host alone. */
export const isLoopback = (host: string): boolean => /^(127\.|::1$|localhost$|::ffff:127\.)/i.test(host)

const defaultPort = 3306

/** Clients cannot come in. */
export const closed = (text: string): Failure => ({ code: 'closed-to-clients', text, fatal: false })

/**
 * What a login there that failed says of clients: a user that is not let in, or that has used up what it may have, says
 * nothing, since clients have users of their own.
 */
export const closedBy = (failure: Failure, where: string): Failure | null => {
  if (isOwnLimit(failure)) return null
  switch (failure.code) {
    case 'connection-refused':
    case 'unreachable':
      return { ...failure, code: 'closed-to-clients', text: `${where}: ${failure.text}` }
    case 'connection-lost':
    case 'timeout':
    case 'too-many-connections':
    case 'host-blocked':
      return { ...failure, text: `${where}: ${failure.text}` }
    default:
      return null
  }
}
