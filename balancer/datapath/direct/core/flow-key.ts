// How the maps of flows name a client: the bytes of an element's key, its text, and the slot that the rules' hash gives it.
// PURE.

import { type Endpoint, endpointText } from '../../../core/endpoint.ts'
import { addressBytes, addressText, familyOf } from '../../../core/ip-address.ts'
import { jhash, slotOf } from './jhash.ts'

/** Bytes of a key: `ip saddr . tcp sport`, and `tcp sport . ip6 saddr`; a port is filled up to four. */
export const keyBytes = { ipv4: 8, ipv6: 20 } as const

const [ipv4Port, ipv6Address] = [4, 4]
const [ipv4Bytes, ipv6Bytes] = [4, 16]
const largestPort = 65_535
const clientForm = /^(?:((?:\d{1,3}\.){3}\d{1,3})|\[([\da-f:.]+)\]):(\d{1,5})$/i

/** The key of a client. */
export const flowKey = ({ address, port }: Endpoint): Uint8Array => {
  const isIpv4 = familyOf(address) === 'ipv4'
  const key = new Uint8Array(isIpv4 ? keyBytes.ipv4 : keyBytes.ipv6)
  key.set(addressBytes(address), isIpv4 ? 0 : ipv6Address)
  key.set([port >> 8, port & 0xff], isIpv4 ? ipv4Port : 0)
  return key
}

/** The key of a client as text, `10.1.6.20:40000` or `[2001:db8::1]:40000`; null where it is none. */
export const flowKeyOf = (client: string): Uint8Array | null => {
  const [, ipv4, ipv6, digits] = clientForm.exec(client) ?? []
  const [address, port] = [ipv4 ?? ipv6 ?? '', Number(digits)]
  if (address === '' || !(port >= 1 && port <= largestPort)) return null
  const bytes = addressBytes(address)
  const isRight =
    bytes.length === (ipv4 === undefined ? ipv6Bytes : ipv4Bytes) && bytes.every((byte) => byte >= 0 && byte <= 255)
  return isRight ? flowKey({ address, port }) : null
}

/** The client of the key that lies in `bytes` from `at` on. */
export const clientAt = (bytes: Uint8Array, at: number, length: number): Endpoint => {
  if (length === keyBytes.ipv4) {
    const address = `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`
    return { address, port: portAt(bytes, at + ipv4Port) }
  }
  const address = addressText(bytes.subarray(at + ipv6Address, at + ipv6Address + ipv6Bytes))
  return { address, port: portAt(bytes, at) }
}

/** It as text. */
export const clientText = (bytes: Uint8Array, at: number, length: number): string =>
  endpointText(clientAt(bytes, at, length))

/** What the rules hash: the address and port of a client, or, for `balance: source`, the address alone. */
export type ClientHash = { readonly hash: 'session' | 'source'; readonly seed: number; readonly slotCount: number }

/** The slot of the client, as the rule `jhash … mod slotCount seed …` has it. */
export const slotOfClient = (
  bytes: Uint8Array,
  at: number,
  length: number,
  { hash, seed, slotCount }: ClientHash,
): number => {
  if (hash === 'session') return slotOf(jhash(bytes, at, length, seed), slotCount)
  const isIpv4 = length === keyBytes.ipv4
  const from = isIpv4 ? at : at + ipv6Address
  return slotOf(jhash(bytes, from, isIpv4 ? ipv4Bytes : ipv6Bytes, seed), slotCount)
}

const portAt = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
