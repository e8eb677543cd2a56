// Whose sessions an order ends, and when each of them ends by it.

import { loginMillis } from '../../core/planned-server.ts'
import { flowKey } from './flow-key.ts'

/**
 * What is to be known of a flow (see flow-book.ts): its key in the map, and the number of its server. It began after `begunAfter`, when
 * it was not there yet, and at the latest at `begunBy`, when it was first seen; both are moments of the caller's clock, -Infinity
 * for what was there at the first look. It leaves the map at `expiresAt`.
 */
export type EndingFlow = {
  readonly key: Uint8Array
  readonly number: number
  readonly state: 'attempt' | 'live' | 'closing' | 'ended'
  readonly begunAfter: number
  readonly begunBy: number
  readonly expiresAt: number
}

/**
 * Whose sessions end: of a server by its number, of a client with this address, and with this port; null is all. Those that began
 * at `begunBefore` or earlier; Infinity is all there are.
 */
export type Ending = {
  readonly server: number | null
  readonly client: ClientToEnd | null
  readonly begunBefore: number
}

/** A client as an operator names it; a null `port` is all of that address. */
export type ClientToEnd = { readonly address: string; readonly port: number | null }

const largestPort = 65_535

/**
 * When a flow ends by an order that is carried out at `at`: then, or later, or never. One that may have begun before `begunBefore` or
 * after it has the time for a login from when it was first seen. `slack`: so much earlier than `begunAfter` it may have begun.
 */
export const endsAt = (
  flow: EndingFlow,
  { server, client, begunBefore }: Ending,
  at: number,
  slack = 0,
): number | null => {
  // Who says goodbye needs nobody to tell it, and its port may be another session's in a moment. Who has only asked asks again, and by
  // the time of the mark may have a session with another server; one that this server has answered meanwhile is found by the next look.
  if (flow.state !== 'live') return null
  if (server !== null && flow.number !== server) return null
  if (client !== null && !isOf(flow, client)) return null
  if (flow.begunBy <= begunBefore) return at
  if (flow.begunAfter - slack > begunBefore) return null
  return Math.max(at, flow.begunBy + loginMillis)
}

/** Where a key has its port depends on the family (flow-key.ts): it is what a key without one has not. */
const isOf = ({ key }: EndingFlow, { address, port }: ClientToEnd): boolean => {
  const wanted = flowKey({ address, port: port ?? 0 })
  if (wanted.length !== key.length) return false
  const ports = flowKey({ address, port: largestPort })
  return key.every((byte, i) => byte === wanted[i] || (port === null && ports[i] !== wanted[i]))
}
