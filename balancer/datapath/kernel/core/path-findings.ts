// Rules of others that stand in the way of the listeners' packets: which, and the command that lets them through.

import type { Endpoint } from '../../../core/endpoint.ts'
import { familyOf } from '../../../core/ip-address.ts'
import type { Packet } from '../../rules/core/packet-match.ts'
import { type Fate, fateOf } from '../../rules/core/packet-walk.ts'
import type { Chain } from '../../rules/core/ruleset.ts'

/** A way that packets take: from clients that come in at `clientSide` to a server behind `serverSide`, null on this host. */
export type Path = {
  readonly bind: Endpoint
  readonly server: Endpoint
  readonly clientSide: string | null
  readonly serverSide: string | null
  readonly isServerHere: boolean
}

/** How sessions are marked in conntrack: `(mark & mask) === value`; `example` is a mark that a session may have. */
export type SessionMark = { readonly mask: number; readonly value: number; readonly example: number }

/** A rule that is in the way. `isSure`: no condition that cannot be told from here lets the packets pass. */
export type PathFinding = { readonly isSure: boolean; readonly text: string }

/** What is in the way. `ours` are the names of tables that are not looked at. Each rule stands once, with one example. */
export const pathFindings = (
  paths: readonly Path[],
  chains: readonly Chain[],
  mark: SessionMark,
  ours: readonly string[],
): readonly PathFinding[] => {
  const foreign = chains.filter(({ table }) => !ours.includes(table))
  const found = new Map<string, PathFinding>()
  for (const path of paths) {
    for (const journey of journeys(path, mark)) {
      for (const base of foreign) {
        if (!isAt(base, journey)) continue
        const fate = fateOf(journey.packet, base, foreign)
        if (fate.verdict === 'accept' || (fate.verdict === 'notrack' && !isBeforeTracking(base))) continue
        const key = [journey.what, fate.chain.family, fate.chain.table, fate.chain.name, fate.rule?.handle].join(' ')
        if (!found.has(key)) found.set(key, { isSure: fate.isSure, text: sentence(fate, base, journey, foreign, mark) })
      }
    }
  }
  return [...found.values()]
}

/** One packet at one hook. `isRaw`: before connections are tracked, and so before the address is translated. */
type Journey = {
  readonly what: keyof typeof words
  readonly hook: string
  readonly isRaw: boolean
  readonly packet: Packet
}

const words = {
  request: 'what clients send to the servers',
  answer: 'what the servers answer',
  ending: 'the packets by which waiting clients of a dead server learn of it',
} as const

const any = { address: null, port: null }

const journeys = (path: Path, { example: mark }: SessionMark): readonly Journey[] => {
  const { bind, server, clientSide, serverSide, isServerHere } = path
  const family = familyOf(server.address) === 'ipv4' ? 'ip' : 'ip6'
  const status = ['snat', 'dnat', 'confirmed']
  const fresh = { state: 'new', mark, status, direction: 'original' } as const
  const known = { state: 'established', mark, status: [...status, 'seen-reply'], direction: 'reply' } as const
  const stranger = { state: 'new', mark: 0, status: [], direction: 'original' } as const
  const request = { family, source: any, destination: server, flags: ['syn'], tracked: fresh } as const
  const answer = { family, source: server, destination: any, flags: ['syn', 'ack'], tracked: known } as const
  const ending = { family, source: any, destination: bind, flags: ['ack'], tracked: stranger } as const
  const at = (what: Journey['what'], hook: string, packet: Packet, isRaw = false): Journey => ({
    ...{ what, hook, packet, isRaw },
  })
  const inside = isServerHere
    ? [
        at('request', 'input', { ...request, input: clientSide, output: null, isLocal: true }),
        at('answer', 'output', { ...answer, input: null, output: clientSide, isLocal: false }),
      ]
    : [
        at('request', 'forward', { ...request, input: clientSide, output: serverSide, isLocal: false }),
        at('answer', 'forward', { ...answer, input: serverSide, output: clientSide, isLocal: false }),
        at('request', 'postrouting', { ...request, input: clientSide, output: serverSide, isLocal: false }),
        at('answer', 'postrouting', { ...answer, input: serverSide, output: clientSide, isLocal: false }),
        at('answer', 'prerouting', { ...answer, input: serverSide, output: null, isLocal: false }),
        at(
          'answer',
          'prerouting',
          {
            ...answer,
            destination: { ...bind, port: null },
            input: serverSide,
            output: null,
            isLocal: true,
            tracked: null,
          },
          true,
        ),
      ]
  return [
    at(
      'request',
      'prerouting',
      { ...request, destination: bind, input: clientSide, output: null, isLocal: true, tracked: null },
      true,
    ),
    at('request', 'prerouting', { ...request, input: clientSide, output: null, isLocal: isServerHere }),
    ...inside,
    at('ending', 'input', { ...ending, input: clientSide, output: null, isLocal: true }),
  ]
}

