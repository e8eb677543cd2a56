// Addresses as the calls of the C library take them: ip(7), ipv6(7).

import type { Endpoint } from '../core/endpoint.ts'
import { addressBytes, type Family, familyOf } from '../core/ip-address.ts'

/** AF_INET and AF_INET6. */
export const domains: Readonly<Record<Family, number>> = { ipv4: 2, ipv6: 10 }

/** struct sockaddr_in or struct sockaddr_in6. */
export const socketAddress = ({ address, port }: Endpoint): Uint8Array => {
  const family = familyOf(address)
  const bytes = new Uint8Array(family === 'ipv4' ? 16 : 28)
  bytes.set(new Uint8Array(Uint16Array.of(domains[family]).buffer))
  bytes.set([port >> 8, port & 0xff], 2)
  // Behind the port of the latter stands its flow information, 32 bits.
  bytes.set(addressBytes(address), family === 'ipv4' ? 4 : 8)
  return bytes
}
