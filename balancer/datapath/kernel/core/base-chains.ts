// The chains in which packets meet our table. They are the same for all listeners; a packet of a session that is under way
// passes three of them, and leaves each as early as can be.

import type { Chain } from '../../rules/core/table.ts'
import { markText, ownMark, ownMask } from './marks.ts'
import { type IpVersion, ipVersions, settlingCounter } from './names.ts'

const isOurs = `ct mark and ${markText(ownMask)} == ${markText(ownMark)}`
const isForeign = `ct mark and ${markText(ownMask)} != ${markText(ownMark)}`

/** Conntrack has not seen the packet yet. */
const raw = -300
const destinationNat = -100
/** Just behind: the first packet of a session has its mark already. */
const behindDestinationNat = -90
const sourceNat = 100

/**
 * Traffic of a virtual address that another host holds, which a host that is balancer and database server at once sees:
 * tracked here, its entries would meet those of the sessions that come with the address.
 */
const unheld: readonly string[] = ipVersions.flatMap(({ protocol, digit }) =>
  (['daddr', 'saddr'] as const).map(
    (side) => `${protocol} ${side} @addresses${digit} fib ${side} type != local goto untracked`,
  ),
)
const untracked: Chain = {
  name: 'untracked',
  hook: null,
  rules: ['tcp dport @ports notrack', 'tcp sport @ports notrack'],
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
const connect = ({ protocol, digit }: IpVersion): Chain => ({
  name: `connect${digit}`,
  hook: null,
  rules: ['ct mark vmap @limits', `meta l4proto tcp dnat ${protocol} to ct mark map @servers${digit}`],
})

/** The chain in which picking a server of a family ends. */
export const connectChain = ({ digit }: IpVersion): string => `connect${digit}`

/**
 * Servers see the address that the client asked for, so that their answers follow it to whoever holds it. A server on this
 * host is no exception, or it would see two addresses for one client.
 */
const asVirtualAddress = [
  `${isOurs} meta nfproto ipv4 snat ip to ct original ip daddr`,
  `${isOurs} meta nfproto ipv6 snat ip6 to ct original ip6 daddr`,
]

const account = [
  `${isForeign} accept`,
  'ct direction original ct mark @sent accept',
  // What is left is an answer.
  'ct mark @received accept',
]

/** A session that was answered is assured with its client's next packet: it leaves here. */
const watchFailures = ['ct status assured accept', `${isOurs} jump unanswered`]

/**
 * A client is not told that its SYN was refused: its kernel asks again, after a second, and is given another server, for
 * conntrack forgets an entry whose only answer is a reset. RFC 9293 section 3.10.7.1: such a reset has the sequence number 0
 * and an acknowledgement.
 */
const unanswered: Chain = {
  name: 'unanswered',
  hook: null,
  rules: [
    'ct direction reply tcp flags and (fin | syn | rst | ack) == rst | ack tcp sequence 0 ct mark @refused drop',
    'icmp type destination-unreachable icmp code != 4 ct mark @refused drop',
    'icmpv6 type destination-unreachable ct mark @refused drop',
  ],
}

/** Right after a take-over the entries of its sessions may still be on their way: no reset for them meanwhile. */
const settling = ipVersions.map(
  ({ protocol, digit }) =>
    `${protocol} daddr @settling${digit} tcp dport @ports tcp flags and (fin | syn | rst | ack) != syn counter name "${settlingCounter}" drop`,
)

/** All of them; those that others jump to first. */
export const baseChains: readonly Chain[] = [
  untracked,
  ...ipVersions.map(connect),
  dispatch,
  unanswered,
  { name: 'raw-prerouting', hook: { type: 'filter', hook: 'prerouting', priority: raw }, rules: unheld },
  { name: 'raw-output', hook: { type: 'filter', hook: 'output', priority: raw }, rules: unheld },
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
    name: 'account-prerouting',
    hook: { type: 'filter', hook: 'prerouting', priority: behindDestinationNat },
    // What this host says to itself was counted when it was said.
    rules: ['iif lo accept', ...account],
  },
  {
    name: 'account-output',
    hook: { type: 'filter', hook: 'output', priority: behindDestinationNat },
    rules: account,
  },
  { name: 'filter-forward', hook: { type: 'filter', hook: 'forward', priority: 0 }, rules: watchFailures },
  { name: 'filter-output', hook: { type: 'filter', hook: 'output', priority: 0 }, rules: watchFailures },
  {
    name: 'filter-input',
    hook: { type: 'filter', hook: 'input', priority: 0 },
    rules: [...watchFailures, ...settling],
  },
]
