// Counters along the way of new sessions, and what they tell: packets that are lost between two of them meet rules or
// settings of others, whatever these are. The chains belong into the table of the datapath.

import type { SessionMark } from './path-findings.ts'

/**
 * The places that are counted, in the order of a packet: behind the translation of the address, and first and last of all
 * rules that may drop what is forwarded.
 */
const places = ['arrived', 'entered', 'left'] as const
type Place = (typeof places)[number]

/** Both ways of both families: another program may filter IPv6 alone. */
const ways = [
  { direction: 'request', match: 'ct direction original' },
  { direction: 'answer', match: 'ct direction reply' },
] as const
type Direction = (typeof ways)[number]['direction']
const families = ['ipv4', 'ipv6'] as const
type Family = (typeof families)[number]

const counterOf = (direction: Direction, family: Family, place: Place): string => `path_${direction}_${family}_${place}`

/** Priorities behind `dstnat` (-100), and before and behind everything else. */
const hooks = {
  arrived: { type: 'filter', hook: 'prerouting', priority: -99 },
  entered: { type: 'filter', hook: 'forward', priority: -2_000_000_000 },
  left: { type: 'filter', hook: 'forward', priority: 2_000_000_000 },
} as const

/**
 * With one interface between clients and servers a kernel tells clients of IPv6 that the server is on their link, once a
 * second. What is translated makes no such message of IPv4: conntrack drops it.
 */
const silence = {
  name: 'path_redirects',
  hook: { type: 'filter', hook: 'output', priority: 0 },
  rules: ['icmpv6 type nd-redirect drop'],
} as const

/** The counters and chains for a table of the family inet; their names begin with `path_`. */
export const pathWitness = ({ mask, value }: Pick<SessionMark, 'mask' | 'value'>) => {
  const marked = `ct mark and 0x${mask.toString(16)} == 0x${value.toString(16)}`
  const rulesAt = (place: Place): readonly string[] => [
    // All but the first two packets of a session leave at once.
    'tcp flags and syn != syn accept',
    ...ways.flatMap(({ direction, match }) =>
      families.map((family) =>
        [
          `meta nfproto ${family} ${match} ${marked}`,
          // What is for this host itself is not forwarded.
          ...(place === 'arrived' ? ['fib daddr type != local'] : []),
          `counter name "${counterOf(direction, family, place)}"`,
        ].join(' '),
      ),
    ),
  ]
  return {
    counters: ways.flatMap(({ direction }) =>
      families.flatMap((family) => places.map((place) => counterOf(direction, family, place))),
    ),
    chains: [...places.map((place) => ({ name: `path_${place}`, hook: hooks[place], rules: rulesAt(place) })), silence],
  }
}

/** Packets by the name of the counter. */
export type Counts = ReadonlyMap<string, number>

/** Packets that were lost on a way between two looks, of those that came; `all` of them, or some. */
export type Loss = {
  readonly direction: Direction
  readonly family: Family
  readonly where: 'before forwarding' | 'while forwarding'
  readonly lost: number
  readonly of: number
  readonly isComplete: boolean
}

/** One lost packet may be on its way between two counters. */
const fewest = 3

/** What was lost between two looks. Counters that went back are new ones. */
export const lossesBetween = (before: Counts, now: Counts): readonly Loss[] =>
  ways.flatMap(({ direction }) =>
    families.flatMap((family) => {
      const grown = (place: Place): number => {
        const name = counterOf(direction, family, place)
        const [old, fresh] = [before.get(name) ?? 0, now.get(name) ?? 0]
        return fresh < old ? fresh : fresh - old
      }
      const [arrived, entered, left] = [grown('arrived'), grown('entered'), grown('left')]
      const loss = (where: Loss['where'], of: number, through: number): readonly Loss[] =>
        of - through < fewest ? [] : [{ direction, family, where, lost: of - through, of, isComplete: through === 0 }]
      return [...loss('before forwarding', arrived, entered), ...loss('while forwarding', entered, left)]
    }),
  )

/** A sentence for the log; what is in the way by the rules, if anything is known, goes with it. */
export const lossText = ({ direction, family, where, lost, of, isComplete }: Loss): string => {
  const what = direction === 'request' ? 'connections of clients to the servers' : 'answers of the servers'
  const version = family === 'ipv4' ? 'IPv4' : 'IPv6'
  const cause =
    where === 'while forwarding'
      ? 'rules of another program drop them in forward: look at nft list ruleset and iptables-legacy -L FORWARD -v'
      : 'this host does not forward them: look for rp_filter = 1 on the interface, forwarding = 0, or no route to where they go'
  return `${isComplete ? 'All' : `${lost} of ${of}`} ${what} over ${version} are lost on this host; ${cause}`
}
