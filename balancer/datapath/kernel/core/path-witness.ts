// Counters along the way of new sessions, and what they tell: packets that are lost between two of them meet rules or
// settings of others, whatever these are. They are parts of the table of the datapath.

import { type IpVersion, ipVersions } from '../../rules/core/ip-version.ts'
import type { Chain } from '../../rules/core/table.ts'
import { markText, ownMark, ownMask } from './marks.ts'

/** The two places that are counted: where the address is translated, and behind all rules that may drop what is forwarded. */
type Place = 'arrived' | 'left'
/** Both ways of both families are counted apart: another program may filter IPv6 alone. */
type Direction = 'request' | 'answer'
const directions = ['request', 'answer'] as const

/** The counter of a place. */
export const pathCounter = (direction: Direction, { digit }: IpVersion, place: Place): string =>
  `path/${direction}/ipv${digit}/${place}`

/** All of them. */
export const pathCounters: readonly string[] = directions.flatMap((direction) =>
  ipVersions.flatMap((version) => [
    pathCounter(direction, version, 'arrived'),
    pathCounter(direction, version, 'left'),
  ]),
)

/**
 * Requests are counted where they are translated, which only the first packet of a session is, and again when what was
 * lost is sent anew: that costs a session that is under way nothing. An answer meets no translation. It takes these rules and a
 * base chain, which every packet meets: they are there while the path is watched.
 */
export const answerRules = (place: Place): readonly string[] =>
  ipVersions.map(
    (version) =>
      // What is for this host itself is not sent on.
      `ct direction reply meta nfproto ipv${version.digit} tcp flags and (syn | rst | ack) == syn | ack fib daddr type != local counter name "${pathCounter('answer', version, place)}"`,
  )

/** Where answers leave, behind everything else. */
export const answersLeft: Chain = {
  name: 'path-answers',
  hook: { type: 'filter', hook: 'postrouting', priority: 2_000_000_000 },
  rules: [
    'ct status assured accept',
    `ct mark and ${markText(ownMask)} != ${markText(ownMark)} accept`,
    ...answerRules('left'),
  ],
}

/** Packets by the name of the counter. */
export type Counts = ReadonlyMap<string, number>

/** Packets that were lost on a way between two looks, of those that came; `all` of them, or some. */
export type Loss = {
  readonly direction: Direction
  readonly version: IpVersion
  readonly lost: number
  readonly of: number
  readonly isComplete: boolean
}

/** One lost packet may be on its way between two counters. */
const fewest = 3

/** What was lost between two looks. Counters that went back are new ones. */
export const lossesBetween = (before: Counts, now: Counts): readonly Loss[] =>
  directions.flatMap((direction) =>
    ipVersions.flatMap((version) => {
      const grown = (place: Place): number => {
        const name = pathCounter(direction, version, place)
        const [old, fresh] = [before.get(name) ?? 0, now.get(name) ?? 0]
        return fresh < old ? fresh : fresh - old
      }
      const [of, through] = [grown('arrived'), grown('left')]
      return of - through < fewest ? [] : [{ direction, version, lost: of - through, of, isComplete: through === 0 }]
    }),
  )

/** A sentence for the log; what is in the way by the rules, if anything is known, goes with it. */
export const lossText = ({ direction, version, lost, of, isComplete }: Loss): string => {
  const what = direction === 'request' ? 'connections of clients to the servers' : 'answers of the servers'
  return [
    `${isComplete ? 'All' : `${lost} of ${of}`} ${what} over IPv${version.digit} are lost on this host.`,
    'Either rules of another program drop them in forward: look at nft list ruleset and iptables-legacy -L FORWARD -v.',
    'Or this host does not forward them: look for rp_filter = 1 on the interface, forwarding = 0, or no route to where they go',
  ].join(' ')
}
