// The chains in which packets meet our table. They are the same for all listeners. A packet of a session that is under way
// meets two, one where no address moves, and leaves each as early as can be.

import { forgedMark } from '../../resets/core/forged-syn.ts'
import { type IpVersion, ipVersions, ipv6 } from '../../rules/core/ip-version.ts'
import type { Chain } from '../../rules/core/table.ts'
import { markText, ownMark, ownMask } from './marks.ts'
import { settlingCounter } from './names.ts'
import { answerRules, answersLeft, pathCounter } from './path-witness.ts'

const isOurs = `ct mark and ${markText(ownMask)} == ${markText(ownMark)}`

/** Conntrack has not seen the packet yet. */
const raw = -300
const destinationNat = -100
/** Just behind: the first packet of a session has its mark already. */
const behindDestinationNat = -90
const sourceNat = 100

/** What the chains depend on beside the sets. */
export type Surroundings = {
  /** Addresses that move and that listeners of their family serve. */
  readonly movingAddresses: (version: IpVersion) => readonly string[]
  readonly hasListener: (version: IpVersion) => boolean
  readonly isPathWatched: boolean
}

/** Comparing with so many addresses one by one costs less than looking one up in a set. */
const fewAddresses = 4

/** The set of the addresses that move, where there are more than a few; null where each has rules of its own. */
export const addressSet = ({ digit }: IpVersion, addresses: readonly string[]): string | null =>
  addresses.length > fewAddresses ? `addresses${digit}` : null

/**
 * Traffic of a virtual address that another host holds, which a host that is balancer and database server at once sees:
 * tracked here, its entries would meet those of the sessions that come with the address. On the host that holds it all
 * packets of its sessions that arrive are for the address, and leave with the first rule.
 */
const untrackedOf = (version: IpVersion, addresses: readonly string[]): readonly string[] => {
  const { protocol } = version
  const set = addressSet(version, addresses)
  const places = set === null ? addresses : [`@${set}`]
  return [
    ...places.map((place) => `${protocol} daddr ${place} goto arriving`),
    ...places.map((place) => `${protocol} saddr ${place} fib saddr type != local goto untracked`),
  ]
}

const rawChains = ({ movingAddresses }: Surroundings): readonly Chain[] => {
  const rules = ipVersions.flatMap((version) => untrackedOf(version, movingAddresses(version)))
  const output: Chain = {
    name: 'raw-output',
    hook: { type: 'filter', hook: 'output', priority: raw },
    // What we forge would leave an entry behind that the client's next session meets.
    rules: [`meta mark ${markText(forgedMark)} notrack`, ...rules],
  }
  if (rules.length === 0) return [output]
  return [
    { name: 'untracked', hook: null, rules: ['tcp dport @ports notrack', 'tcp sport @ports notrack'] },
    { name: 'arriving', hook: null, rules: ['fib daddr type local accept', 'goto untracked'] },
    { name: 'raw-prerouting', hook: { type: 'filter', hook: 'prerouting', priority: raw }, rules },
    output,
  ]
}

/** Only the SYN of a client is given to a server. Whatever else has no entry is for this host's own stack, which resets it. */
const dispatch: Chain = {
  name: 'dispatch',
  hook: null,
  rules: [
    'tcp flags and (fin | syn | rst | ack) != syn return',
    ...ipVersions.map(({ protocol, digit }) => `${protocol} daddr . tcp dport vmap @binds${digit}`),
    // A session from a loopback address cannot be sent to another host.
    'ip daddr != 127.0.0.0/8 tcp dport vmap @any4',
    'ip6 daddr != ::1 tcp dport vmap @any6',
  ],
}

/** Where picking a server ends: the mark says which. */
const connect = (version: IpVersion): Chain => ({
  name: connectChain(version),
  hook: null,
  rules: [
    'ct mark vmap @limits',
    `counter name "${pathCounter('request', version, 'arrived')}" meta l4proto tcp dnat ${version.protocol} to ct mark map @servers${version.digit}`,
  ],
})

/** The chain in which picking a server of a family ends. */
export const connectChain = ({ digit }: IpVersion): string => `connect${digit}`

/**
 * Servers see the address that the client asked for, so that their answers follow it to whoever holds it. A server on this
 * host is no exception, or it would see two addresses for one client.
 */
const asVirtualAddress = ipVersions.map(
  (version) =>
    `${isOurs} meta nfproto ipv${version.digit} counter name "${pathCounter('request', version, 'left')}" snat ${version.protocol} to ct original ${version.protocol} daddr`,
)

/**
 * A client is not told that its SYN was refused: its kernel asks again, after a second, and is given another server, for
 * conntrack forgets an entry whose only answer is a reset. RFC 9293 section 3.10.7.1: such a reset has the sequence number 0
 * and an acknowledgement.
 */
const unanswered = ({ isPathWatched }: Surroundings): Chain => ({
  name: 'unanswered',
  hook: null,
  rules: [
    'ct direction reply tcp flags and (fin | syn | rst | ack) == rst | ack tcp sequence 0 ct mark @refused drop',
    'icmp type destination-unreachable icmp code != 4 ct mark @refused drop',
    'icmpv6 type destination-unreachable ct mark @refused drop',
    ...(isPathWatched ? answerRules('arrived') : []),
  ],
})

/** Right after a take-over the entries of its sessions may still be on their way: no reset for them meanwhile. */
const settling = ipVersions.map(
  ({ protocol, digit }) =>
    `${protocol} daddr @settling${digit} fib daddr type local tcp dport @ports tcp flags and (fin | syn | rst | ack) != syn counter name "${settlingCounter}" drop`,
)

/**
 * With one interface between clients and servers a kernel tells clients of IPv6 that the server is on their link, once a
 * second. What is translated makes no such message of IPv4: conntrack drops it.
 */
const silence = ({ hasListener }: Surroundings): readonly string[] =>
  hasListener(ipv6) ? ['icmpv6 type nd-redirect drop'] : []

/** A session that was answered is assured with its client's next packet: it leaves watching with the first rule. */
const answered = 'ct status assured accept'

/**
 * All of them; those that others jump to first. What is watched is watched behind `prerouting` and not in `forward` or `input`,
 * since a base chain costs every packet as much as several rules, and its own packets a host sees in `output`.
 */
export const baseChains = (surroundings: Surroundings): readonly Chain[] => [
  ...ipVersions.map(connect),
  dispatch,
  unanswered(surroundings),
  ...rawChains(surroundings),
  {
    name: 'nat-prerouting',
    hook: { type: 'nat', hook: 'prerouting', priority: destinationNat },
    rules: ['fib daddr type local jump dispatch'],
  },
  {
    name: 'nat-output',
    hook: { type: 'nat', hook: 'output', priority: destinationNat },
    rules: ['fib daddr type local jump dispatch'],
  },
  { name: 'nat-input', hook: { type: 'nat', hook: 'input', priority: sourceNat }, rules: asVirtualAddress },
  { name: 'nat-postrouting', hook: { type: 'nat', hook: 'postrouting', priority: sourceNat }, rules: asVirtualAddress },
  {
    name: 'watch-prerouting',
    hook: { type: 'filter', hook: 'prerouting', priority: behindDestinationNat },
    rules: [answered, 'ct state untracked accept', `${isOurs} jump unanswered`, ...settling],
  },
  {
    name: 'watch-output',
    hook: { type: 'filter', hook: 'output', priority: behindDestinationNat },
    rules: [answered, ...silence(surroundings), `${isOurs} jump unanswered`],
  },
  ...(surroundings.isPathWatched ? [answersLeft] : []),
]
