// Rules that keep the kernel from answering those who ask where certain addresses are: they are being handed over.

import { addressBytes, type Family, familyOf, isLinkLocal } from '../../core/ip-address.ts'

const table = 'balancer_handover'

/** The tables of these rules, as nft lists them. */
export const handOverTables: readonly string[] = ['arp', 'ip6'].map((family) => `${family} ${table}`)

/** Deletes what earlier rules left, whatever it was; applied with others it leaves no moment without rules. */
const clearing = ['arp', 'ip6'].flatMap((family) => [`add table ${family} ${table}`, `delete table ${family} ${table}`])

/** An address with its interface. */
export type Place = { readonly address: string; readonly device: string }

/**
 * The text for nft that hides exactly these addresses until a moment in whole seconds since the epoch: by then they are
 * handed over, or the program that asked for it is dead. Without addresses nothing is left behind.
 */
export const hidingRules = (places: readonly Place[], until: number): string => {
  const rulesOf = (family: Family, asking: (addresses: readonly string[]) => string): readonly string[] => {
    const own = places.filter(({ address }) => familyOf(address) === family)
    const everywhere = own.filter(({ address }) => !isLinkLocal(address)).map(({ address }) => address)
    // A link-local one may stand on another interface too, and stay there.
    const local = own.filter(({ address }) => isLinkLocal(address))
    return [
      ...(everywhere.length > 0 ? [asking(everywhere)] : []),
      ...local.map(({ address, device }) => `iifname "${device}" ${asking([address])}`),
    ]
  }
  const ipv4 = rulesOf('ipv4', (addresses) => `arp operation request arp daddr ip { ${addresses.join(', ')} }`)
  const ipv6 = rulesOf(
    'ipv6',
    (addresses) => `icmpv6 type nd-neighbor-solicit @th,64,128 { ${addresses.map(hex).join(', ')} }`,
  )
  return [...clearing, ...chain('arp', until, ipv4), ...chain('ip6', until, ipv6), ''].join('\n')
}

const chain = (family: 'arp' | 'ip6', until: number, asking: readonly string[]): readonly string[] => {
  if (asking.length === 0) return []
  const rules = asking.map((one) => `meta time < ${until} ${one} drop;`).join(' ')
  return [`table ${family} ${table} { chain input { type filter hook input priority 0; policy accept; ${rules} }; }`]
}

/** The target of a neighbour solicitation (RFC 4861 section 4.3) as nft compares it: one number of 128 bits. */
const hex = (address: string): string =>
  `0x${addressBytes(address)
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')}`
