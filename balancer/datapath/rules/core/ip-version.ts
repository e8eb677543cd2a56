// The two versions of IP in the words of nft.

import { familyOf } from '../../../core/ip-address.ts'

/** IP's two versions, as names of things and as nft calls them. */
export type IpVersion = {
  readonly digit: '4' | '6'
  readonly protocol: 'ip' | 'ip6'
  readonly addressType: 'ipv4_addr' | 'ipv6_addr'
}
export const ipv4: IpVersion = { digit: '4', protocol: 'ip', addressType: 'ipv4_addr' }
export const ipv6: IpVersion = { digit: '6', protocol: 'ip6', addressType: 'ipv6_addr' }
export const ipVersions = [ipv4, ipv6] as const

/** That of an address or prefix. */
export const versionOf = (address: string): IpVersion => (familyOf(address) === 'ipv4' ? ipv4 : ipv6)
