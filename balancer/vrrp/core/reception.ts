// What becomes of a datagram that arrives: an advertisement to follow, or why it is dropped and what that tells an operator.
// Two routers that do not follow each other are two masters: that is said, and avoided where the sender may be believed.

import type { Family } from '../../core/ip-address.ts'
import {
  type Advertisement,
  type Authentication,
  authenticationPass,
  isAuthentic,
  type Message,
  readAdvertisement,
  type Wire,
} from './advertisement.ts'
import { type Datagram, vrrpGroup } from './datagram.ts'

/** What this host expects of the advertisements of one virtual router. */
export type Expectation = Pick<Advertisement, 'version' | 'virtualRouterId' | 'interval' | 'addresses'> &
  Pick<Wire, 'password'> & {
    readonly family: Family
    /** The source of its own advertisements. */
    readonly own: string
    /** The only sources that may speak, with unicast; null: any, by multicast. */
    readonly peers: readonly string[] | null
  }

/** Why a packet was dropped, in the order of the checks (RFC 9568 section 7.1, RFC 3768 section 7.1). */
export const dropReasons = [
  'ip-header',
  'ttl',
  'destination',
  'source',
  'peer',
  'version',
  'type',
  'length',
  'checksum',
  'vrid',
  'authentication',
  'count',
  'addresses',
  'interval',
] as const
export type DropReason = (typeof dropReasons)[number]

/** What a sound advertisement tells of the network although it is dropped. `differs`: its sender does so, or is that. */
export type Conflict = {
  readonly advertisement: Advertisement
  readonly differs: string
  /**
   * `told`: it changes nothing. Else it names our addresses, and both would be master of them: `awaited`, a backup does not
   * take over while it is heard; `yielded-to`, and a master yields to it.
   */
  readonly weight: 'told' | 'awaited' | 'yielded-to'
}

/** A datagram that is not followed. */
export type Dropped = {
  readonly ok: false
  readonly reason: DropReason
  readonly source: string
  readonly found: string
  readonly conflict?: Conflict
}

/** The advertisement in a datagram and who sent it, or why it was dropped and what was found. */
export type Decoded = { readonly ok: true; readonly advertisement: Advertisement; readonly source: string } | Dropped

/** Reads the datagram of an advertisement. Never throws; what is wrong is named by the first check that fails. */
export const receiveAdvertisement = (datagram: Datagram, expected: Expectation): Decoded => {
  const { source } = datagram
  const message = readAdvertisement(datagram, expected.family)
  const [reason, found, differs = found] = deviationOf(datagram, message, expected) ?? []
  if (message.ok && reason === undefined) return { ok: true, source, advertisement: message.advertisement }
  const dropped = { ok: false, reason: reason ?? 'length', source, found: found ?? '' } as const
  const conflict = message.ok ? conflictOf(datagram, message, expected, dropped.reason, differs ?? '') : null
  return conflict === null ? dropped : { ...dropped, conflict }
}

type Sound = Extract<Message, { ok: true }>

/** The first check that fails, what was found, and the same said of the sender where that needs other words. */
const deviationOf = (
  datagram: Datagram,
  message: Message,
  expected: Expectation,
): readonly [DropReason, string, string?] | null => {
  const { source, destination, isFar } = datagram
  const { family, peers, own } = expected
  if (isFar) {
    const cure = 'raise it there (keepalived: unicast_ttl), or lower unicast.min_ttl here'
    return [
      'ttl',
      'its TTL or hop limit is too low: a router forwarded it, or its sender starts lower (unicast.min_ttl)',
      `sends with a TTL that is too low: a router stands between, or ${cure}`,
    ]
  }
  if ((peers === null) !== (destination === vrrpGroup[family])) {
    const said = `to ${destination}: one of us uses multicast, the other unicast`
    return ['destination', `sent ${said}`, `speaks ${said}`]
  }
  if (source === own) {
    return [
      'source',
      `it has our source address ${own}`,
      `has our source address: two hosts have it, or ours come back`,
    ]
  }
  if (peers !== null && !peers.includes(source)) {
    const differs = `is not among our unicast.peers (${peers.join(', ')}) and hears nothing of us: add it, or correct the list`
    return ['peer', 'it is not among the unicast peers', differs]
  }
  const version = message.ok ? message.advertisement.version : message.version
  if (version !== null && version !== expected.version) {
    const found = `version ${version}, ours is ${expected.version}`
    return ['version', found, `speaks ${found}`]
  }
  if (!message.ok) return [message.lack, message.found]
  const { virtualRouterId, addresses, interval } = message.advertisement
  if (virtualRouterId !== expected.virtualRouterId) {
    const found = `virtual router ${virtualRouterId}`
    return ['vrid', found, `claims our addresses as ${found}, ours is ${expected.virtualRouterId}`]
  }
  if (!isTrusted(message, expected)) {
    const found = authenticationFound(message.authentication)
    return ['authentication', found, `has another authentication (${found})`]
  }
  if (addresses.length === 0) return ['count', 'no address']
  if (isOtherGroup(message, expected)) return ['addresses', `other addresses (${addresses.join(', ')})`]
  if (interval === 0 || (expected.version === 2 && interval !== expected.interval)) {
    const found = `advertisement interval ${interval} ms, ours is ${expected.interval} ms`
    return ['interval', found, `has the ${found}`]
  }
  return null
}

/** What a sound advertisement that is dropped means; null: that there is another virtual router on this network. */
const conflictOf = (
  datagram: Datagram,
  message: Sound,
  expected: Expectation,
  reason: DropReason,
  differs: string,
): Conflict | null => {
  const { advertisement } = message
  const { virtualRouterId, addresses } = advertisement
  const told = (text: string): Conflict => ({ advertisement, differs: text, weight: 'told' })
  if (!isOtherGroup(message, expected)) {
    if (!isBelievable(datagram, message, expected)) return told(differs)
    return { advertisement, differs, weight: reason === 'version' ? 'yielded-to' : 'awaited' }
  }
  if (reason === 'source') return told(differs)
  if (virtualRouterId !== expected.virtualRouterId || datagram.isFar) return null
  const theirs = addresses.length === 0 ? 'no address' : addresses.join(', ')
  return told(
    `uses our virtual_router_id ${virtualRouterId} for ${theirs}; ours are ${expected.addresses.join(', ')}. ` +
      'Give one of the two groups another number, or all routers of this one the same virtual_addresses',
  )
}

/** Whether it shares no address with us: what it says is of another group, whatever its number. */
const isOtherGroup = ({ advertisement }: Sound, expected: Expectation): boolean =>
  !advertisement.addresses.some((address) => expected.addresses.includes(address))

/** Another version has other passwords, or none. */
const isTrusted = ({ advertisement, authentication }: Sound, { version, password }: Expectation): boolean =>
  advertisement.version !== version || version === 3 || isAuthentic(authentication, password)

/**
 * Whether a master of our addresses may be believed that we do not follow. Who is on this link could as well answer for the
 * addresses. From elsewhere anybody can write, and only a known router with the right password keeps them from a backup.
 */
const isBelievable = (datagram: Datagram, message: Sound, expected: Expectation): boolean => {
  const isKnown = expected.peers?.includes(datagram.source) === true && isTrusted(message, expected)
  return datagram.isOnLink || (isKnown && !datagram.isFar)
}

const authenticationFound = ({ type }: Authentication): string =>
  type === authenticationPass ? 'type PASS; ours is none, or another password' : `type ${type}, ours is another`
