// The table of the kernel datapath as it follows from listeners and their targets.

import { isUnspecified } from '../../../core/address-kind.ts'
import { familyOf } from '../../../core/ip-address.ts'
import { type IpVersion, ipVersions, versionOf as versionOfAddress } from '../../rules/core/ip-version.ts'
import { type OwnTable, ownerMarker, ownerSet } from '../../rules/core/ownership.ts'
import type { Element, RuleSet, SetForm, Table, TimeoutPolicy } from '../../rules/core/table.ts'
import { addressSet, baseChains, type Surroundings } from './base-chains.ts'
import type { KernelListener, KernelRules, KernelTimeouts } from './kernel-listener.ts'
import { limitElements, listenerParts } from './listener-rules.ts'
import { markText, numberKey } from './marks.ts'
import {
  listenerChain,
  refusalCounter,
  refusalReasons,
  secondsOf,
  settlingCounter,
  tableName,
  timeoutName,
} from './names.ts'
import { pathCounters } from './path-witness.ts'

/** The table of this datapath, and how it is known. */
export const kernelOwnTable: OwnTable = {
  family: 'inet',
  name: tableName,
  marker: ownerSet,
  otherwise: 'write datapath: userspace',
}

/** The set whose comments tell which mark is which server's; its elements count refused attempts. */
export const numberedSet = 'refused'

/** Everything that is in the table, in the same order for the same rules. */
export const kernelTable = (rules: KernelRules): Table => {
  const { listeners, numbering } = rules
  const parts = listeners.map((listener) => listenerParts(listener, versionOf(listener), numbering))
  const surroundings = surroundingsOf(rules)
  return {
    family: 'inet',
    name: tableName,
    counters: [
      settlingCounter,
      ...pathCounters,
      ...listeners.flatMap(({ name }) => refusalReasons.map((reason) => refusalCounter(reason, name))),
    ],
    timeouts: timeoutPolicies(rules),
    sets: [
      ownerMarker,
      ...ipVersions.flatMap((version) => setsOfVersion(version, rules, surroundings)),
      setOf(
        'ports',
        { key: ['inet_service'], value: null },
        portsOf(listeners).map((port) => key(`${port}`)),
      ),
      setOf(
        'limits',
        { key: ['mark'], value: ['verdict'] },
        listeners.flatMap((listener) => limitElements(listener, numbering)),
      ),
      setOf(
        numberedSet,
        { key: ['mark'], value: null, isCounting: true },
        [...numbering].map(([server, mark]) => key(markText(mark), null, server)),
      ),
      ...parts.flatMap(({ sets }) => sets),
    ],
    chains: [...parts.flatMap(({ chains }) => chains), ...baseChains(surroundings)],
  }
}

const versionOf = ({ binds }: KernelListener): IpVersion => versionOfAddress(binds[0]?.address ?? '')

const isOf = (version: IpVersion, address: string): boolean =>
  (familyOf(address) === 'ipv4') === (version.digit === '4')

type Entry = readonly [string, Element]

const key = (text: string, value: string | null = null, comment: string | null = null): Entry => [
  text,
  { value, comment },
]

const setOf = (name: string, form: SetForm, elements: readonly Entry[]): RuleSet => ({
  name,
  form,
  elements: new Map(elements),
})

/** An address that moves is of interest only where a listener serves it: else its traffic is no session of ours. */
const surroundingsOf = ({ listeners, virtualAddresses, isPathWatched = false }: KernelRules): Surroundings => {
  const bound = new Set(listeners.flatMap(({ binds }) => binds.map(({ address }) => address)))
  const isServed = (version: IpVersion, address: string): boolean =>
    bound.has(address) || [...bound].some((other) => isUnspecified(other) && isOf(version, other))
  return {
    movingAddresses: (version) =>
      [...new Set(virtualAddresses)].filter(
        (address) => !isUnspecified(address) && isOf(version, address) && isServed(version, address),
      ),
    hasListener: (version) => listeners.some((listener) => versionOf(listener) === version),
    isPathWatched,
  }
}

const setsOfVersion = (
  version: IpVersion,
  { listeners, numbering }: KernelRules,
  { movingAddresses }: Surroundings,
): readonly RuleSet[] => {
  const { digit, addressType } = version
  const own = listeners.filter((listener) => versionOf(listener) === version)
  const binds = own.flatMap(({ name, binds: all }) =>
    all.map(({ address, port }) => ({ address, port, verdict: `goto ${listenerChain(name)}` })),
  )
  const addresses = movingAddresses(version)
  const setName = addressSet(version, addresses)
  return [
    setOf(
      `binds${digit}`,
      { key: [addressType, 'inet_service'], value: ['verdict'] },
      binds
        .filter(({ address }) => !isUnspecified(address))
        .map(({ address, port, verdict }) => key(`${address} . ${port}`, verdict)),
    ),
    setOf(
      `any${digit}`,
      { key: ['inet_service'], value: ['verdict'] },
      binds.filter(({ address }) => isUnspecified(address)).map(({ port, verdict }) => key(`${port}`, verdict)),
    ),
    ...(setName === null
      ? []
      : [
          setOf(
            setName,
            { key: [addressType], value: null },
            addresses.map((address) => key(address)),
          ),
        ]),
    { name: `settling${digit}`, form: { key: [addressType], value: null, flags: ['timeout'] }, elements: null },
    setOf(
      `servers${digit}`,
      { key: ['mark'], value: [addressType, 'inet_service'], isCounting: true },
      own.flatMap(({ name: listener, servers }) =>
        servers.map(({ name: server, address, port }) => {
          const mark = numbering.get(numberKey({ listener, server })) ?? 0
          return key(markText(mark), `${address} . ${port}`)
        }),
      ),
    ),
  ]
}

/** Ports of listeners and of their servers: what belongs to a virtual address beside its own services is left alone. */
const portsOf = (listeners: readonly KernelListener[]): readonly number[] =>
  [...new Set(listeners.flatMap(({ binds, servers }) => [...binds, ...servers].map(({ port }) => port)))].sort(
    (a, b) => a - b,
  )

const timeoutPolicies = ({ listeners, keptTimeouts }: KernelRules): readonly TimeoutPolicy[] => {
  const policies = [...listeners.map((listener) => policyOf(versionOf(listener), listener.timeouts)), ...keptTimeouts]
  return [...new Map(policies.map((policy) => [policy.name, policy])).values()]
}

/** Of thousands of sessions a second entries must not stay for two minutes each: the table would be full. */
const timeWait = 10

const policyOf = (version: IpVersion, timeouts: KernelTimeouts): TimeoutPolicy => {
  const connect = secondsOf(timeouts.connect)
  return {
    name: timeoutName(version, timeouts),
    family: version.protocol,
    policy: {
      syn_sent: connect,
      syn_recv: connect,
      established: secondsOf(timeouts.idle),
      time_wait: timeWait,
    },
  }
}
