// The packet that has the other side of a forgotten session speak up. Its kernel answers a SYN in the middle of a session with a
// challenge ACK (RFC 5961 section 4.2), which meets nothing here, so that this host's own stack resets it with the right number.

/** Who seems to speak, and to whom; addresses of 4 or 16 bytes. */
export type ForgedSyn = {
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
}

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
const window = 1024
const doNotFragment = 0x4000

/** A whole IP packet. `sequence` is any number: the answer does not depend on it. */
export const forgedSyn = (syn: ForgedSyn, sequence: number): Uint8Array => {
  const isIpv4 = syn.source.length === 4
  const header = isIpv4 ? ipv4Header(syn) : ipv6Header(syn)
  const segment = new Uint8Array(tcpBytes)
  const view = new DataView(segment.buffer)
  view.setUint16(0, syn.sourcePort)
  view.setUint16(2, syn.destinationPort)
  view.setUint32(4, sequence)
  segment[12] = (tcpBytes / 4) << 4
  segment[13] = synFlag
  view.setUint16(14, window)
  // Of both families: the addresses, then length and protocol, which sum up alike.
  view.setUint16(16, checksum(syn.source, syn.destination, Uint8Array.of(0, tcp, 0, tcpBytes), segment))
  const packet = new Uint8Array(header.length + tcpBytes)
  packet.set(header)
  packet.set(segment, header.length)
  return packet
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
