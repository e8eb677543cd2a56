// The Ethernet frame that asks for a neighbour of IPv6 and tells it who asks. The kernel asks unbidden from its link-local address only:
// whoever had this host under another MAC address, such as that of a card before, would go on answering there for up to a minute.

import { addressBytes } from '../../../core/ip-address.ts'
import { checksum, frameOf } from '../../core/tcp-packet.ts'

/** Who asks, and who is asked for; MAC addresses of 6 bytes. `mac` of the neighbour: null, all that may have the address are asked. */
export type Solicitation = {
  readonly own: { readonly mac: Uint8Array; readonly address: string }
  readonly neighbour: { readonly mac: Uint8Array | null; readonly address: string }
}

const icmpv6 = 58
const neighbourSolicitation = 135
const sourceLinkLayerAddress = [1, 1]
const highestHopLimit = 255
/** RFC 4291 section 2.7.1, and RFC 2464 section 7: behind each come bytes of the address. */
const [solicitedNode, multicastMac] = [addressBytes('ff02::1:ff00:0').slice(0, 13), [0x33, 0x33]]

/** RFC 4861 sections 4.3 and 7.2.2; who hears it takes its source for the address at this MAC (section 7.2.3). */
export const solicitationFrame = ({ own, neighbour }: Solicitation): Uint8Array => {
  const target = addressBytes(neighbour.address)
  const everyone = Uint8Array.from([...solicitedNode, ...target.slice(13)])
  const source = Uint8Array.from(addressBytes(own.address))
  const destination = neighbour.mac === null ? everyone : Uint8Array.from(target)
  const message = Uint8Array.from([
    ...[neighbourSolicitation, 0, 0, 0, 0, 0, 0, 0],
    ...[...target, ...sourceLinkLayerAddress, ...own.mac],
  ])
  const sum = checksum(source, destination, Uint8Array.of(0, icmpv6, 0, message.length), message)
  message.set([sum >> 8, sum & 0xff], 2)
  const header = [0x60, 0, 0, 0, 0, message.length, icmpv6, highestHopLimit]
  return frameOf(Uint8Array.from([...header, ...source, ...destination, ...message]), {
    from: own.mac,
    to: neighbour.mac ?? Uint8Array.from([...multicastMac, ...everyone.slice(12)]),
  })
}
