// Hand-made frames: what is wrong with each, and the counter it belongs in.

import { millis } from '../../../balancer/core/time.ts'
import { type Advertisement, encodeAdvertisement } from '../../../balancer/vrrp/core/advertisement.ts'
import { ipPacket, onesSum, vrrpGroup } from '../../../balancer/vrrp/core/datagram.ts'
import type { DropReason } from '../../../balancer/vrrp/core/reception.ts'

/** A way of speaking: who sends to whom, and what a sound advertisement looks like there. */
export type Speech = {
  readonly advertisement: Advertisement
  readonly source: string
  readonly destination: string
  readonly password: string | null
  /** The listener itself: where frames go that are not for a group. */
  readonly listener: { readonly mac: string; readonly address: string }
}

/** One kind of broken frame; null is a sound one, which is heard. */
export type Malformed = { readonly name: string; readonly reason: DropReason | null; readonly frame: string }

type Change = {
  readonly advertisement?: Partial<Advertisement>
  readonly password?: string | null
  readonly source?: string
  readonly destination?: string
  /** Changes the VRRP message before its checksum is made anew. */
  readonly message?: (bytes: Uint8Array) => Uint8Array
  /** Changes the whole packet, after all checksums. */
  readonly packet?: (bytes: Uint8Array) => void
}

const at = (offset: number, value: number) => (bytes: Uint8Array) =>
  Uint8Array.from(bytes, (byte, i) => (i === offset ? value : byte))
const cut = (length: number) => (bytes: Uint8Array) => bytes.slice(0, length)
const longer = (by: number) => (bytes: Uint8Array) => Uint8Array.from([...bytes, ...new Uint8Array(by)])

/** Every kind of broken frame that reaches a listener of this speech; what the kernel drops itself is not among them. */
export const malformed = (speech: Speech): readonly Malformed[] => {
  const { version } = speech.advertisement
  const isIpv4 = !speech.source.includes(':')
  const isMulticast = Object.values(vrrpGroup).includes(speech.destination)
  const ttlAt = isIpv4 ? 8 : 7
  const kinds: readonly (readonly [DropReason | null, string, Change])[] = [
    ['ttl', 'a TTL of 254', { packet: (bytes) => bytes.set([254], ttlAt) }],
    ['ttl', 'a TTL of 1', { packet: (bytes) => bytes.set([1], ttlAt) }],
    ['version', 'version 0', { message: at(0, 0x01) }],
    ['version', 'version 15', { message: at(0, 0xf1) }],
    ['version', 'the other version', { message: at(0, version === 2 ? 0x31 : 0x21) }],
    ['type', 'type 0', { message: at(0, version << 4) }],
    ['type', 'type 2', { message: at(0, (version << 4) | 2) }],
    ['length', 'one byte', { message: cut(1) }],
    ['length', 'two bytes', { message: cut(2) }],
    ['length', 'seven bytes', { message: cut(7) }],
    ['length', 'a header alone', { message: cut(8) }],
    ['length', 'half an address missing', { message: (bytes) => bytes.slice(0, -2) }],
    ['length', 'two bytes too many', { message: longer(2) }],
    ['length', 'a thousand bytes too many', { message: longer(1000) }],
    ['length', 'a count of 255', { message: at(3, 255) }],
    ['checksum', 'a wrong checksum', { packet: (bytes) => bytes.set([(bytes.at(-1) ?? 0) ^ 1], bytes.length - 1) }],
    ['vrid', 'another virtual router', { advertisement: { virtualRouterId: 52 } }],
    ['vrid', 'virtual router 0', { advertisement: { virtualRouterId: 0 } }],
    ['count', 'no addresses', { advertisement: { addresses: [] } }],
    ['interval', 'an interval of 0', { advertisement: { interval: millis(0) } }],
    ...(version === 2
      ? ([
          ['interval', 'another interval', { advertisement: { interval: millis(7000) } }],
          ['authentication', 'another password', { password: 'other' }],
          ['authentication', 'no password', { password: null }],
          ['authentication', 'authentication type 2', { message: at(4, 2) }],
          ['authentication', 'authentication type 9', { message: at(4, 9) }],
        ] as const)
      : []),
    isMulticast
      ? // A raw IPv6 socket does not show the destination, but the checksum covers it.
        [isIpv4 ? 'destination' : 'checksum', 'sent to us alone', { destination: speech.listener.address }]
      : ['peer', 'from a stranger', { source: '198.18.0.9' }],
    [null, 'a sound one', {}],
  ]
  return kinds.map(([reason, name, change]) => ({ reason, name, frame: frameOf(speech, change) }))
}

const frameOf = (speech: Speech, change: Change): string => {
  const { source, destination, password } = { ...speech, ...change }
  const advertisement = { ...speech.advertisement, ...change.advertisement }
  const wire = { source, destination, password, pseudoHeader: false }
  const { message = (bytes: Uint8Array) => bytes } = change
  const payload = message(encodeAdvertisement(advertisement, wire))
  if (change.message !== undefined) sign(payload, source.includes(':') ? [source, destination] : null)
  const packet = ipPacket(payload, source, destination)
  change.packet?.(packet)
  // The header was changed after its checksum was made, and the kernel would drop it unseen.
  if (!source.includes(':')) {
    packet.set([0, 0], 10)
    const sum = 0xffff - onesSum(packet.subarray(0, 20), 0)
    packet.set([sum >> 8, sum & 0xff], 10)
  }
  const groups = new Map([
    [vrrpGroup.ipv4, '01005e000012'],
    [vrrpGroup.ipv6, '333300000012'],
  ])
  const to = groups.get(destination) ?? speech.listener.mac
  return `${to}02000000000a${source.includes(':') ? '86dd' : '0800'}${Buffer.from(packet).toString('hex')}`
}

/** Makes the checksum right again, so that it is not what the listener stumbles over. */
const sign = (payload: Uint8Array, pseudo: readonly string[] | null): void => {
  if (payload.length < 8) return
  payload.set([0, 0], 6)
  const start = pseudo === null ? 0 : pseudoHeaderSum(pseudo, payload.length)
  const sum = 0xffff - onesSum(payload, start)
  payload.set([sum >> 8, sum & 0xff], 6)
}

const pseudoHeaderSum = ([source = '', destination = '']: readonly string[], length: number): number => {
  const header = ipPacket(new Uint8Array(0), source, destination)
  return onesSum([...header.subarray(8), 0, 112, length >> 8, length & 0xff], 0)
}
