// TCP packets without data, and the Ethernet frames they go in: made for what no socket would send, and read from what none hears.

import { addressText } from '../../core/ip-address.ts'

/** A packet; addresses of 4 or 16 bytes. `hopLimit` is 64 unless given. */
export type TcpPacket = {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
  readonly sequence: number
  readonly acknowledgement: number
  readonly flags: number
  readonly hopLimit?: number
}

/** Where a frame comes from and goes to: Ethernet addresses of 6 bytes. */
export type FrameEnds = { readonly from: Uint8Array; readonly to: Uint8Array }

/** RFC 9293 section 3.1: control bits. */
export const tcpFlags = { fin: 0x01, syn: 0x02, rst: 0x04, ack: 0x10 } as const

const tcp = 6
const tcpBytes = 20
const [ipv4Bytes, ipv6Bytes] = [20, 40]
const usualHopLimit = 64
const window = 1024
const doNotFragment = 0x4000
const [etherIpv4, etherIpv6] = [0x0800, 0x86dd]
const etherBytes = 14

/** The whole IP packet. */
export const tcpPacket = (packet: TcpPacket): Uint8Array => {
  const { source, destination } = packet
  const header = source.length === 4 ? ipv4Header(packet) : ipv6Header(packet)
  const segment = new Uint8Array(tcpBytes)
  const view = new DataView(segment.buffer)
  view.setUint16(0, packet.sourcePort)
  view.setUint16(2, packet.destinationPort)
  view.setUint32(4, packet.sequence)
  view.setUint32(8, packet.acknowledgement)
  segment[12] = (tcpBytes / 4) << 4
  segment[13] = packet.flags
  view.setUint16(14, window)
  // Of both families: the addresses, then length and protocol, which sum up alike.
  view.setUint16(16, checksum(source, destination, Uint8Array.of(0, tcp, 0, tcpBytes), segment))
  const whole = new Uint8Array(header.length + tcpBytes)
  whole.set(header)
  whole.set(segment, header.length)
  return whole
}

/** The Ethernet frame of a packet (IEEE 802.3). */
export const frameOf = (packet: Uint8Array, { from, to }: FrameEnds): Uint8Array => {
  const type = (packet[0] ?? 0) >> 4 === 4 ? etherIpv4 : etherIpv6
  return Uint8Array.of(...to, ...from, type >> 8, type & 0xff, ...packet)
}

/** What a frame carries, with addresses as text; null where that is no whole TCP header behind an IP header. */
export type ReadFrame = {
  readonly from: Uint8Array
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  readonly acknowledgement: number
  readonly flags: number
}

/** Reads a frame. IPv6 with extension headers, and fragments of IPv4, are not read. */
export const readFrame = (frame: Uint8Array): ReadFrame | null => {
  if (frame.length < etherBytes + ipv4Bytes + tcpBytes) return null
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const type = view.getUint16(12)
  const isIpv4 = type === etherIpv4
  if (!isIpv4 && type !== etherIpv6) return null
  const protocol = frame[etherBytes + (isIpv4 ? 9 : 6)]
  const isPart = isIpv4 && (view.getUint16(etherBytes + 6) & 0x1fff) !== 0
  if (protocol !== tcp || isPart) return null
  const [size, sourceAt] = isIpv4 ? [4, 12] : [16, 8]
  const at = etherBytes + (isIpv4 ? ((frame[etherBytes] ?? 0) & 0x0f) * 4 : ipv6Bytes)
  if (frame.length < at + tcpBytes) return null
  const address = (offset: number): string => addressText(frame.subarray(offset, offset + size))
  return {
    from: frame.slice(6, 12),
    source: address(etherBytes + sourceAt),
    sourcePort: view.getUint16(at),
    destination: address(etherBytes + sourceAt + size),
    destinationPort: view.getUint16(at + 2),
    acknowledgement: view.getUint32(at + 8),
    flags: frame[at + 13] ?? 0,
  }
}

/** RFC 791 section 3.1. */
const ipv4Header = ({ source, destination, hopLimit = usualHopLimit }: TcpPacket): Uint8Array => {
  const header = new Uint8Array(ipv4Bytes)
  const view = new DataView(header.buffer)
  header[0] = 0x45
  view.setUint16(2, ipv4Bytes + tcpBytes)
  view.setUint16(6, doNotFragment)
  header[8] = hopLimit
  header[9] = tcp
  header.set(source, 12)
  header.set(destination, 16)
  view.setUint16(10, checksum(header))
  return header
}

/** RFC 8200 section 3. */
const ipv6Header = ({ source, destination, hopLimit = usualHopLimit }: TcpPacket): Uint8Array => {
  const header = new Uint8Array(ipv6Bytes)
  header[0] = 0x60
  header[5] = tcpBytes
  header[6] = tcp
  header[7] = hopLimit
  header.set(source, 8)
  header.set(destination, 24)
  return header
}

/** RFC 1071; every part has an even length. */
export const checksum = (...parts: readonly Uint8Array[]): number => {
  let sum = 0
  for (const part of parts) for (let i = 0; i < part.length; i += 2) sum += ((part[i] ?? 0) << 8) | (part[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}
