// The advertisement on the wire: VRRP version 2 (RFC 3768 section 5) and version 3 for IPv4 (RFC 9568 section 5).
// Only this file knows that version 3 counts in centiseconds.

import { type Millis, millis } from '../../core/time.ts'
import { addressAt, addressBytes } from './ipv4.ts'

/** IP protocol number of VRRP. */
export const vrrpProtocol = 112
/** Destination of every multicast advertisement, RFC 9568 section 5.1.1.2. */
export const vrrpGroup = '224.0.0.18'
/** The only TTL an advertisement may arrive with: it proves that no router forwarded it. */
export const vrrpTtl = 255

/** Version of the protocol; both ends must use the same. */
export type ProtocolVersion = 2 | 3

/** What one advertisement says. Version 2 carries whole seconds (1 to 255 s), version 3 centiseconds (10 ms to 40.95 s). */
export type Advertisement = {
  readonly version: ProtocolVersion
  readonly virtualRouterId: number
  readonly priority: number
  readonly interval: Millis
  readonly addresses: readonly string[]
}

/** How an advertisement is to be written: its IP addresses, and what the two versions differ in. */
export type Wire = {
  readonly source: string
  readonly destination: string
  /** Version 2, authentication type PASS: up to 8 characters; null sends none. */
  readonly password: string | null
  /** Version 3: RFC 5798 and keepalived put a pseudo-header under the checksum, RFC 9568 does not. */
  readonly pseudoHeader: boolean
}

/** What this host expects of the advertisements of one virtual router. */
export type Expectation = Pick<Advertisement, 'version' | 'virtualRouterId' | 'interval'> & Pick<Wire, 'password'>

/** Why a packet was dropped, in the order of the checks (RFC 9568 section 7.1, RFC 3768 section 7.1). */
export const dropReasons = [
  'ip-header',
  'ttl',
  'version',
  'type',
  'length',
  'checksum',
  'vrid',
  'authentication',
  'count',
  'interval',
] as const
export type DropReason = (typeof dropReasons)[number]

/** The advertisement in a packet and who sent it, or why it was dropped and what was found. */
export type Decoded =
  | { readonly ok: true; readonly advertisement: Advertisement; readonly source: string }
  | { readonly ok: false; readonly reason: DropReason; readonly source: string; readonly found: string }

const headerLength = 8
const addressLength = 4
const authenticationLength = 8
const typeAdvertisement = 1
const authenticationNone = 0
const authenticationPass = 1
const centisecond = 10
const second = 1000
const intervalBits = 0x0fff

/** The payload of the IP packet that carries an advertisement. */
export const encodeAdvertisement = (advertisement: Advertisement, wire: Wire): Uint8Array => {
  const { version, virtualRouterId, priority, interval, addresses } = advertisement
  const bytes = new Uint8Array(messageLength(version, addresses.length))
  const view = new DataView(bytes.buffer)
  bytes.set([(version << 4) | typeAdvertisement, virtualRouterId, priority, addresses.length])
  if (version === 2) {
    bytes.set([wire.password === null ? authenticationNone : authenticationPass, Math.round(interval / second)], 4)
    bytes.set(passwordBytes(wire.password ?? ''), bytes.length - authenticationLength)
  } else {
    view.setUint16(4, Math.round(interval / centisecond))
  }
  bytes.set(addresses.flatMap(addressBytes), headerLength)
  const pseudo = version === 3 && wire.pseudoHeader ? pseudoHeader(wire.source, wire.destination, bytes.length) : []
  view.setUint16(6, 0xffff - onesSum(bytes, onesSum(pseudo, 0)))
  return bytes
}

