// Rules over where connections come in and where they go to.

import { isLoopback, isUnspecified } from '../core/address-kind.ts'
import { type Endpoint, endpointText, excludeEachOther, takesIn } from '../core/endpoint.ts'
import { isLinkLocal } from '../core/ip-address.ts'
import type { HostNetwork } from '../os/host-network.ts'
import type { Finding } from './document.ts'
import type { Written, WrittenBind } from './written.ts'

/** What cannot work, or hardly, with the addresses of listeners and servers. `host` is this host, if it can be looked at. */
export const bindFindings = (written: Written, host: HostNetwork | null): readonly Finding[] => [
  ...takenFindings(written.binds),
  ...loopFindings(written, host),
  ...unusedFindings(written),
  ...(host === null ? [] : strayFindings(written, host)),
]

const takenFindings = (binds: readonly WrittenBind[]): readonly Finding[] =>
  binds.flatMap((bind, i) => {
    const taken = binds.slice(0, i).find((earlier) => excludeEachOther(earlier, bind))
    if (taken === undefined) return []
    const text = `found "${endpointText(bind)}"; ${endpointText(taken)} above has this address and port; choose another port`
    return [{ path: bind.path, text }]
  })

/** A server that is a listener, which forwards to a server that is a listener … and never to a database. */
const loopFindings = ({ binds, servers, virtual }: Written, host: HostNetwork | null): readonly Finding[] => {
  const isHere = (address: string): boolean =>
    isLoopback(address) || [...virtual, ...(host?.addresses ?? [])].some((held) => held.address === address)
  const behind = (endpoint: Endpoint): WrittenBind | undefined =>
    binds.find(
      (bind) =>
        bind.port === endpoint.port &&
        (bind.address === endpoint.address || (takesIn(bind.address, endpoint.address) && isHere(endpoint.address))),
    )
  const leadsTo = (from: number, wanted: number, seen: ReadonlySet<number>): boolean =>
    from === wanted ||
    servers
      .filter(({ listener }) => listener === from)
      .map((server) => behind(server)?.listener)
      .some((next) => next != null && !seen.has(next) && leadsTo(next, wanted, new Set([...seen, next])))
  return servers.flatMap((server) => {
    const bind = behind(server)
    if (bind === undefined) return []
    const said = `${endpointText(server)} is ${bind.owner} of this balancer`
    if (bind.listener === null) return [{ path: server.path, text: `${said}; write the address of the database` }]
    return leadsTo(bind.listener, server.listener, new Set([bind.listener]))
      ? [
          {
            path: server.path,
            text: `${said}: connections would go round in a circle; write the address of the database`,
          },
        ]
      : []
  })
}

/** An instance whose addresses nobody here listens on, nor on those that move with it; link-local ones are none to listen on. */
const unusedFindings = ({ instances, virtual, binds }: Written): readonly Finding[] => {
  const usedBy = (i: number): boolean =>
    virtual.some(({ instance, address }) => instance === i && binds.some((bind) => takesIn(bind.address, address)))
  return instances.flatMap(({ path, group }, i) => {
    const isUsed = instances.some(
      (other, j) => (j === i || (group !== undefined && other.group === group)) && usedBy(j),
    )
    const isForClients = virtual.some(({ instance, address }) => instance === i && !isLinkLocal(address))
    if (isUsed || !isForClients) return []
    const text = 'no listener is bound to an address of this instance: clients of it reach nothing of this balancer'
    return [{ path: [...path, 'virtual_addresses'], text, isWarning: true }]
  })
}

const strayFindings = ({ binds, virtual, instances }: Written, host: HostNetwork): readonly Finding[] =>
  binds.flatMap(({ address, path, isRouted }) => {
    const isKnown = [...virtual, ...host.addresses].some((held) => held.address === address)
    if (isKnown || isUnspecified(address) || isLoopback(address)) return []
    // Without VRRP it is routers that choose among the balancers.
    if (isRouted && instances.length === 0) return []
    const text = isRouted
      ? `${address} is no virtual address: it is reached here only if a router sends it to this host`
      : `${address} is no virtual address and no address of this host: nobody reaches it until somebody adds it`
    return [{ path, text, isWarning: true }]
  })
