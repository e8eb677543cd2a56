// The packet that has the other side of a forgotten session speak up. Its kernel answers a SYN in the middle of a session with a
// challenge ACK (RFC 5961 section 4.2), which meets nothing here, so that this host's own stack resets it with the right number.

/**
 * Who seems to speak, and to whom; addresses of 4 or 16 bytes. `isAnswer`: it has the form of a SYN-ACK, which is answered in the
 * same way (there: irrespective of its sequence number). To whoever began the session it passes a firewall on the way that knows the
 * session, where a SYN in that direction is invalid (nf_conntrack_proto_tcp.c: sIG and sIV), and one who just begins a new one
 * refuses it and asks again, where a SYN would be a simultaneous open (RFC 9293 section 3.5).
 * `link`: it goes to this neighbour as a frame, whatever the routes say; else as any packet of this host.
 */
export type ForgedSyn = {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
  readonly isAnswer?: boolean
  readonly link?: Link
}

/** The way to a neighbour: the interface of this host, and both Ethernet addresses of 6 bytes. */
export type Link = { readonly device: string; readonly from: Uint8Array; readonly to: Uint8Array }

/**
 * The mark of these packets (SO_MARK), by which the rules keep them out of connection tracking: they would leave an entry behind
 * that the client's next session meets.
 */
export const forgedMark = 0xb1fe0001

const tcp = 6
const tcpBytes = 20
const [ipv4Bytes, ipv6Bytes] = [20, 40]
const hopLimit = 64
const synFlag = 0x02
const ackFlag = 0x10
const window = 1024
const doNotFragment = 0x4000

/** A whole IP packet. `sequence` is any number, and what is acknowledged too: the answer does not depend on them. */
export const forgedSyn = (syn: ForgedSyn, sequence: number): Uint8Array => {
  const isIpv4 = syn.source.length === 4
  const header = isIpv4 ? ipv4Header(syn) : ipv6Header(syn)
  const segment = new Uint8Array(tcpBytes)
  const view = new DataView(segment.buffer)
  view.setUint16(0, syn.sourcePort)
  view.setUint16(2, syn.destinationPort)
  view.setUint32(4, sequence)
  segment[12] = (tcpBytes / 4) << 4
  segment[13] = syn.isAnswer ? synFlag | ackFlag : synFlag
  if (syn.isAnswer) view.setUint32(8, ~sequence >>> 0)
  view.setUint16(14, window)
  // Of both families: the addresses, then length and protocol, which sum up alike.
  view.setUint16(16, checksum(syn.source, syn.destination, Uint8Array.of(0, tcp, 0, tcpBytes), segment))
  const packet = new Uint8Array(header.length + tcpBytes)
  packet.set(header)
  packet.set(segment, header.length)
  return packet
}

const [etherIpv4, etherIpv6] = [0x0800, 0x86dd]

/** The Ethernet frame of a packet (IEEE 802.3). */
export const frameOf = (packet: Uint8Array, { from, to }: Link): Uint8Array => {
  const type = (packet[0] ?? 0) >> 4 === 4 ? etherIpv4 : etherIpv6
  return Uint8Array.of(...to, ...from, type >> 8, type & 0xff, ...packet)
}

/** RFC 791 section 3.1. */
const ipv4Header = ({ source, destination }: ForgedSyn): Uint8Array => {
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
const ipv6Header = ({ source, destination }: ForgedSyn): Uint8Array => {
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
const checksum = (...parts: readonly Uint8Array[]): number => {
  let sum = 0
  for (const part of parts) for (let i = 0; i < part.length; i += 2) sum += ((part[i] ?? 0) << 8) | (part[i + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}
