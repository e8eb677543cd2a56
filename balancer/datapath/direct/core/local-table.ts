// The table for clients on this host: what they send does not come in by a device, and where the address is here it never leaves.
// Their sessions are translated to the address of a server, whoever has the virtual address.

import type { Endpoint } from '../../../core/endpoint.ts'
import { turns } from '../../../core/slots.ts'
import { forgedMark } from '../../resets/core/forged-syn.ts'
import { type IpVersion, ipVersions, versionOf } from '../../rules/core/ip-version.ts'
import { type OwnTable, ownerMarker, ownerSet } from '../../rules/core/ownership.ts'
import { anyNumber, type Chain, type Element, type RuleSet, type Table } from '../../rules/core/table.ts'
import type { DirectListener } from './direct-listener.ts'
import { markText } from './flow-marks.ts'
import { localChain, localServers, localTurns, refusalCounter } from './names.ts'

/** This table, and how it is known. */
export const localOwnTable: OwnTable = {
  family: 'inet',
  name: 'balancer_local',
  marker: ownerSet,
  otherwise: 'write another datapath',
}

/** Marks of these sessions in connection tracking: these bits, and the number of the server. */
const ownMask = 0xff000000
const ownMark = 0xb2000000
const isOurs = `ct mark and ${markText(ownMask)} == ${markText(ownMark)}`

const raw = -300
/** Before what redirects the address to the server on this host, where this host is one. */
const beforeDestinationNat = -101
const behindDestinationNat = -90
const sourceNat = 100

/** Everything that is in the table: nothing but its marker without listeners, so that nothing is tracked for it. */
export const localTable = (listeners: readonly DirectListener[]): Table => {
  const parts = ipVersions.flatMap((version) =>
    listeners.flatMap((listener) => {
      const binds = listener.binds.filter(({ address }) => versionOf(address) === version)
      const targets = targetsOf(listener, version)
      // Where servers have no address of this family their clients have to use the other one.
      const isServed = binds.length > 0 && (targets.length > 0 || listener.servers.some((one) => isOf(version, one)))
      return isServed ? [{ version, listener, binds, targets }] : []
    }),
  )
  return {
    family: 'inet',
    name: localOwnTable.name,
    counters: [...new Set(parts.map(({ listener }) => refusalCounter('no-server', listener.name)))],
    timeouts: [],
    sets: [
      ownerMarker,
      ...(parts.length === 0 ? [] : ipVersions.flatMap((version) => bindSets(version, parts))),
      ...parts.flatMap(({ version, listener, targets }) => [
        turnSet(version, listener, targets),
        serverSet(version, listener),
      ]),
    ],
    chains: parts.length === 0 ? [] : [...parts.map(listenerChain), ...baseChains],
  }
}

type Target = { readonly name: string; readonly number: number; readonly weight: number }
type Part = {
  readonly version: IpVersion
  readonly listener: DirectListener
  readonly binds: readonly Endpoint[]
  readonly targets: readonly Target[]
}

const isOf = (version: IpVersion, { address }: Endpoint): boolean => versionOf(address) === version

const targetsOf = ({ table, servers }: DirectListener, version: IpVersion): readonly Target[] =>
  table.targets.flatMap(({ server, weight }) => {
    const found = servers.find(({ name }) => name === server)
    return found !== undefined && isOf(version, found) ? [{ name: server, number: found.number, weight }] : []
  })

const sessionMark = (number: number): string => markText(ownMark + number)

const elementsOf = (entries: readonly (readonly [string, string | null])[]): ReadonlyMap<string, Element> =>
  new Map(entries.map(([key, value]) => [key, { value, comment: null }]))

const bindSets = (version: IpVersion, parts: readonly Part[]): readonly RuleSet[] => {
  const { digit, addressType } = version
  const own = parts.filter((part) => part.version === version)
  const binds = own.flatMap((part) =>
    part.binds.map((bind) => ({ ...bind, chain: localChain(version, part.listener.name) })),
  )
  return [
    {
      name: `binds${digit}`,
      form: { key: [addressType, 'inet_service'], value: ['verdict'] },
      elements: elementsOf(binds.map(({ address, port, chain }) => [`${address} . ${port}`, `goto ${chain}`])),
    },
    {
      name: `addresses${digit}`,
      form: { key: [addressType], value: null },
      elements: elementsOf(binds.map(({ address }) => [address, null])),
    },
  ]
}

const turnsOf = ({ table }: DirectListener, targets: readonly Target[]): readonly string[] => {
  const numbers = new Map(targets.map(({ name, number }) => [name, sessionMark(number)]))
  const slots = targets.length < 2 ? targets.map(({ name }) => name) : turns(targets, table.targets.length)
  return slots.map((name) => numbers.get(name) ?? '')
}

const turnSet = (version: IpVersion, listener: DirectListener, targets: readonly Target[]): RuleSet => ({
  name: localTurns(version, listener.name),
  form: { ...anyNumber, value: ['mark'] },
  elements: elementsOf(turnsOf(listener, targets).map((mark, slot) => [`${slot}`, mark])),
})

const serverSet = (version: IpVersion, { name, servers }: DirectListener): RuleSet => ({
  name: localServers(version, name),
  form: { key: ['mark'], value: [version.addressType, 'inet_service'] },
  elements: elementsOf(
    servers
      .filter((server) => isOf(version, server))
      .map(({ number, address, port }) => [sessionMark(number), `${address} . ${port}`]),
  ),
})

const listenerChain = ({ version, listener, targets }: Part): Chain => {
  const { name, admits } = listener
  const slots = turnsOf(listener, targets)
  const connect = [
    `ct mark set numgen inc mod ${slots.length} map @${localTurns(version, name)}`,
    `meta l4proto tcp dnat ${version.protocol} to ct mark map @${localServers(version, name)}`,
  ]
  const refuse = `counter name "${refusalCounter('no-server', name)}" reject with tcp reset`
  const closed = admits === 'none' ? refuse : 'drop'
  return {
    name: localChain(version, name),
    hook: null,
    rules: admits === 'all' && slots.length > 0 ? connect : [closed],
  }
}

const baseChains: readonly Chain[] = [
  {
    name: 'raw-output',
    hook: { type: 'filter', hook: 'output', priority: raw },
    // What is forged would leave an entry behind that the client's next session meets.
    rules: [`meta mark ${markText(forgedMark)} notrack`],
  },
  {
    name: 'nat-output',
    hook: { type: 'nat', hook: 'output', priority: beforeDestinationNat },
    // Sessions that are older than the table go on as they are.
    rules: [
      'tcp flags and (fin | syn | rst | ack) != syn return',
      ...ipVersions.map(({ protocol, digit }) => `${protocol} daddr . tcp dport vmap @binds${digit}`),
    ],
  },
  {
    name: 'nat-postrouting',
    hook: { type: 'nat', hook: 'postrouting', priority: sourceNat },
    // Where the address is here it is the source as well, and a server would answer itself.
    rules: ipVersions.map(
      ({ protocol, digit }) => `${isOurs} oifname != "lo" ${protocol} saddr @addresses${digit} masquerade`,
    ),
  },
  {
    name: 'unanswered',
    hook: { type: 'filter', hook: 'prerouting', priority: behindDestinationNat },
    // Nobody is told that a SYN was refused: who asks again gets another server (RFC 9293 section 3.10.7.1).
    rules: [`${isOurs} ct direction reply tcp flags and (fin | syn | rst | ack) == rst | ack tcp sequence 0 drop`],
  },
]
