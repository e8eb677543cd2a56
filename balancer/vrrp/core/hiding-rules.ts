// Rules that keep the kernel from answering those who ask where certain addresses are: they are being handed over.

import { addressBytes, familyOf } from '../../core/ip-address.ts'

const table = 'balancer_handover'

/** Deletes what earlier rules left, whatever it was; applied with others it leaves no moment without rules. */
const clearing = ['arp', 'ip6'].flatMap((family) => [`add table ${family} ${table}`, `delete table ${family} ${table}`])

/**
 * The text for nft that hides exactly these addresses until a moment in whole seconds since the epoch: by then they are
 * handed over, or the program that asked for it is dead. Without addresses nothing is left behind.
 */
export const hidingRules = (addresses: readonly string[], until: number): string => {
  const ipv4 = addresses.filter((address) => familyOf(address) === 'ipv4')
  const ipv6 = addresses.filter((address) => familyOf(address) === 'ipv6')
  return [
    ...clearing,
    ...(ipv4.length > 0 ? [chain('arp', until, `arp operation request arp daddr ip { ${ipv4.join(', ')} }`)] : []),
    ...(ipv6.length > 0
      ? [chain('ip6', until, `icmpv6 type nd-neighbor-solicit @th,64,128 { ${ipv6.map(hex).join(', ')} }`)]
      : []),
    '',
  ].join('\n')
}

const chain = (family: 'arp' | 'ip6', until: number, asking: string): string =>
  `table ${family} ${table} { chain input { type filter hook input priority 0; policy accept; meta time < ${until} ${asking} drop; }; }`

/** The target of a neighbour solicitation (RFC 4861 section 4.3) as nft compares it: one number of 128 bits. */
const hex = (address: string): string =>
  `0x${addressBytes(address)
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')}`