/** Priorities of netfilter: conntrack, and the translation of the destination. */
const tracking = -200
const translation = -100

const isBeforeTracking = ({ hook }: Chain): boolean => hook !== null && hook.priority < tracking

const isAt = ({ hook, family }: Chain, { hook: name, isRaw, packet }: Journey): boolean => {
  if (hook === null || hook.name !== name || hook.type === 'nat') return false
  if (family !== 'inet' && family !== packet.family) return false
  if (name !== 'prerouting') return true
  return isRaw ? hook.priority < tracking : hook.priority > translation
}

const sentence = (
  fate: Fate,
  base: Chain,
  { what, packet }: Journey,
  chains: readonly Chain[],
  mark: SessionMark,
): string => {
  const { chain, rule, verdict } = fate
  const place = `chain ${chain.name} of the table ${chain.family} ${chain.table}`
  const by = rule === null ? 'policy drop' : `rule "${rule.text}"`
  const does =
    verdict === 'notrack'
      ? `keeps ${words[what]} from being tracked, and so from being forwarded`
      : `drops ${words[what]}`
  return `${place} ${does} (${by}); run: ${remedy(fate, base, what, packet, chains, mark)}`
}

/** A command for the program that keeps these rules: what it does not know of it throws away at its next start. */
const remedy = (
  { chain, rule, verdict }: Fate,
  base: Chain,
  what: Journey['what'],
  packet: Packet,
  chains: readonly Chain[],
  { mask, value }: SessionMark,
): string => {
  const has = (name: string): boolean =>
    chains.some((one) => one.family === base.family && one.table === base.table && one.name === name)
  if (verdict === 'notrack')
    return `nft delete rule ${chain.family} ${chain.table} ${chain.name} handle ${rule?.handle}`
  const isIptables = base.table === 'filter' && base.family !== 'inet' && base.name === base.name.toUpperCase()
  const { address, port } = packet.destination
  const isUfw = has(base.family === 'ip' ? 'ufw-user-input' : 'ufw6-user-input')
  const iptables = base.family === 'ip6' ? 'ip6tables' : 'iptables'
  const hex = (number: number): string => `0x${number.toString(16)}`
  if (isIptables && isUfw && address !== null) {
    if (base.name === 'FORWARD')
      return `ufw route allow proto tcp to ${address} port ${port} (the same for each server)`
    if (base.name === 'INPUT') return `ufw allow proto tcp to ${address} port ${port}`
  }
  const byMark = what !== 'ending'
  if (isIptables) {
    const into = base.name === 'FORWARD' && has('DOCKER-USER') ? 'DOCKER-USER' : base.name
    const which = byMark ? `-m connmark --mark ${hex(value)}/${hex(mask)}` : `-p tcp -d ${address} --dport ${port}`
    return `${iptables} -I ${into} ${which} -j ACCEPT`
  }
  const which = byMark
    ? `ct mark and ${hex(mask)} == ${hex(value)}`
    : `${packet.family} daddr ${address} tcp dport ${port}`
  return `nft insert rule ${base.family} ${base.table} ${base.name} ${which} accept`
}
