// Through which interfaces packets of the listeners come in: the kernel forwards what comes in through those that it is told.

import { isWithin } from '../../../core/address-kind.ts'
import type { Endpoint } from '../../../core/endpoint.ts'
import { type Family, familyOf } from '../../../core/ip-address.ts'
import type { Path } from './path-findings.ts'

/** A listener: where clients connect to, and its servers. */
export type ForwardedListener = { readonly binds: readonly Endpoint[]; readonly servers: readonly Endpoint[] }

/** What is known of this host. `places` tells which interfaces a virtual address will be on, here or not. */
export type HostView = {
  readonly places: readonly { readonly address: string; readonly devices: readonly string[] }[]
  readonly addresses: readonly { readonly address: string; readonly device: string }[]
  readonly routes: readonly {
    readonly family: Family
    readonly network: string
    readonly prefixLength: number
    readonly device: string
    readonly metric: number
  }[]
}

/** Names of interfaces by family, sorted, each once. */
export type ForwardingDemand = Readonly<Record<Family, readonly string[]>>

/** Where clients come in, and where the servers' answers do: both sides have to forward, even if it is one interface. */
export const forwardingDemand = (listeners: readonly ForwardedListener[], host: HostView): ForwardingDemand => {
  const devicesOf = (family: Family): readonly string[] => {
    const own = ({ address }: Endpoint): boolean => familyOf(address) === family
    const names = listeners.flatMap(({ binds, servers }) => [
      ...binds.filter(own).flatMap(({ address }) => clientSide(address, host)),
      ...servers.filter(own).flatMap(({ address }) => serverSide(address, host)),
    ])
    return [...new Set(names)].sort()
  }
  return { ipv4: devicesOf('ipv4'), ipv6: devicesOf('ipv6') }
}

/** The ways of packets from each bind to each server, for `pathFindings`. */
export const pathsOf = (listeners: readonly ForwardedListener[], host: HostView): readonly Path[] =>
  listeners.flatMap(({ binds, servers }) =>
    binds.flatMap((bind) =>
      servers
        .filter(({ address }) => familyOf(address) === familyOf(bind.address))
        .flatMap((server) => {
          const isServerHere = host.addresses.some(({ address }) => address === server.address)
          const [serverDevice = null] = serverSide(server.address, host)
          const devices = clientSide(bind.address, host)
          return (devices.length === 0 ? [null] : devices).map((device) => ({
            ...{ bind, server, isServerHere },
            clientSide: device,
            serverSide: serverDevice,
          }))
        }),
    ),
  )

const clientSide = (address: string, host: HostView): readonly string[] => {
  const virtual = host.places.filter((place) => place.address === address).flatMap(({ devices }) => devices)
  if (virtual.length > 0) return virtual
  const held = host.addresses.filter((one) => one.address === address).map(({ device }) => device)
  return held.length > 0 ? held : wayTo(address, host)
}

/** Nothing is forwarded to a server on this host. */
const serverSide = (address: string, host: HostView): readonly string[] =>
  host.addresses.some((held) => held.address === address) ? [] : wayTo(address, host)

/** The route with the longest prefix, and of those the one with the smallest metric (RFC 1812 section 5.2.4.3). */
const wayTo = (address: string, { routes }: HostView): readonly string[] => {
  const fitting = routes.filter(
    ({ family, network, prefixLength }) => family === familyOf(address) && isWithin(address, network, prefixLength),
  )
  const [best] = fitting.toSorted((a, b) => b.prefixLength - a.prefixLength || a.metric - b.metric)
  return best === undefined ? [] : [best.device]
}
