// The advertisement on the wire: VRRP version 2 (RFC 3768 section 5) and version 3 (RFC 9568 section 5).
// Only this file knows that version 3 counts in centiseconds.

import { addressBytes, addressText, type Family, familyOf } from '../../core/ip-address.ts'
import { type Millis, millis } from '../../core/time.ts'
import { addressLength, type Datagram, onesSum, vrrpProtocol } from './datagram.ts'

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

const headerLength = 8
const authenticationLength = 8
const typeAdvertisement = 1
const authenticationNone = 0
/** Version 2: the field carries a password. */
export const authenticationPass = 1
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

/** The authentication field of version 2: its type, and the bytes as text. Version 3 has none. */
export type Authentication = { readonly type: number; readonly text: string }

/** An advertisement that is whole and has its checksum, whatever it says; or the first thing it lacks. */
export type Message =
  | { readonly ok: true; readonly advertisement: Advertisement; readonly authentication: Authentication }
  | {
      readonly ok: false
      readonly lack: 'version' | 'type' | 'length' | 'checksum'
      readonly found: string
      /** The version that it claims; null where it is too short for one. */
      readonly version: number | null
    }

/** Reads the payload of a datagram. Never throws. */
export const readAdvertisement = (datagram: Datagram, family: Family): Message => {
  const { payload } = datagram
  if (payload.length < headerLength) {
    return { ok: false, lack: 'length', found: `${payload.length} bytes of VRRP`, version: null }
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const [version, type, count] = [view.getUint8(0) >> 4, view.getUint8(0) & 0x0f, view.getUint8(3)]
  const lacks = (lack: Extract<Message, { ok: false }>['lack'], found: string): Message => {
    return { ok: false, lack, found, version }
  }
  if ((version !== 2 && version !== 3) || (version === 2 && family === 'ipv6')) {
    return lacks('version', `version ${version}`)
  }
  if (type !== typeAdvertisement) return lacks('type', `type ${type}`)
  const length = messageLength(version, family, count)
  if (payload.length !== length) return lacks('length', `${payload.length} bytes, ${count} addresses need ${length}`)
  if (!hasGoodChecksum(version, family, datagram)) return lacks('checksum', hex(view.getUint16(6)))
  const size = addressLength(family)
  const interval = version === 2 ? view.getUint8(5) * second : (view.getUint16(4) & intervalBits) * centisecond
  return {
    ok: true,
    authentication:
      version === 2
        ? { type: view.getUint8(4), text: passwordText(payload.subarray(payload.length - authenticationLength)) }
        : { type: authenticationNone, text: '' },
    advertisement: {
      version,
      virtualRouterId: view.getUint8(1),
      priority: view.getUint8(2),
      interval: millis(interval),
      addresses: Array.from({ length: count }, (_, i) => {
        const start = headerLength + i * size
        return addressText(payload.subarray(start, start + size))
      }),
    },
  }
}

const messageLength = (version: ProtocolVersion, family: Family, addresses: number): number =>
  headerLength + addresses * addressLength(family) + (version === 2 ? authenticationLength : 0)

const hasGoodChecksum = (version: ProtocolVersion, family: Family, datagram: Datagram): boolean => {
  const { payload } = datagram
  const withPseudoHeader = () => onesSum(payload, pseudoHeaderSum(datagram, payload.length)) === 0xffff
  if (family === 'ipv6') return withPseudoHeader()
  return onesSum(payload, 0) === 0xffff || (version === 3 && withPseudoHeader())
}

/** Whether it carries this password, or none where there is none. */
export const isAuthentic = ({ type, text }: Authentication, password: string | null): boolean =>
  password === null
    ? type === authenticationNone
    : type === authenticationPass && text === passwordText(passwordBytes(password))

const passwordBytes = (password: string): readonly number[] =>
  Array.from({ length: authenticationLength }, (_, i) => (i < password.length ? password.charCodeAt(i) & 0xff : 0))

const passwordText = (bytes: Iterable<number>): string => String.fromCharCode(...bytes)

/** Sum of source, destination, length and protocol: RFC 8200 section 8.1, and the same for IPv4. */
const pseudoHeaderSum = ({ source, destination }: Pick<Wire, 'source' | 'destination'>, length: number): number =>
  onesSum([...addressBytes(source), ...addressBytes(destination), 0, vrrpProtocol, length >> 8, length & 0xff], 0)

const hex = (value: number): string => `0x${value.toString(16).padStart(4, '0')}`
