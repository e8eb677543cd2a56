// The chains and sets of one listener beside its binds: who may come in, who has which slot, and the way to each server.

import { endpointText } from '../../../core/endpoint.ts'
import { familyOf } from '../../../core/ip-address.ts'
import { type SlotTable, slotsOf } from '../../../pool/core/slot-table.ts'
import { type Access, accessParts } from '../../rules/core/access.ts'
import { type IpVersion, ipVersions, versionOf } from '../../rules/core/ip-version.ts'
import { anyNumber, type Chain, type Element, type RuleSet } from '../../rules/core/table.ts'
import { type BindSurroundings, bindChains, resetFor } from './bind-rules.ts'
import type { DirectHost, DirectListener, DirectServer } from './direct-listener.ts'
import { flowMap } from './flow-map.ts'
import { markText } from './flow-marks.ts'
import {
  accessChain,
  accessSet,
  countersMap,
  establishedMap,
  macMap,
  outChain,
  refusalCounter,
  serverCounter,
  slotMap,
  sourceSet,
  turnedAway,
  wayChain,
} from './names.ts'

/** What one listener adds to the table. */
export type ListenerParts = {
  readonly counters: readonly string[]
  readonly sets: readonly RuleSet[]
  readonly chains: readonly Chain[]
}

/** The parts of a listener. `peerSet`: of the MAC addresses whose frames are for a server on this host. */
export const listenerParts = (listener: DirectListener, host: DirectHost, peerSet: string): ListenerParts => {
  const { name, binds, former = [], servers, table, established = table } = listener
  const versions = ipVersions.filter((version) => binds.some(({ address }) => versionOf(address) === version))
  const access = versions.map((version) => ({ version, ...accessOf(listener, version) }))
  const limited = access.filter(({ rules }) => rules.length > 0)
  const surroundings = {
    peerSet: isServedHere(listener) ? peerSet : null,
    hasAccessRules: (version: IpVersion) => limited.some((one) => one.version === version),
    leave: quickWay(listener, host),
  }
  return {
    counters: [
      ...turnedAway.map((reason) => refusalCounter(reason, name)),
      ...servers.map(({ number }) => serverCounter(name, number)),
    ],
    sets: [
      ...access.flatMap(({ sets }) => sets),
      slotSet(slotMap(name), table, servers),
      ...(established === table ? [] : [slotSet(establishedMap(name), established, servers)]),
      counterSet(listener),
      ...pathSets(listener, host),
      ...[...binds, ...former].map((bind) => flowMap(bind, host.mostSessions)),
    ],
    chains: [
      ...limited.map(({ version, rules }) => ({ name: accessChain(version, name), hook: null, rules })),
      way(listener, host),
      out(name),
      ...[...binds, ...former].flatMap((bind) => bindChains(listener, bind, surroundings)),
    ],
  }
}

/** Whether a server of the listener is this host. */
export const isServedHere = ({ servers }: DirectListener): boolean => servers.some(({ path }) => path?.kind === 'here')

/** On their own: a rule that is made anew forgets what it has counted. */
const accessOf = ({ name, access }: DirectListener, version: IpVersion): ReturnType<typeof accessParts> =>
  accessParts(accessTo(version, access), version, {
    listName: (kind, content) => accessSet(version, kind, name, content),
    sourcesName: sourceSet(version, name),
    refuse: (reason) => resetFor(reason, name),
  })

const accessTo = (version: IpVersion, access: Access): Access => {
  const own = (prefixes: readonly string[]): readonly string[] =>
    prefixes.filter((prefix) => (familyOf(prefix) === 'ipv4') === (version.digit === '4'))
  const [allow, deny] = [own(access.allow), own(access.deny)]
  // Where the other family alone is allowed nobody of this one is.
  if (access.allow.length > 0 && allow.length === 0) return { ...access, allow, deny: everyone[version.digit] }
  return { ...access, allow, deny }
}

const everyone = { 4: ['0.0.0.0/0'], 6: ['::/0'] } as const

const known = new WeakMap<SlotTable, { readonly numbers: string; readonly elements: ReadonlyMap<string, Element> }>()

/** The same elements for the same table: what did not change is not compared one by one. */
const slotSet = (name: string, table: SlotTable, servers: readonly DirectServer[]): RuleSet => {
  const form = { ...anyNumber, value: ['mark'] }
  const numbers = servers.map((server) => `${server.name} ${server.number}`).join()
  const before = known.get(table)
  if (before?.numbers === numbers) return { name, form, elements: before.elements }
  const values = new Map<string, Element>()
  for (const server of servers) {
    if (!values.has(server.name)) values.set(server.name, { value: markText(server.number), comment: null })
  }
  const elements = new Map<string, Element>()
  for (const [slot, server] of slotsOf(table).entries()) {
    const element = values.get(server)
    if (element !== undefined) elements.set(`${slot}`, element)
  }
  known.set(table, { numbers, elements })
  return { name, form, elements }
}

const counterSet = ({ name, servers }: DirectListener): RuleSet => ({
  name: countersMap(name),
  form: { key: ['mark'], value: ['counter'] },
  elements: new Map(
    servers.map((server) => [
      markText(server.number),
      { value: serverCounter(name, server.number), comment: `${server.name} ${endpointText(server)}` },
    ]),
  ),
})

/** The MAC addresses of servers, a map for each device: the way out of a rule is one device. */
const pathSets = ({ name, servers }: DirectListener, { devices }: DirectHost): readonly RuleSet[] =>
  devices.map(({ name: device }) => ({
    name: macMap(name, device),
    form: { key: ['mark'], value: ['ether_addr'] },
    elements: new Map(
      servers.flatMap(({ number, path }) =>
        path?.kind === 'link' && path.device === device
          ? [[markText(number), { value: path.mac.toLowerCase(), comment: null }] as const]
          : [],
      ),
    ),
  }))

/** Where the map has no such number the rule ends before it changes anything. */
const rewrite = (listener: string, device: string): string =>
  `ether daddr set meta mark map @${macMap(listener, device)}`
const forward = ({ name, mac }: DirectHost['devices'][number]): string =>
  `ether saddr set ${mac.toLowerCase()} meta mark set ${markText(0)} fwd to "${name}"`

/** The way to the servers on the device that has most of them. */
const quickWay = ({ name, servers }: DirectListener, { devices }: DirectHost): BindSurroundings['leave'] => {
  const serversOn = (device: string): number =>
    servers.filter(({ path }) => path?.kind === 'link' && path.device === device).length
  const most = Math.max(0, ...devices.map((device) => serversOn(device.name)))
  const device = devices.find((one) => serversOn(one.name) === most)
  if (device === undefined || most === 0) return null
  const count = `counter name meta mark map @${countersMap(name)}`
  return (remember) => `${rewrite(name, device.name)} ${count} ${remember} ${forward(device)}`
}

/** Where the mark is the number of a server: to that server, as its traffic. */
const out = (name: string): Chain => ({
  name: outChain(name),
  hook: null,
  rules: [`counter name meta mark map @${countersMap(name)}`, `goto ${wayChain(name)}`],
})
const way = ({ name, servers }: DirectListener, { devices }: DirectHost): Chain => ({
  name: wayChain(name),
  hook: null,
  rules: [
    ...servers
      .filter(({ path }) => path?.kind === 'here')
      .map(({ number }) => `meta mark ${markText(number)} meta mark set ${markText(0)} accept`),
    ...devices.map((device) => `${rewrite(name, device.name)} ${forward(device)}`),
    `counter name "${refusalCounter('no-path', name)}" drop`,
  ],
})
