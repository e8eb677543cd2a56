// Frames of TCP segments as a client would send them to a balancer, for an interface of this host.

import { addressBytes, familyOf } from '../../../../balancer/core/ip-address.ts'
import { openNetlink } from '../../../../balancer/os/netlink.ts'
import { openPacketSocket } from '../../../../balancer/os/packet-socket.ts'

/** Bits of the TCP header (RFC 9293 section 3.1). */
export const tcpFlags = { fin: 0x01, syn: 0x02, rst: 0x04, ack: 0x10 } as const

type Segment = { readonly address: string; readonly port: number; readonly flags: number; readonly to: string }

/** An Ethernet frame for 02:00:00:00:00:02, with checksums of zero: the rules look at none. */
const flowFrame = ({ address, port, flags, to }: Segment): Uint8Array => {
  const isIpv4 = familyOf(address) === 'ipv4'
  const ip = isIpv4
    ? [0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, ...addressBytes(address), ...addressBytes(to)]
    : [0x60, 0, 0, 0, 0, 20, 6, 64, ...addressBytes(address), ...addressBytes(to)]
  const tcp = [port >> 8, port & 0xff, 3306 >> 8, 3306 & 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 4, 0, 0, 0, 0, 0]
  const ethernet = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...(isIpv4 ? [0x08, 0x00] : [0x86, 0xdd])]
  return Uint8Array.from([...ethernet, ...ip, ...tcp])
}

/** Sends segments out of an interface of this network namespace; throws what the system says. */
export const flowSender = async (interfaceName: string): Promise<(segment: Segment) => void> => {
  const netlink = openNetlink()
  const found = await netlink.findInterface(interfaceName)
  netlink.close()
  const opened = openPacketSocket()
  if (!found.ok || !opened.ok) throw new Error(`cannot send out of ${interfaceName}`)
  const [{ index }, socket] = [found.value, opened.value]
  return (segment) => {
    const sent = socket.send(index, flowFrame(segment))
    if (!sent.ok) throw new Error(sent.text)
  }
}
