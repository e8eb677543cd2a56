// How the two sides of an ended session are reached: the client from the address that it asked for, the server as if its client
// spoke. Each answers with the number it expects, and that answer comes through the rules of this host.

import type { Endpoint } from '../../../core/endpoint.ts'
import { addressBytes } from '../../../core/ip-address.ts'
import type { EndedFlow } from '../../resets/core/reset-queue.ts'
import type { ServerPath } from './direct-listener.ts'
import { flowKey } from './flow-key.ts'

/** Where a server is. `from`: the Ethernet address of this host on the interface that leads to it, null where none does. */
export type ServerPlace = {
  readonly address: string
  readonly port: number
  readonly path: ServerPath | null
  readonly from: string | null
}

/** By what a session is known while its sides are told. */
export const wakeUpKey = (bind: Endpoint, client: Endpoint): Uint8Array =>
  Uint8Array.of(...addressBytes(bind.address), bind.port >> 8, bind.port & 0xff, ...flowKey(client))

/** What both have to hear; undefined server: nobody knows where it is. */
export const wakeUp = (bind: Endpoint, client: Endpoint, server: ServerPlace | undefined): EndedFlow => ({
  key: wakeUpKey(bind, client),
  toClient: { ...between(bind, client), isAnswer: true },
  toServer: toServer(bind, client, server),
})

const toServer = (bind: Endpoint, client: Endpoint, server: ServerPlace | undefined): EndedFlow['toServer'] => {
  if (server === undefined || server.path === null) return null
  if (server.path.kind === 'link') {
    const { device, mac } = server.path
    if (server.from === null) return null
    return { ...between(client, bind), link: { device, from: etherBytes(server.from), to: etherBytes(mac) } }
  }
  // What was redirected to another port finds its way as the session does. Else there may be no entry, and none shall begin.
  return { ...between(client, bind), isTracked: server.port !== bind.port }
}

const between = (from: Endpoint, to: Endpoint) => ({
  source: Uint8Array.from(addressBytes(from.address)),
  sourcePort: from.port,
  destination: Uint8Array.from(addressBytes(to.address)),
  destinationPort: to.port,
})

const etherBytes = (text: string): Uint8Array => Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16))
