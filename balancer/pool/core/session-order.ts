// The order that an operator gives with `balancer sessions end LISTENER/SERVER|CLIENT`, and what came of it.

import * as z from 'zod'
import { endpointText, plainAddress } from '../../core/endpoint.ts'
import type { ChangeLine } from './server-change.ts'

/** What programs of every version understand of `SessionsToEnd`. */
export const sessionsToEndSchema = z.discriminatedUnion('by', [
  z.object({ by: z.literal('server'), listener: z.string(), server: z.string() }),
  z.object({ by: z.literal('client'), address: z.string(), port: z.number().nullable() }),
])

/**
 * Whose sessions end: those that one server has of one listener, or those of one client, whichever listener and server they are
 * of. `address` is in the one text of RFC 5952; without a `port` all of that address are meant.
 */
export type SessionsToEnd = z.output<typeof sessionsToEndSchema>

/** See `SessionsEnded`. */
export const sessionsEndedSchema = z.object({
  ended: z
    .array(z.object({ listener: z.string(), server: z.string().nullable(), sessions: z.number() }).readonly())
    .readonly(),
  troubles: z.array(z.string()).readonly(),
})

/**
 * How many sessions have ended where, nothing for what has none; `server` is null for clients that waited for one. `troubles`
 * say, a sentence each, why others that were meant may go on.
 */
export type SessionsEnded = z.output<typeof sessionsEndedSchema>

/** Whose sessions end; or what is wrong with the words. */
export type SessionOrder =
  | { readonly ok: true; readonly end: SessionsToEnd }
  | { readonly ok: false; readonly text: string }

const usage =
  'write: sessions end LISTENER/SERVER, or sessions end CLIENT, for example: mysql/db1, 192.0.2.7, 192.0.2.7:40112, [2001:db8::7]:40112'
const largestPort = 65_535

/**
 * Reads the words after `sessions`. `addressOf` gives an IP address in its one text, undefined for what is none. What has a slash
 * is a server; an IPv6 address with a port stands in brackets.
 */
export const parseSessionOrder = (
  words: readonly string[],
  addressOf: (text: string) => string | undefined,
): SessionOrder => {
  const [word, target = '', ...rest] = words
  const refuse = (text: string): SessionOrder => ({ ok: false, text })
  if (word !== 'end' || target === '' || rest.length > 0) return refuse(usage)
  const [listener = '', server = '', ...more] = target.split('/')
  if (target.includes('/')) {
    if (listener === '' || server === '' || more.length > 0) return refuse(usage)
    return { ok: true, end: { by: 'server', listener, server } }
  }
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(target) ?? []
  const address = addressOf(bracketed ?? plain ?? target)
  const port = digits === undefined ? null : Number(digits)
  if (address === undefined) return refuse(`${target} is neither LISTENER/SERVER nor an address of a client; ${usage}`)
  if (port !== null && (port === 0 || port > largestPort)) return refuse(`a port is 1 to ${largestPort}; ${usage}`)
  // A client of IPv4 is one, whichever socket it came through.
  return { ok: true, end: { by: 'client', address: plainAddress(address), port } }
}

/** What several have answered, as one answer: each place once, troubles as they are. */
export const mergeEnded = (answers: readonly SessionsEnded[]): SessionsEnded => {
  const places = new Map<string, SessionsEnded['ended'][number]>()
  for (const one of answers.flatMap(({ ended }) => ended)) {
    const key = `${one.listener}/${one.server ?? ''}`
    const sessions = one.sessions + (places.get(key)?.sessions ?? 0)
    if (sessions > 0) places.set(key, { ...one, sessions })
  }
  return { ended: [...places.values()], troubles: answers.flatMap(({ troubles }) => troubles) }
}

/** How many ended in all. */
export const endedCount = ({ ended }: SessionsEnded): number => ended.reduce((sum, { sessions }) => sum + sessions, 0)

/** What is told to the operator: `12 sessions ended on mysql/db1`, `198.18.1.5 has no session here`. */
export const describeEnded = (end: SessionsToEnd, result: SessionsEnded): string => {
  const count = endedCount(result)
  if (count === 0) return `${nameOf(end)} has no session here`
  const what = count === 1 ? '1 session' : `${count} sessions`
  return end.by === 'server'
    ? `${what} ended on ${nameOf(end)}`
    : `${what} of ${nameOf(end)} ended: ${placesOf(result)}`
}

/** What to log when somebody has ended sessions. */
export const describeOrderedEnd = (end: SessionsToEnd, result: SessionsEnded, by: string): ChangeLine => ({
  level: 'warn',
  text: `By order of ${by} ${describeEnded(end, result)}`,
  fields: { by, order: `sessions end ${nameOf(end)}`, ended: result.ended },
})

const placesOf = ({ ended }: SessionsEnded): string =>
  ended
    .map(({ listener, server, sessions }) =>
      server === null ? `${sessions} in the queue of ${listener}` : `${sessions} on ${listener}/${server}`,
    )
    .join(', ')

const nameOf = (end: SessionsToEnd): string =>
  end.by === 'server'
    ? `${end.listener}/${end.server}`
    : end.port === null
      ? end.address
      : endpointText({ address: end.address, port: end.port })
