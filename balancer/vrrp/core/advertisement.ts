// The advertisement on the wire: VRRP version 2 (RFC 3768 section 5) and version 3 (RFC 9568 section 5).
// Only this file knows that version 3 counts in centiseconds.

import { addressBytes, addressText, type Family, familyOf } from '../../core/ip-address.ts'
import { type Millis, millis } from '../../core/time.ts'
import { addressLength, type Datagram, onesSum, vrrpGroup, vrrpProtocol } from './datagram.ts'

/** Version of the protocol; all routers of one virtual router must use the same. */
export type ProtocolVersion = 2 | 3

/** What one advertisement says. Version 2 carries whole seconds (1 to 255 s), version 3 centiseconds (10 ms to 40.95 s). */
export type Advertisement = {
  readonly version: ProtocolVersion
  readonly virtualRouterId: number
  readonly priority: number
  readonly interval: Millis
  readonly addresses: readonly string[]
}

/** How an advertisement is to be written: its IP addresses, and what the versions differ in. */
export type Wire = {
  readonly source: string
  readonly destination: string
  /** Version 2, authentication type PASS: up to 8 characters; null sends none. */
  readonly password: string | null
  /** Version 3 over IPv4: RFC 5798 and keepalived put a pseudo-header under the checksum, RFC 9568 does not. */
  readonly pseudoHeader: boolean
}

/** What this host expects of the advertisements of one virtual router. */
export type Expectation = Pick<Advertisement, 'version' | 'virtualRouterId' | 'interval' | 'addresses'> &
  Pick<Wire, 'password'> & {
    readonly family: Family
    /** The only sources that may speak, with unicast; null: any, by multicast. */
    readonly peers: readonly string[] | null
  }

/** Why a packet was dropped, in the order of the checks (RFC 9568 section 7.1, RFC 3768 section 7.1). */
export const dropReasons = [
  'ip-header',
  'ttl',
  'destination',
  'peer',
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

/**
 * What a router says that cannot hear us, and what about it is otherwise. A backup takes over from none such; `isYieldedTo`:
 * and a master yields to it.
 */
export type Conflict = Pick<Advertisement, 'priority' | 'interval'> & {
  readonly differs: string
  readonly isYieldedTo: boolean
}

/** The advertisement in a datagram and who sent it, or why it was dropped and what was found. */
export type Decoded =
  | { readonly ok: true; readonly advertisement: Advertisement; readonly source: string }
  | {
      readonly ok: false
      readonly reason: DropReason
      readonly source: string
      readonly found: string
      /** Sound and about our addresses, but of a router that is configured otherwise: the two would never hear each other. */
      readonly conflict?: Conflict
    }

const headerLength = 8
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
  const family = familyOf(wire.source)
  const bytes = new Uint8Array(messageLength(version, family, addresses.length))
  const view = new DataView(bytes.buffer)
  bytes.set([(version << 4) | typeAdvertisement, virtualRouterId, priority, addresses.length])
  if (version === 2) {
    bytes.set([wire.password === null ? authenticationNone : authenticationPass, Math.round(interval / second)], 4)
    bytes.set(passwordBytes(wire.password ?? ''), bytes.length - authenticationLength)
  } else {
    view.setUint16(4, Math.round(interval / centisecond))
  }
  bytes.set(addresses.flatMap(addressBytes), headerLength)
  const hasPseudoHeader = version === 3 && (wire.pseudoHeader || family === 'ipv6')
  view.setUint16(6, 0xffff - onesSum(bytes, hasPseudoHeader ? pseudoHeaderSum(wire, bytes.length) : 0))
  return bytes
}

