// This host as far as the ways of packets depend on it: through which interfaces clients come in, and which leads to an address.

import { isWithin } from '../../core/address-kind.ts'
import { type Family, familyOf } from '../../core/ip-address.ts'

/** A route of the main table. */
export type Route = {
  readonly family: Family
  readonly network: string
  readonly prefixLength: number
  readonly device: string
  readonly metric: number
}

/** What is known of this host. `places` tells which interfaces a virtual address will be on, here or not. */
export type HostView = {
  readonly places: readonly { readonly address: string; readonly devices: readonly string[] }[]
  readonly addresses: readonly { readonly address: string; readonly device: string }[]
  readonly routes: readonly Route[]
}

/** Names of the interfaces through which clients of an address come in. */
export const clientSide = (address: string, host: HostView): readonly string[] => {
  const virtual = host.places.filter((place) => place.address === address).flatMap(({ devices }) => devices)
  if (virtual.length > 0) return virtual
  // A server that answers clients itself has the address on lo, where nobody comes in.
  const held = host.addresses
    .filter((one) => one.address === address && one.device !== 'lo')
    .map(({ device }) => device)
  return held.length > 0 ? held : wayTo(address, host)
}

/** The interface of the route to an address, if there is one. */
export const wayTo = (address: string, { routes }: Pick<HostView, 'routes'>): readonly string[] => {
  const best = routeTo(address, routes)
  return best === undefined ? [] : [best.device]
}

/** The route with the longest prefix, and of those the one with the smallest metric (RFC 1812 section 5.2.4.3). */
export const routeTo = <R extends Route>(address: string, routes: readonly R[]): R | undefined =>
  routes
    .filter(
      ({ family, network, prefixLength }) => family === familyOf(address) && isWithin(address, network, prefixLength),
    )
    .toSorted((a, b) => b.prefixLength - a.prefixLength || a.metric - b.metric)[0]
