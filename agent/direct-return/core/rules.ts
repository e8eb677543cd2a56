// The rules of nftables that a server needs: ports that differ, refusals that are not sent, bytes that are counted.

import * as z from 'zod'
import { type Entry, endpointOf, isIpv6 } from './entry.ts'

/** Its set marks the table as ours, and names the form of the rules: another version of this program makes them anew. */
const ownerSet = 'mysqlchk_agent_1'
const ownerSets = /^mysqlchk_agent_\d+$/

/** What goes out from an address and port. */
export type Traffic = { readonly packets: number; readonly bytes: number }

/** `name` is that of the configuration file: further agents on this host have tables of their own. */
export const tableOf = (name: string): string =>
  `mysqlchk_direct_return${name === 'agent' ? '' : `_${name.replace(/[^A-Za-z0-9]/g, '_')}`}`

export const counterOf = ({ address, port }: Pick<Entry, 'address' | 'port'>): string =>
  `out_${address.replace(/[.:]/g, '_')}_${port}`

type Rule = { readonly text: string; readonly comment: string }
type Chain = { readonly name: string; readonly hook: string; readonly rules: readonly Rule[] }

const chainsFor = (entries: readonly Entry[]): readonly Chain[] => {
  const differing = entries.filter(({ port, serverPort }) => port !== serverPort)
  const redirects = differing.map((entry) => ({
    text: `${ip(entry)} daddr ${entry.address} tcp dport ${entry.port} redirect to :${entry.serverPort}`,
    comment: `${endpointOf(entry)} is port ${entry.serverPort} here`,
  }))
  // `redirect` changes the address too: rules about it on the way out stand behind the reverse translation, which is at 100.
  const out = entries.flatMap((entry) => {
    const from = `${ip(entry)} saddr ${entry.address} tcp sport ${entry.port}`
    return [
      {
        text: `${from} tcp flags & (rst|ack) == (rst|ack) tcp sequence 0 drop`,
        comment: `${endpointOf(entry)} refuses nobody: who asks again is balanced again`,
      },
      { text: `${from} counter name "${counterOf(entry)}"`, comment: `${endpointOf(entry)} sends` },
    ]
  })
  return [
    ...(redirects.length === 0
      ? []
      : [
          { name: 'prerouting', hook: 'type nat hook prerouting priority -100', rules: redirects },
          { name: 'output', hook: 'type nat hook output priority -100', rules: redirects },
        ]),
    {
      name: 'postrouting',
      hook: 'type filter hook postrouting priority 150',
      // A client on this host always gets this server: a refusal is its answer.
      rules: [{ text: 'oifname "lo" accept', comment: 'clients on this host' }, ...out],
    },
  ]
}

const ip = ({ address }: Pick<Entry, 'address'>): string => (isIpv6(address) ? 'ip6' : 'ip')

/** The commands that put a table in the place of what is there, in one transaction; counters go on from `counted`. */
export const tableText = (table: string, entries: readonly Entry[], counted: ReadonlyMap<string, Traffic>): string =>
  [
    deleteText(table),
    `table inet ${table} {`,
    `  set ${ownerSet} { type mark; }`,
    ...entries.map((entry) => {
      const { packets, bytes } = counted.get(counterOf(entry)) ?? { packets: 0, bytes: 0 }
      return `  counter ${counterOf(entry)} { packets ${packets} bytes ${bytes} }`
    }),
    ...chainsFor(entries).flatMap(({ name, hook, rules }) => [
      `  chain ${name} {`,
      `    ${hook}; policy accept;`,
      ...rules.map(({ text, comment }) => `    ${text} comment "${comment}"`),
      '  }',
    ]),
    '}',
    '',
  ].join('\n')

/** Deletes it, whether it is there or not. */
export const deleteText = (table: string): string => `table inet ${table}\ndelete table inet ${table}\n`

/**
 * What is there under the name of our table. `lines` are its chains and rules in order, a rule by its comment: nft writes
 * rules in another way than it reads them.
 */
export type FoundTable =
  | { readonly is: 'none' | 'foreign' }
  | { readonly is: 'unknown'; readonly why: string }
  | { readonly is: 'ours'; readonly lines: readonly string[]; readonly counted: ReadonlyMap<string, Traffic> }

/** The lines of a table as it should be. */
export const linesFor = (entries: readonly Entry[]): readonly string[] => [
  ownerSet,
  ...entries.map(counterOf).toSorted(),
  ...chainsFor(entries)
    .map(({ name, hook, rules }) => [`${name} ${hook}`, ...rules.map(({ comment }) => comment)].join('\n'))
    .toSorted(),
]

/** What of these lines concerns one entry is all there. */
export const hasLinesOf = (entry: Entry, lines: readonly string[]): boolean => {
  const all = lines.flatMap((line) => line.split('\n'))
  return linesFor([entry]).every((line) => line.split('\n').every((part) => all.includes(part)))
}

const listing = z.object({
  nftables: z.array(
    z.object({
      set: z.object({ name: z.string() }).optional(),
      counter: z.object({ name: z.string(), packets: z.number(), bytes: z.number() }).optional(),
      chain: z
        .object({
          name: z.string(),
          type: z.string().default(''),
          hook: z.string().default(''),
          prio: z.number().default(0),
        })
        .optional(),
      rule: z.object({ chain: z.string(), comment: z.string().default('') }).optional(),
    }),
  ),
})

/** Reads what `nft -j list table` says; empty where there is no table. */
export const readTable = (text: string): FoundTable => {
  if (text === '') return { is: 'none' }
  const parsed = listing.safeParse(fromJson(text))
  if (!parsed.success) return { is: 'unknown', why: 'nft answered with something that is no table' }
  const items = parsed.data.nftables
  const sets = items.flatMap(({ set }) => (set === undefined ? [] : [set.name]))
  if (!sets.some((name) => ownerSets.test(name))) return { is: 'foreign' }
  const counters = items.flatMap(({ counter }) => (counter === undefined ? [] : [counter]))
  const chains = items.flatMap(({ chain }) => (chain === undefined ? [] : [chain]))
  const rulesIn = (name: string) => items.flatMap(({ rule }) => (rule?.chain === name ? [rule.comment] : []))
  return {
    is: 'ours',
    lines: [
      ...sets,
      ...counters.map(({ name }) => name).toSorted(),
      ...chains
        .map(({ name, type, hook, prio }) =>
          [`${name} type ${type} hook ${hook} priority ${prio}`, ...rulesIn(name)].join('\n'),
        )
        .toSorted(),
    ],
    counted: new Map(counters.map(({ name, packets, bytes }) => [name, { packets, bytes }])),
  }
}

const fromJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
