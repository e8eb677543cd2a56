// Addresses as the calls of the C library take them: ip(7), ipv6(7), unix(7), packet(7), netlink(7).

import type { Endpoint } from '../core/endpoint.ts'
import { addressBytes, familyOf } from '../core/ip-address.ts'
import { halves, words } from './host-order.ts'

/** AF_*: the numbers of address families, in structures of the kernel too. */
export const domains = { unix: 1, ipv4: 2, ipv6: 10, netlink: 16, packet: 17 } as const

/** struct sockaddr_in or struct sockaddr_in6. */
export const socketAddress = ({ address, port }: Endpoint): Uint8Array => {
  const family = familyOf(address)
  const bytes = new Uint8Array(family === 'ipv4' ? 16 : 28)
  bytes.set(halves(domains[family]))
  bytes.set([port >> 8, port & 0xff], 2)
  // Behind the port of the latter stands its flow information, 32 bits.
  bytes.set(addressBytes(address), family === 'ipv4' ? 4 : 8)
  return bytes
}

/** struct sockaddr_un: a path with its zero at the end; a leading @ stands for the abstract namespace, whose names have none. */
export const unixAddress = (path: string): Uint8Array =>
  Buffer.concat([halves(domains.unix), Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`)])

/** struct sockaddr_ll: an interface, and the protocol whose frames are heard there (ETH_P_*); 0 hears none. */
export const linkAddress = (interfaceIndex: number, protocol: number): Uint8Array => {
  const bytes = new Uint8Array(20)
  bytes.set(halves(domains.packet))
  bytes.set([protocol >> 8, protocol & 0xff], 2)
  bytes.set(words(interfaceIndex), 4)
  return bytes
}

/** struct sockaddr_nl: the kernel, and the groups to be heard, a bit for each. */
export const netlinkAddress = (groups: number): Uint8Array => {
  const bytes = new Uint8Array(12)
  bytes.set(halves(domains.netlink))
  bytes.set(words(groups), 8)
  return bytes
}