/** Reads a whole IPv4 packet, header included. Never throws; what is wrong is named by the first check that fails. */
export const decodeAdvertisement = (packet: Uint8Array, expected: Expectation): Decoded => {
  const ip = ipv4Packet(packet)
  if (ip === null) return { ok: false, reason: 'ip-header', source: '', found: `${packet.length} bytes` }
  const { source, payload } = ip
  const drop = (reason: DropReason, found: string): Decoded => ({ ok: false, reason, source, found })
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)

  if (ip.ttl !== vrrpTtl) return drop('ttl', `TTL ${ip.ttl} instead of ${vrrpTtl}: not from this network`)
  if (payload.length < headerLength) return drop('length', `${payload.length} bytes of VRRP`)
  const [version, type] = [view.getUint8(0) >> 4, view.getUint8(0) & 0x0f]
  if (version !== expected.version) return drop('version', `version ${version}, ours is ${expected.version}`)
  if (type !== typeAdvertisement) return drop('type', `type ${type}`)
  const count = view.getUint8(3)
  const length = messageLength(expected.version, count)
  if (payload.length !== length) return drop('length', `${payload.length} bytes, ${count} addresses need ${length}`)
  if (!hasGoodChecksum(expected.version, ip)) return drop('checksum', hex(view.getUint16(6)))
  const virtualRouterId = view.getUint8(1)
  if (virtualRouterId !== expected.virtualRouterId) return drop('vrid', `virtual router ${virtualRouterId}`)
  if (expected.version === 2 && !isAuthentic(payload, expected.password)) {
    return drop(
      'authentication',
      `type ${view.getUint8(4)}${view.getUint8(4) === authenticationPass ? ', or another password' : ''}`,
    )
  }
  if (count === 0) return drop('count', 'no address')
  const interval = millis(
    expected.version === 2 ? view.getUint8(5) * second : (view.getUint16(4) & intervalBits) * centisecond,
  )
  if (interval === 0 || (expected.version === 2 && interval !== expected.interval)) {
    return drop('interval', `advertisement interval ${interval} ms, ours is ${expected.interval} ms`)
  }
  const addresses = Array.from({ length: count }, (_, i) => addressAt(payload, headerLength + i * addressLength))
  const priority = view.getUint8(2)
  return {
    ok: true,
    source,
    advertisement: { version: expected.version, virtualRouterId, priority, interval, addresses },
  }
}

type Ipv4Packet = {
  readonly source: string
  readonly destination: string
  readonly ttl: number
  readonly payload: Uint8Array
}

const minimumIpHeader = 20

const ipv4Packet = (packet: Uint8Array): Ipv4Packet | null => {
  if (packet.length < minimumIpHeader) return null
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  const header = (view.getUint8(0) & 0x0f) * 4
  const total = view.getUint16(2)
  const isSound =
    view.getUint8(0) >> 4 === 4 &&
    header >= minimumIpHeader &&
    total >= header &&
    total <= packet.length &&
    view.getUint8(9) === vrrpProtocol
  if (!isSound) return null
  return {
    source: addressAt(packet, 12),
    destination: addressAt(packet, 16),
    ttl: view.getUint8(8),
    payload: packet.subarray(header, total),
  }
}

const messageLength = (version: ProtocolVersion, addresses: number): number =>
  headerLength + addresses * addressLength + (version === 2 ? authenticationLength : 0)

const hasGoodChecksum = (version: ProtocolVersion, { source, destination, payload }: Ipv4Packet): boolean =>
  onesSum(payload, 0) === 0xffff ||
  (version === 3 && onesSum(payload, onesSum(pseudoHeader(source, destination, payload.length), 0)) === 0xffff)

const isAuthentic = (payload: Uint8Array, password: string | null): boolean => {
  const type = payload[4]
  if (password === null) return type === authenticationNone
  const sent = payload.subarray(payload.length - authenticationLength)
  return type === authenticationPass && passwordBytes(password).every((byte, i) => byte === sent[i])
}

const passwordBytes = (password: string): readonly number[] =>
  Array.from({ length: authenticationLength }, (_, i) => (i < password.length ? password.charCodeAt(i) & 0xff : 0))

const pseudoHeader = (source: string, destination: string, length: number): readonly number[] => [
  ...addressBytes(source),
  ...addressBytes(destination),
  0,
  vrrpProtocol,
  length >> 8,
  length & 0xff,
]

/** One's complement sum of RFC 1071 over an even number of bytes. */
const onesSum = (bytes: ArrayLike<number>, start: number): number => {
  let sum = start
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)
    sum = (sum & 0xffff) + (sum >>> 16)
  }
  return sum
}

const hex = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`
