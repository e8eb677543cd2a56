// By which interfaces the network of an address is reached: whose ARP has to be silent about it.

import { isIpv6 } from './entry.ts'

/** A route of IPv4. Network and mask are unsigned numbers. */
export type Route = { readonly device: string; readonly network: number; readonly mask: number }

const isUp = 0x1
const isRejected = 0x200

/** Reads /proc/net/route: one line a route, numbers of 32 bits in the byte order of a little-endian host. */
export const parseRoutes = (text: string): readonly Route[] =>
  text
    .split('\n')
    .slice(1)
    .flatMap((line): readonly Route[] => {
      const [device = '', network = '', , flags = '', , , , mask = ''] = line.split('\t').map((word) => word.trim())
      const bits = Number.parseInt(flags, 16)
      if (!/^[0-9A-F]{8}$/.test(network) || !/^[0-9A-F]{8}$/.test(mask)) return []
      if ((bits & isUp) === 0 || (bits & isRejected) !== 0 || device === 'lo') return []
      return [{ device, network: swapped(network), mask: swapped(mask) }]
    })

const swapped = (hex: string): number => Number.parseInt((hex.match(/../g) ?? []).reverse().join(''), 16)

/**
 * The interfaces of the most specific routes to an IPv4 address, and `all` where there is no route: then nobody knows where
 * somebody may ask for it. An IPv6 address on lo is not answered for on another interface (RFC 4861 section 7.2.3).
 */
export const devicesTo = (address: string, routes: readonly Route[], all: readonly string[]): readonly string[] => {
  if (isIpv6(address)) return []
  const target = address.split('.').reduce((number, byte) => number * 256 + Number(byte), 0)
  const matching = routes.filter(({ network, mask }) => (target & mask) >>> 0 === network)
  const longest = Math.max(...matching.map(({ mask }) => mask))
  return matching.length === 0
    ? all
    : [...new Set(matching.filter(({ mask }) => mask === longest).map(({ device }) => device))]
}
