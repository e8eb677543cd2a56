// What is addressed to a bind and tells no session: it goes to every server, and whom it concerns knows.

import type { IpVersion } from '../../rules/core/ip-version.ts'
import { versionOf } from '../../rules/core/ip-version.ts'
import type { Chain, RuleSet } from '../../rules/core/table.ts'
import type { DirectHost, DirectListener } from './direct-listener.ts'
import { everyoneChain } from './names.ts'

/** Such packets a second that are copied for all servers together: each costs a frame for each server. */
const mostCopies = 2000
const mostPackets = 100

const everyoneMap = ({ digit }: IpVersion): string => `everyone${digit}`

/**
 * The rules that find them, in a base chain: the message that a packet of a server was too large for a router, which names the
 * address that all servers have; and fragments but for the first, which have no ports.
 */
export const strayRules = (version: IpVersion): readonly string[] => {
  const toEveryone = `${version.protocol} daddr vmap @${everyoneMap(version)}`
  return version.digit === '4'
    ? [
        `icmp type destination-unreachable icmp code frag-needed ${toEveryone}`,
        `ip protocol tcp ip frag-off and 0x1fff != 0x0 ${toEveryone}`,
      ]
    : [`icmpv6 type packet-too-big ${toEveryone}`, `frag frag-off != 0 ${toEveryone}`]
}

/** The map from an address to the chain of its servers. */
export const straySet = (version: IpVersion, addresses: readonly string[]): RuleSet => ({
  name: everyoneMap(version),
  form: { key: [version.addressType], value: ['verdict'] },
  elements: new Map(
    addresses
      .filter((address) => versionOf(address) === version)
      .map((address) => [address, { value: `goto ${everyoneChain(address)}`, comment: null }]),
  ),
})

/** The chain that copies a packet for each server of an address, and leaves it to this host too. */
export const strayChain = (
  address: string,
  listeners: readonly DirectListener[],
  { devices }: Pick<DirectHost, 'devices'>,
): Chain => {
  const places = new Map<string, string>()
  for (const { binds, servers } of listeners) {
    if (!binds.some((bind) => bind.address === address)) continue
    for (const { path } of servers) {
      const own = path?.kind === 'link' ? devices.find(({ name }) => name === path.device) : undefined
      if (path?.kind !== 'link' || own === undefined) continue
      const [mac, from] = [path.mac.toLowerCase(), own.mac.toLowerCase()]
      places.set(`${path.device} ${mac}`, `ether saddr set ${from} ether daddr set ${mac} dup to "${path.device}"`)
    }
  }
  const rate = Math.max(1, Math.min(mostPackets, Math.floor(mostCopies / Math.max(1, places.size))))
  return {
    name: everyoneChain(address),
    hook: null,
    rules: [
      ...(places.size === 0 ? [] : [`limit rate over ${rate}/second burst ${rate} packets accept`]),
      ...places.values(),
      'accept',
    ],
  }
}
