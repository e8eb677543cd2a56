// Echo of ICMP and ICMPv6 (RFC 792, RFC 4443 section 4) over one raw socket of each for the whole process: requests out,
// answers matched by identifier, number and token.

import { randomBytes } from 'node:crypto'
import { plainAddress } from '../core/endpoint.ts'
import type { Family } from '../core/ip-address.ts'
import { done, type Outcome } from './outcome.ts'
import { openHostSocket } from './raw-socket.ts'

/** Sends echoes. `onAnswer` is called at most once, never before `ping` returns; the returned function forgets it. */
export type Pinger = {
  readonly ping: (address: string, onAnswer: (outcome: Outcome) => void) => () => void
  readonly close: () => void
}

/** IP protocol, types of messages, and whether the kernel delivers the IP header too (raw(7), RFC 3542 section 3). */
const kinds = {
  ipv4: { protocol: 1, echoRequest: 8, echoReply: 0, hasIpHeader: true },
  ipv6: { protocol: 58, echoRequest: 128, echoReply: 129, hasIpHeader: false },
} as const
const headerBytes = 8
const tokenBytes = 8
const lastNumber = 0xffff

/** Opens the socket of one family; needs CAP_NET_RAW. */
export const openPinger = (family: Family): Outcome<Pinger> => {
  const { protocol, echoRequest, echoReply, hasIpHeader } = kinds[family]
  const identifier = process.pid & lastNumber
  // A stranger who guesses identifier and number still cannot answer for a dead host.
  const token = randomBytes(tokenBytes)
  const waiting = new Map<number, { readonly address: string; readonly onAnswer: (outcome: Outcome) => void }>()
  let number = 0

  const onPacket = (packet: Uint8Array, source: string): void => {
    const bytes = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength)
    const start = hasIpHeader ? ((bytes[0] ?? 0) & 0x0f) * 4 : 0
    if (bytes.length < start + headerBytes + tokenBytes || bytes[start] !== echoReply) return
    if (bytes.readUInt16BE(start + 4) !== identifier) return
    if (!bytes.subarray(start + headerBytes, start + headerBytes + tokenBytes).equals(token)) return
    const answered = bytes.readUInt16BE(start + 6)
    const asked = waiting.get(answered)
    if (asked?.address !== plainAddress(source)) return
    waiting.delete(answered)
    asked.onAnswer(done)
  }
  const socket = openHostSocket({ family, protocol, wanted: family === 'ipv6' ? echoReply : null, onPacket })
  if (!socket.ok) return socket

  const ping: Pinger['ping'] = (address, onAnswer) => {
    number = (number + 1) & lastNumber
    const asked = number
    waiting.set(asked, { address, onAnswer })
    const sent = socket.value.send(echo(echoRequest, identifier, asked, token), address)
    if (!sent.ok) setImmediate(() => waiting.delete(asked) && onAnswer(sent))
    return () => void waiting.delete(asked)
  }
  return { ok: true, value: { ping, close: socket.value.close } }
}

const echo = (type: number, identifier: number, number: number, token: Buffer): Buffer => {
  const packet = Buffer.alloc(headerBytes + tokenBytes)
  packet[0] = type
  packet.writeUInt16BE(identifier, 4)
  packet.writeUInt16BE(number, 6)
  token.copy(packet, headerBytes)
  packet.writeUInt16BE(checksum(packet), 2)
  return packet
}

/** RFC 1071, over an even number of bytes. Of ICMPv6, where it takes in addresses too, the kernel puts its own in the place. */
const checksum = (bytes: Buffer): number => {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) sum += bytes.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
