// Rules of others, at the ingress of interfaces or where frames leave, that drop what clients send to the listeners.

import { type Endpoint, endpointText } from '../../../core/endpoint.ts'
import { familyOf } from '../../../core/ip-address.ts'
import type { Packet } from '../../rules/core/packet-match.ts'
import { fateOf } from '../../rules/core/packet-walk.ts'
import type { Chain } from '../../rules/core/ruleset.ts'

/** A rule that is in the way. `isSure`: no condition that cannot be told from here lets the packets pass. */
export type PathFinding = { readonly isSure: boolean; readonly text: string }

/** The priority of our own chains at ingress: what comes behind does not see what was passed on. */
const ownPriority = 0

/** What is in the way of packets to the binds that come in or leave by these interfaces. `ours` is the name of our table. */
export const pathFindings = (
  binds: readonly Endpoint[],
  devices: readonly string[],
  chains: readonly Chain[],
  ours: string,
): readonly PathFinding[] => {
  const foreign = chains.filter(({ family, table }) => family !== 'netdev' || table !== ours)
  const found = new Map<string, PathFinding>()
  for (const base of foreign) {
    const { hook } = base
    if (hook === null || !isInTheWay(hook)) continue
    for (const device of devices.filter((name) => hook.devices.includes(name))) {
      for (const bind of binds) {
        const fate = fateOf(packetTo(bind, device), base, foreign)
        if (fate.verdict !== 'drop') continue
        const { chain, rule } = fate
        const key = [chain.family, chain.table, chain.name, rule?.handle].join(' ')
        const by = rule === null ? 'policy drop' : `rule "${rule.text}"`
        const version = familyOf(bind.address) === 'ipv4' ? 'ip' : 'ip6'
        const text =
          `chain ${chain.name} of the table ${chain.family} ${chain.table} drops what clients send to ${endpointText(bind)} (${by}); ` +
          `run: nft insert rule ${base.family} ${base.table} ${base.name} ${version} daddr ${bind.address} tcp dport ${bind.port} accept`
        if (!found.has(key)) found.set(key, { isSure: fate.isSure, text })
      }
    }
  }
  return [...found.values()]
}

const isInTheWay = ({ name, priority }: NonNullable<Chain['hook']>): boolean =>
  name === 'egress' || (name === 'ingress' && priority <= ownPriority)

const packetTo = (bind: Endpoint, device: string): Packet => ({
  family: familyOf(bind.address) === 'ipv4' ? 'ip' : 'ip6',
  ...{ input: device, output: device },
  source: { address: null, port: null },
  destination: bind,
  flags: ['syn'],
  isLocal: false,
  tracked: null,
})