/** Reads the datagram of an advertisement. Never throws; what is wrong is named by the first check that fails. */
export const decodeAdvertisement = (datagram: Datagram, expected: Expectation): Decoded => {
  const { source, destination, payload } = datagram
  const { family, peers } = expected
  const drop = (reason: DropReason, found: string) => ({ ok: false, reason, source, found }) as const
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)

  if (datagram.isFar)
    return drop(
      'ttl',
      'its TTL or hop limit is too low: a router forwarded it, or its sender starts lower (unicast.min_ttl)',
    )
  const unlike = (reason: DropReason, found: string, differs: string): Decoded => {
    const said = asMeant(datagram, expected)
    const dropped = drop(reason, found)
    if (said === null) return dropped
    const { priority, interval } = said
    return { ...dropped, conflict: { priority, interval, differs, isYieldedTo: reason === 'version' } }
  }
  if ((peers === null) !== (destination === vrrpGroup[family])) {
    const found = `sent to ${destination}: one of us uses multicast, the other unicast`
    return unlike('destination', found, `speaks to ${destination}: one of us uses multicast, the other unicast`)
  }
  if (peers !== null && !peers.includes(source)) return drop('peer', 'it is not among the unicast peers')
  if (payload.length < headerLength) return drop('length', `${payload.length} bytes of VRRP`)
  const [version, type] = [view.getUint8(0) >> 4, view.getUint8(0) & 0x0f]
  if (version !== expected.version) {
    const found = `version ${version}, ours is ${expected.version}`
    return unlike('version', found, `speaks ${found}`)
  }
  if (type !== typeAdvertisement) return drop('type', `type ${type}`)
  const count = view.getUint8(3)
  const length = messageLength(version, family, count)
  if (payload.length !== length) return drop('length', `${payload.length} bytes, ${count} addresses need ${length}`)
  if (!hasGoodChecksum(version, family, datagram)) return drop('checksum', hex(view.getUint16(6)))
  const virtualRouterId = view.getUint8(1)
  if (virtualRouterId !== expected.virtualRouterId) {
    const found = `virtual router ${virtualRouterId}`
    return unlike('vrid', found, `claims our addresses as ${found}, ours is ${expected.virtualRouterId}`)
  }
  if (version === 2 && !isAuthentic(payload, expected.password)) {
    return drop('authentication', authenticationFound(view.getUint8(4)))
  }
  if (count === 0) return drop('count', 'no address')
  const interval = millis(version === 2 ? view.getUint8(5) * second : (view.getUint16(4) & intervalBits) * centisecond)
  if (interval === 0 || (version === 2 && interval !== expected.interval)) {
    const found = `advertisement interval ${interval} ms, ours is ${expected.interval} ms`
    return interval === 0 ? drop('interval', found) : unlike('interval', found, `has the ${found}`)
  }
  const size = addressLength(family)
  const addresses = Array.from({ length: count }, (_, i) => {
    const start = headerLength + i * size
    return addressText(payload.subarray(start, start + size))
  })
  return {
    ok: true,
    source,
    advertisement: { version, virtualRouterId, priority: view.getUint8(2), interval, addresses },
  }
}

/** The same datagram as a router would read it that is configured like its sender; null when it is not about our addresses. */
const asMeant = (datagram: Datagram, expected: Expectation): Advertisement | null => {
  const { payload, source, destination } = datagram
  const { family } = expected
  const version = (payload[0] ?? 0) >> 4
  if (payload.length < headerLength || (version !== 2 && version !== 3) || (version === 2 && family === 'ipv6'))
    return null
  const interval = millis(version === 2 ? (payload[5] ?? 0) * second : 0)
  const isOurVersion = version === expected.version
  const sent =
    payload[4] === authenticationPass ? passwordText(payload.subarray(payload.length - authenticationLength)) : null
  const decoded = decodeAdvertisement(datagram, {
    ...expected,
    version,
    interval,
    virtualRouterId: payload[1] ?? 0,
    peers: destination === vrrpGroup[family] ? null : (expected.peers ?? [source]),
    // That of the other version is its business.
    password: isOurVersion ? expected.password : sent,
  })
  const isOurs = decoded.ok && decoded.advertisement.addresses.some((address) => expected.addresses.includes(address))
  return isOurs ? decoded.advertisement : null
}

const messageLength = (version: ProtocolVersion, family: Family, addresses: number): number =>
  headerLength + addresses * addressLength(family) + (version === 2 ? authenticationLength : 0)

const hasGoodChecksum = (version: ProtocolVersion, family: Family, datagram: Datagram): boolean => {
  const { payload } = datagram
  const withPseudoHeader = () => onesSum(payload, pseudoHeaderSum(datagram, payload.length)) === 0xffff
  if (family === 'ipv6') return withPseudoHeader()
  return onesSum(payload, 0) === 0xffff || (version === 3 && withPseudoHeader())
}

const isAuthentic = (payload: Uint8Array, password: string | null): boolean => {
  const type = payload[4]
  if (password === null) return type === authenticationNone
  const sent = payload.subarray(payload.length - authenticationLength)
  return type === authenticationPass && passwordBytes(password).every((byte, i) => byte === sent[i])
}

const authenticationFound = (type: number): string =>
  type === authenticationPass ? 'type PASS; ours is none, or another password' : `type ${type}, ours is another`

const passwordBytes = (password: string): readonly number[] =>
  Array.from({ length: authenticationLength }, (_, i) => (i < password.length ? password.charCodeAt(i) & 0xff : 0))

const passwordText = (bytes: Uint8Array): string => String.fromCharCode(...bytes)

/** Sum of source, destination, length and protocol: RFC 8200 section 8.1, and the same for IPv4. */
const pseudoHeaderSum = ({ source, destination }: Pick<Wire, 'source' | 'destination'>, length: number): number =>
  onesSum([...addressBytes(source), ...addressBytes(destination), 0, vrrpProtocol, length >> 8, length & 0xff], 0)

const hex = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`
