// How the two sides of an ended session are reached: the client from the address that it asked for, the server as if its client
// spoke. Each answers with the number it expects, and that answer comes through the rules of this host.

import type { Endpoint } from '../../../core/endpoint.ts'
import { addressBytes } from '../../../core/ip-address.ts'
import type { EndedFlow } from '../../resets/core/reset-queue.ts'
import type { Client } from './ending.ts'

/** Where a server is: on this host, or a neighbour behind an interface of this host; Ethernet addresses as `02:00:00:00:00:01`. */
export type ServerPlace = {
  readonly address: string
  readonly port: number
  readonly path:
    | { readonly kind: 'here' }
    | { readonly kind: 'link'; readonly device: string; readonly from: string; readonly mac: string }
    | null
}

/** What both have to hear; undefined server: nobody knows where it is. */
export const wakeUp = (bind: Endpoint, client: Client, server: ServerPlace | undefined): EndedFlow => {
  const address = Uint8Array.from(addressBytes(bind.address))
  const asServer = { address, port: bind.port }
  return {
    key: Uint8Array.of(...address, ...portBytes(bind.port), ...client.address, ...portBytes(client.port)),
    toClient: { ...between(asServer, client), isAnswer: true },
    toServer: toServer(asServer, client, server),
  }
}

const toServer = (bind: Client, client: Client, server: ServerPlace | undefined): EndedFlow['toServer'] => {
  const path = server?.path ?? null
  if (server === undefined || path === null) return null
  if (path.kind === 'link') {
    const { device, from, mac } = path
    return { ...between(client, bind), link: { device, from: etherBytes(from), to: etherBytes(mac) } }
  }
  // Its sessions have the port that they were redirected to, and what is forged here passes no redirection.
  const itself = { address: Uint8Array.from(addressBytes(server.address)), port: server.port }
  return between(client, server.port === bind.port ? bind : itself)
}

const between = (from: Client, to: Client) => ({
  source: from.address,
  sourcePort: from.port,
  destination: to.address,
  destinationPort: to.port,
})

const portBytes = (port: number): readonly number[] => [port >> 8, port & 0xff]
const etherBytes = (text: string): Uint8Array => Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16))
