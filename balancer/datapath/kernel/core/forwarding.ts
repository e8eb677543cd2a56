// Through which interfaces packets of the listeners come in: the kernel forwards what comes in through those that it is told.

import type { Endpoint } from '../../../core/endpoint.ts'
import { type Family, familyOf } from '../../../core/ip-address.ts'
import { clientSide, type HostView, wayTo } from '../../core/host-view.ts'
import type { Path } from './path-findings.ts'

/** A listener: where clients connect to, and its servers. */
export type ForwardedListener = { readonly binds: readonly Endpoint[]; readonly servers: readonly Endpoint[] }

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

/** Nothing is forwarded to a server on this host. */
const serverSide = (address: string, host: HostView): readonly string[] =>
  host.addresses.some((held) => held.address === address) ? [] : wayTo(address, host)
