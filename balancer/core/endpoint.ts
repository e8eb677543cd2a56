// An address with a TCP port: its one text, and what an address that stands for many takes in.

import { isUnspecified } from './address-kind.ts'
import { addressBytes, addressText, familyOf, isMapped } from './ip-address.ts'

/** One end of a connection: an address in the one text of RFC 5952, and a port. */
export type Endpoint = { readonly address: string; readonly port: number }

/** It in one text (RFC 5952 section 6): `10.1.6.173:3366`, `[2001:db8::1]:3366`. */
export const endpointText = ({ address, port }: Endpoint): string =>
  familyOf(address) === 'ipv4' ? `${address}:${port}` : `[${address}]:${port}`

/** The address in such a text. */
export const addressOf = (endpoint: string): string => endpoint.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')

/** Whether connections to `address` reach what is bound to `bound`: 0.0.0.0 is every IPv4 address, :: every one of both. */
export const takesIn = (bound: string, address: string): boolean =>
  bound === address || (isUnspecified(bound) && (familyOf(bound) === 'ipv6' || familyOf(address) === 'ipv4'))

/** Whether the two cannot be listened on at once, because one takes in the other. */
export const excludeEachOther = (one: Endpoint, other: Endpoint): boolean =>
  one.port === other.port && (takesIn(one.address, other.address) || takesIn(other.address, one.address))

/**
 * The address of a socket's end as it is written elsewhere: a socket for both families tells IPv4 addresses as
 * `::ffff:10.0.0.1` (RFC 4291 section 2.5.5.2), and link-local ones with their interface behind `%`.
 */
export const plainAddress = (told: string | undefined): string => {
  const [address = ''] = (told ?? '').split('%')
  if (familyOf(address) === 'ipv4') return address
  const bytes = addressBytes(address)
  return addressText(isMapped(bytes) ? bytes.slice(-4) : bytes)
}
