// IP around an advertisement: the header that is sent, and the one that is read.

import { addressBytes, addressText, bitsOf, type Family, familyOf } from '../../core/ip-address.ts'

/** IP protocol number of VRRP. */
export const vrrpProtocol = 112
/** Destination of every multicast advertisement (RFC 9568 sections 5.1.1.2 and 5.1.2.2). */
export const vrrpGroup: Readonly<Record<Family, string>> = { ipv4: '224.0.0.18', ipv6: 'ff02::12' }
/** TTL or hop limit of an advertisement: it proves that no router forwarded it. */
export const vrrpTtl = 255

/**
 * A payload of IP with what its header says. `isFar`: it came with a lower TTL or hop limit than is allowed here; `isOnLink`:
 * it was surely sent on this link, since no router forwarded it.
 */
export type Datagram = {
  readonly source: string
  readonly destination: string
  readonly isFar: boolean
  readonly isOnLink: boolean
  readonly payload: Uint8Array
}

const internetworkControl = 0xc0
const ipv4Header = 20
const ipv6Header = 40

/** A whole IP packet around a payload. */
export const ipPacket = (payload: Uint8Array, source: string, destination: string): Uint8Array => {
  const length = familyOf(source) === 'ipv4' ? ipv4Header : ipv6Header
  const packet = new Uint8Array(length + payload.length)
  const view = new DataView(packet.buffer)
  if (length === ipv4Header) {
    view.setUint8(0, (4 << 4) | (ipv4Header / 4))
    view.setUint8(1, internetworkControl)
    view.setUint16(2, packet.length)
    view.setUint8(8, vrrpTtl)
    view.setUint8(9, vrrpProtocol)
  } else {
    view.setUint16(0, (6 << 12) | (internetworkControl << 4))
    view.setUint16(4, payload.length)
    view.setUint8(6, vrrpProtocol)
    view.setUint8(7, vrrpTtl)
  }
  const addresses = [...addressBytes(source), ...addressBytes(destination)]
  packet.set(addresses, length - addresses.length)
  if (length === ipv4Header) view.setUint16(10, 0xffff - onesSum(packet.subarray(0, length), 0))
  packet.set(payload, length)
  return packet
}

/** Reads an IPv4 packet, header included; null when it is none or not VRRP. */
export const readIpv4Packet = (packet: Uint8Array, minimumTtl: number): Datagram | null => {
  if (packet.length < ipv4Header) return null
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  const header = (view.getUint8(0) & 0x0f) * 4
  const total = view.getUint16(2)
  const isSound =
    view.getUint8(0) >> 4 === 4 &&
    header >= ipv4Header &&
    total >= header &&
    total <= packet.length &&
    view.getUint8(9) === vrrpProtocol
  if (!isSound) return null
  return {
    source: addressText(packet.subarray(12, 16)),
    destination: addressText(packet.subarray(16, 20)),
    isFar: view.getUint8(8) < minimumTtl,
    isOnLink: view.getUint8(8) === vrrpTtl,
    payload: packet.subarray(header, total),
  }
}

/** The Ethernet frame around an IP packet to the VRRP group, as a virtual MAC address sends it (RFC 9568 section 7.3). */
export const multicastFrame = (mac: readonly number[], packet: Uint8Array, family: Family): Uint8Array =>
  Uint8Array.from([...groupMac[family], ...mac, ...etherType[family], ...packet])

const groupMac = { ipv4: [0x01, 0x00, 0x5e, 0, 0, 0x12], ipv6: [0x33, 0x33, 0, 0, 0, 0x12] } as const
const etherType = { ipv4: [0x08, 0x00], ipv6: [0x86, 0xdd] } as const

/** The MAC address of a virtual router (RFC 9568 section 7.3). */
export const virtualMac = (family: Family, virtualRouterId: number): readonly number[] => [
  0,
  0,
  0x5e,
  0,
  family === 'ipv4' ? 1 : 2,
  virtualRouterId,
]

/** One's complement sum of RFC 1071 over an even number of bytes. */
export const onesSum = (bytes: ArrayLike<number>, start: number): number => {
  let sum = start
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)
    sum = (sum & 0xffff) + (sum >>> 16)
  }
  return sum
}

/** The bytes of an address of a family. */
export const addressLength = (family: Family): number => bitsOf(family) / 8
