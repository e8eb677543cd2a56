// How the maps of flows name a client: the bytes of an element's key, the clients that they may stand for, and the slot that the
// rules' hash gives them. PURE.

import type { Endpoint } from '../../../core/endpoint.ts'
import { addressBytes, addressText, familyOf } from '../../../core/ip-address.ts'
import { jhash, slotOf } from './jhash.ts'

/**
 * Bytes of a key: `ip saddr . tcp sport`, and `tcp sport . @nh,96,96`, a port filled up to four. Of an IPv6 address the last 12
 * bytes: nft before 1.0.9 writes keys of more than 16 bytes wrongly. Who shares them and the port shares a flow, and so its server.
 */
export const flowKeyBytes = { ipv4: 8, ipv6: 16 } as const
/** Bytes of an IPv6 address that are not in a key: of the prefixes that registries give to providers. */
export const prefixBytes = 4

const portAt = { ipv4: 4, ipv6: 0 } as const
const addressAt = { ipv4: 0, ipv6: 4 } as const
const ipv4Bytes = 4

/** The key of a client. */
export const flowKey = ({ address, port }: Endpoint): Uint8Array => {
  const family = familyOf(address)
  const key = new Uint8Array(flowKeyBytes[family])
  key.set(addressBytes(address).slice(family === 'ipv4' ? 0 : prefixBytes), addressAt[family])
  key.set([port >> 8, port & 0xff], portAt[family])
  return key
}

/**
 * The clients that a key may stand for: with IPv6 one for each of `prefixes`, the first four bytes of addresses that were seen;
 * where there is none the rest of the address behind zeros, which has the same key.
 */
export const clientsOf = (key: Uint8Array, prefixes: readonly Uint8Array[]): readonly Endpoint[] => {
  const family = key.length === flowKeyBytes.ipv4 ? 'ipv4' : 'ipv6'
  const port = ((key[portAt[family]] ?? 0) << 8) | (key[portAt[family] + 1] ?? 0)
  if (family === 'ipv4') return [{ address: addressText(key.subarray(0, ipv4Bytes)), port }]
  const known = prefixes.length === 0 ? [new Uint8Array(prefixBytes)] : prefixes
  return known.map((prefix) => ({ address: addressText([...prefix, ...key.subarray(addressAt.ipv6)]), port }))
}

/** What the rules hash: the key of a client, or, for `balance: source`, its address alone. */
export type ClientHash = { readonly hash: 'session' | 'source'; readonly seed: number; readonly slotCount: number }

/** The slot of the client whose key lies in `bytes` from `at` on, as the rule `jhash … mod slotCount seed …` has it. */
export const slotOfClient = (
  bytes: Uint8Array,
  at: number,
  length: number,
  { hash, seed, slotCount }: ClientHash,
): number => {
  if (hash === 'session') return slotOf(jhash(bytes, at, length, seed), slotCount)
  const family = length === flowKeyBytes.ipv4 ? 'ipv4' : 'ipv6'
  const from = at + addressAt[family]
  return slotOf(jhash(bytes, from, family === 'ipv4' ? ipv4Bytes : at + length - from, seed), slotCount)
}
