// What an address and port lack on this host, in words for the operator.

import { type Entry, isIpv6 } from './entry.ts'
import { effective, type Found, isSilent } from './plan.ts'
import { hasLinesOf } from './rules.ts'

const silentKeys = ['arp_ignore', 'arp_announce'] as const

/** Nothing, where an entry is ready. `devices` are the interfaces that have to be silent about it. */
export const missingFor = (
  entry: Entry,
  { loopback, settings, table: there }: Found,
  devices: readonly string[],
  table: string,
): readonly string[] => [
  ...(loopback.includes(entry.address) ? [] : [notOnLoopback(entry.address)]),
  ...(isIpv6(entry.address) ? [] : devices).flatMap((device) =>
    silentKeys
      .filter((key) => !isSilent(settings, device, key))
      .map((key) => `${device} ${effects[key]} it: ${key} is ${effective(settings, device, key)}`),
  ),
  ...rulesMissing(entry, there, table),
]

const effects = { arp_ignore: 'answers ARP for', arp_announce: 'may announce' } as const

/** The agent sees this by itself, whatever the one who put it there says. */
export const notOnLoopback = (address: string): string => `${address} is not on lo`

const rulesMissing = (entry: Entry, there: Found['table'], table: string): readonly string[] => {
  switch (there.is) {
    case 'none':
      return [`there are no rules in nftables: no table inet ${table}`]
    case 'foreign':
      return [`the table inet ${table} is not ours and is not touched; remove it with nft delete table inet ${table}`]
    case 'unknown':
      return [there.why]
    case 'ours':
      return hasLinesOf(entry, there.lines) ? [] : [`rules of it are missing in the table inet ${table}`]
    default:
      return there satisfies never
  }
}
