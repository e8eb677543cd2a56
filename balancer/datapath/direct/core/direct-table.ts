// The table of the direct datapath as it follows from listeners and this host: frames of clients go to servers as they are but
// for their MAC addresses, master or not. No connection tracking, no routing.

import type { Endpoint } from '../../../core/endpoint.ts'
import { type IpVersion, ipVersions, versionOf } from '../../rules/core/ip-version.ts'
import { type OwnTable, ownerMarker, ownerSet } from '../../rules/core/ownership.ts'
import type { Chain, RuleSet, Table } from '../../rules/core/table.ts'
import { bindChain } from './bind-rules.ts'
import type { DirectHost, DirectListener } from './direct-listener.ts'
import { prefixes } from './flow-map.ts'
import { isServedHere, listenerParts } from './listener-rules.ts'
import { ingressChain, tableName } from './names.ts'
import { strayChain, strayRules, straySet } from './stray-rules.ts'

export type { DirectHost, DirectListener, DirectServer, ServerPath } from './direct-listener.ts'

/** The table of this datapath, and how it is known. */
export const directOwnTable: OwnTable = {
  family: 'netdev',
  name: tableName,
  marker: ownerSet,
  otherwise: 'write another datapath',
}

const peerSet = 'peers'

/** Everything that is in the table, in the same order for the same rules. */
export const directTable = (listeners: readonly DirectListener[], host: DirectHost): Table => {
  const parts = listeners.map((listener) => listenerParts(listener, host, peerSet))
  const binds = listeners.flatMap((listener) => [...listener.binds, ...(listener.former ?? [])])
  const addresses = [...new Set(listeners.flatMap((listener) => listener.binds.map(({ address }) => address)))]
  const versions = ipVersions.filter((version) => binds.some(({ address }) => versionOf(address) === version))
  return {
    family: 'netdev',
    name: tableName,
    counters: parts.flatMap(({ counters }) => counters),
    timeouts: [],
    sets: [
      ownerMarker,
      ...(listeners.some(isServedHere) ? [peers(listeners, host)] : []),
      ...versions.flatMap((version) => [bindMap(version, binds), straySet(version, addresses)]),
      ...(versions.some(({ digit }) => digit === '6') ? [prefixes] : []),
      ...parts.flatMap(({ sets }) => sets),
    ],
    chains: [
      ...parts.flatMap(({ chains }) => chains),
      ...addresses.map((address) => strayChain(address, listeners, host)),
      ...host.devices.map(({ name }) => ingress(name, versions)),
    ],
  }
}

/**
 * Whose frames are for the server on this host. Balancers with different tables would pass a frame to each other for ever:
 * nothing counts down on layer 2.
 */
const peers = (listeners: readonly DirectListener[], { balancers }: DirectHost): RuleSet => {
  const servers = listeners.flatMap((listener) =>
    listener.servers.flatMap(({ path }) => (path?.kind === 'link' ? [path.mac] : [])),
  )
  const macs = new Set([...balancers, ...servers].map((mac) => mac.toLowerCase()))
  return {
    name: peerSet,
    form: { key: ['ether_addr'], value: null },
    elements: new Map([...macs].sort().map((mac) => [mac, { value: null, comment: null }])),
  }
}

const bindMapName = ({ digit }: IpVersion): string => `binds${digit}`

const bindMap = (version: IpVersion, binds: readonly Endpoint[]): RuleSet => ({
  name: bindMapName(version),
  form: { key: [version.addressType, 'inet_service'], value: ['verdict'] },
  elements: new Map(
    binds
      .filter(({ address }) => versionOf(address) === version)
      .map((bind) => [`${bind.address} . ${bind.port}`, { value: `goto ${bindChain(bind)}`, comment: null }]),
  ),
})

/** A sniffer has the interface take frames of others, which are none of ours. */
const ingress = (device: string, versions: readonly IpVersion[]): Chain => ({
  name: ingressChain(device),
  hook: { type: 'filter', hook: 'ingress', device, priority: 0 },
  rules: [
    'meta pkttype != host accept',
    ...versions.map((version) => `${version.protocol} daddr . tcp dport vmap @${bindMapName(version)}`),
    ...versions.flatMap(strayRules),
  ],
})
