// Rules of others on this host that drop advertisements of VRRP: which, what comes of it, and the command that lets them pass.

import type { Packet } from './packet-match.ts'
import { type Fate, fateOf } from './packet-walk.ts'
import type { Chain } from './ruleset.ts'

/**
 * Where the advertisements of an instance pass. `device`: null where that is another one from time to time; `own` and `peers` are
 * addresses: null where they are not known before, `[null]` with multicast, whose group is `group`.
 */
export type AdvertisementPath = {
  readonly instance: string
  readonly family: 'ipv4' | 'ipv6'
  readonly device: string | null
  readonly own: string | null
  readonly peers: readonly (string | null)[]
  readonly group: string | null
}

/** The number of VRRP among the protocols of IP. */
const protocolNumber = 112
/** Where connections are tracked, among the priorities of netfilter. */
const tracking = -200

/** A rule that is in the way of `instance`, and what lets the packets pass. `isSure`: no condition that cannot be told from here does already. */
export type AdvertisementFinding = {
  readonly instance: string
  readonly isSure: boolean
  readonly what: string
  readonly remedy: string
}

/** Each rule that drops what an instance says or should hear; each rule stands once, with the first instance. */
export const advertisementFindings = (
  paths: readonly AdvertisementPath[],
  chains: readonly Chain[],
): readonly AdvertisementFinding[] => {
  const found = new Map<string, AdvertisementFinding>()
  for (const path of paths) {
    for (const { way, hook, packet } of path.peers.flatMap((peer) => journeys(path, peer))) {
      for (const base of chains) {
        if (base.hook?.name !== hook || base.hook.type === 'nat') continue
        if (base.family !== 'inet' && base.family !== packet.family) continue
        const isTracked = base.hook.priority >= tracking
        const fate = fateOf(isTracked ? packet : { ...packet, tracked: null }, base, chains)
        if (fate.verdict !== 'drop') continue
        const key = [way, fate.chain.family, fate.chain.table, fate.chain.name, fate.rule?.handle].join(' ')
        if (found.has(key)) continue
        const what = sentence(path.instance, way, fate)
        found.set(key, { instance: path.instance, isSure: fate.isSure, what, remedy: remedyFor(base, chains) })
      }
    }
  }
  return [...found.values()]
}

type Journey = { readonly way: 'in' | 'out'; readonly hook: string; readonly packet: Packet }

/** An advertisement of `peer`, and one for it. */
const journeys = ({ family, device, own, group }: AdvertisementPath, peer: string | null): readonly Journey[] => {
  const common = {
    family: family === 'ipv4' ? 'ip' : 'ip6',
    protocol: 'vrrp',
    flags: [],
    isLocal: group === null ? true : null,
    tracked: { state: 'new', mark: 0, status: [], direction: 'original' },
  } as const
  const place = (address: string | null) => ({ address, port: null })
  const from = { ...common, input: device, output: null, source: place(peer), destination: place(group ?? own) }
  const to = { ...common, input: null, output: device, source: place(own), destination: place(group ?? peer) }
  return [
    ...['prerouting', 'input'].map((hook) => ({ way: 'in', hook, packet: from }) as const),
    ...['output', 'postrouting'].map((hook) => ({ way: 'out', hook, packet: to }) as const),
  ]
}

const consequences: Readonly<Record<Journey['way'], string>> = {
  in: 'drops the advertisements of other balancers, and this one becomes master beside them',
  out: 'drops the advertisements of this balancer, and others become master beside it',
}

const sentence = (
  instance: string,
  way: Journey['way'],
  { chain, rule, isSure }: Fate & { readonly isSure: boolean },
): string => {
  const place = `chain ${chain.name} of the table ${chain.family} ${chain.table}`
  const by = rule === null ? 'policy drop' : `rule "${rule.text}"`
  const doubt = isSure ? '' : ' (unless another rule lets them pass)'
  return `${instance}: ${place} ${consequences[way]} (${by})${doubt}`
}

/** A command, and where the program that keeps these rules has to know of it: else it throws that away at its next start. */
const remedyFor = (base: Chain, chains: readonly Chain[]): string => {
  if (base.table === 'firewalld') return 'run: firewall-cmd --permanent --add-protocol=vrrp; firewall-cmd --reload'
  const has = (name: string): boolean =>
    chains.some((one) => one.family === base.family && one.table === base.table && one.name === name)
  const isIptables = base.table === 'filter' && base.family !== 'inet' && base.name === base.name.toUpperCase()
  if (!isIptables) {
    const { family, table, name } = base
    return `run: nft insert rule ${family} ${table} ${name} meta l4proto ${protocolNumber} accept, and write that into the file of these rules`
  }
  const [iptables, ufw, file] =
    base.family === 'ip6' ? ['ip6tables', 'ufw6', 'before6.rules'] : ['iptables', 'ufw', 'before.rules']
  const ufwChain = `${ufw}-before-${base.name.toLowerCase()}`
  return has(ufwChain)
    ? `write into /etc/ufw/${file}, before COMMIT: -A ${ufwChain} -p ${protocolNumber} -j ACCEPT; then run: ufw reload`
    : `run: ${iptables} -I ${base.name} -p ${protocolNumber} -j ACCEPT, and keep it where these rules are kept`
}
