// What an address is good for: most can belong to a host, some never do.

import { addressBytes, bitsOf, familyOf, isMapped } from './ip-address.ts'

/** Why an address cannot be that of a host which others reach; null for one that can. */
export const whyNoHost = (address: string): string | null =>
  familyOf(address) === 'ipv4' ? whyNoHost4(addressBytes(address)) : whyNoHost6(addressBytes(address))

/** Whether an address stands for every address of a host. */
export const isUnspecified = (address: string): boolean => addressBytes(address).every((byte) => byte === 0)

/** Whether an address never leaves its host. */
export const isLoopback = (address: string): boolean =>
  familyOf(address) === 'ipv4' ? address.startsWith('127.') : isLoopback6(addressBytes(address))

/** RFC 6890 and RFC 1112: the blocks that hold no host. */
const whyNoHost4 = (bytes: readonly number[]): string | null => {
  const [first = 0] = bytes
  if (bytes.every((byte) => byte === 0)) return 'stands for every address of a host'
  if (first === 0) return 'is reserved (0.0.0.0/8)'
  if (first === 127) return 'is a loopback address and never leaves its host'
  if (first >= 224 && first < 240) return 'is a multicast address'
  if (bytes.every((byte) => byte === 255)) return 'is the broadcast address'
  return first >= 240 ? 'is reserved (240.0.0.0/4)' : null
}

const whyNoHost6 = (bytes: readonly number[]): string | null => {
  if (bytes.every((byte) => byte === 0)) return 'stands for every address of a host'
  if (isLoopback6(bytes)) return 'is the loopback address and never leaves its host'
  if (bytes[0] === 0xff) return 'is a multicast address'
  return isMapped(bytes) ? 'is an IPv4 address in the form of IPv6' : null
}

const isLoopback6 = (bytes: readonly number[]): boolean => bytes.every((byte, i) => byte === (i === 15 ? 1 : 0))

/** The bits of an address behind its prefix: all zero in that of the network, all one in the broadcast address. */
const hostBits = (address: string, prefixLength: number): readonly number[] =>
  addressBytes(address).flatMap((byte, i) =>
    Array.from({ length: 8 }, (_, bit) => ({ at: i * 8 + bit, value: (byte >> (7 - bit)) & 1 }))
      .filter(({ at }) => at >= prefixLength)
      .map(({ value }) => value),
  )

/** Whether nothing is set behind the prefix: the address is that of the network itself. */
export const isNetwork = (address: string, prefixLength: number): boolean =>
  hostBits(address, prefixLength).every((bit) => bit === 0)

/** Why no host of its network can have an address: it is the network's own, or its broadcast address; null where one can. */
export const whyNotInNetwork = (address: string, prefixLength: number): string | null => {
  // RFC 3021 and RFC 6164: in the smallest networks every address is one of a host.
  if (bitsOf(familyOf(address)) - prefixLength < 2) return null
  if (isNetwork(address, prefixLength)) return `is the address of the network ${address}/${prefixLength} itself`
  const isBroadcast = familyOf(address) === 'ipv4' && hostBits(address, prefixLength).every((bit) => bit === 1)
  return isBroadcast ? `is the broadcast address of its network (/${prefixLength})` : null
}

/** Whether an address lies in the network of another. */
export const isWithin = (address: string, network: string, prefixLength: number): boolean => {
  if (familyOf(address) !== familyOf(network)) return false
  const other = addressBytes(network)
  return addressBytes(address).every((byte, i) => {
    const bits = Math.min(8, Math.max(0, prefixLength - i * 8))
    return byte >> (8 - bits) === (other[i] ?? 0) >> (8 - bits)
  })
}
