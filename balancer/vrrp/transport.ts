// The advertisements of one virtual router on the wire: its raw socket, and what comes in through it.

import { type Outcome, refused } from '../os/outcome.ts'
import { openRawSocket } from '../os/raw-socket.ts'
import {
  type Advertisement,
  type DropReason,
  decodeAdvertisement,
  encodeAdvertisement,
  vrrpGroup,
  vrrpProtocol,
  vrrpTtl,
} from './core/advertisement.ts'

const internetworkControl = 0xc0

/** `advertisement` is what this host sends, its priority aside; `address` is the source it sends from. */
export type TransportOptions = {
  readonly interface: { readonly name: string; readonly index: number }
  readonly address: string
  readonly advertisement: Advertisement
  readonly onHeard: (from: string, advertisement: Advertisement) => void
  readonly onDropped: (from: string, reason: DropReason, found: string) => void
  /** The socket is gone. */
  readonly onFailure: (text: string) => void
}

/** The open wire. */
export type Transport = {
  readonly send: (priority: number) => Outcome
  /** Hears what waits in the kernel now. */
  readonly receive: () => void
  readonly close: () => void
}

/** Opens the wire of one virtual router: multicast on one interface (RFC 9568 section 5.1). */
export const openTransport = (options: TransportOptions): Outcome<Transport> => {
  const { address, advertisement } = options
  const socket = openRawSocket({
    protocol: vrrpProtocol,
    interface: options.interface,
    address,
    group: vrrpGroup,
    ttl: vrrpTtl,
    tos: internetworkControl,
    onPacket: (packet) => {
      const decoded = decodeAdvertisement(packet, { ...advertisement, password: null })
      if (decoded.source === address) return
      if (decoded.ok) options.onHeard(decoded.source, decoded.advertisement)
      else options.onDropped(decoded.source, decoded.reason, decoded.found)
    },
    onFailure: options.onFailure,
  })
  if (!socket.ok) return refused(socket.code, socket.text)
  const wire = { source: address, destination: vrrpGroup, password: null, pseudoHeader: true }
  return {
    ok: true,
    value: {
      send: (priority) => socket.value.send(encodeAdvertisement({ ...advertisement, priority }, wire), vrrpGroup),
      receive: socket.value.receive,
      close: socket.value.close,
    },
  }
}
