// The maps that remember sessions: how their keys are made of packets, and the hash by which a client has its slot.

import type { Endpoint } from '../../../core/endpoint.ts'
import type { SlotTable } from '../../../pool/core/slot-table.ts'
import { type IpVersion, versionOf } from '../../rules/core/ip-version.ts'
import type { RuleSet } from '../../rules/core/table.ts'
import { flowsName, prefixesName } from './names.ts'

/**
 * The last 96 bits of the source. nft before 1.0.9 keeps 16 bytes for the key of a map that rules fill, and writes the value over
 * the rest: a port and a whole address do not fit. Clients that share these bits and the port have the same slot anyway.
 */
const source6 = '@nh,96,96'

/** The key of a session: IPv4 address and port, or port and the last 12 bytes of an IPv6 address. */
export const sessionKey = ({ digit }: IpVersion): string =>
  digit === '4' ? 'ip saddr . tcp sport' : `tcp sport . ${source6}`

/** The slot of a packet's client: jhash over the key of its session, or over the address in it. */
export const slotHash = (version: IpVersion, { hash, slotCount, seed }: SlotTable): string => {
  const source = version.digit === '4' ? 'ip saddr' : source6
  const key = hash === 'source' ? source : sessionKey(version)
  return `jhash ${key} mod ${slotCount} seed 0x${seed.toString(16).padStart(8, '0')}`
}

const mostSessions = 262_144

/**
 * The map of the sessions of a bind. Without a timeout of its own: another one is another map, and the sessions are lost.
 */
export const flowMap = ({ address, port }: Endpoint, size = mostSessions): RuleSet => ({
  name: flowsName(address, port),
  form: {
    ...(versionOf(address).digit === '4'
      ? { key: ['ipv4_addr', 'inet_service'] }
      : { key: ['inet_service', 'integer'], keyExpression: `tcp sport . ${source6}` }),
    value: ['mark'],
    flags: ['dynamic', 'timeout'],
    size,
  },
  elements: null,
})

const [mostPrefixes, prefixSeconds] = [4096, 7 * 86_400]

/** What the keys of IPv6 leave out, by which whoever reads them finds the address: few prefixes have clients. */
export const prefixes: RuleSet = {
  name: prefixesName,
  form: {
    key: ['ipv6_addr'],
    value: null,
    flags: ['dynamic', 'timeout'],
    timeout: prefixSeconds,
    size: mostPrefixes,
  },
  elements: null,
}

/** Remembers the prefix of a packet's client. */
export const prefixRules = ({ digit }: IpVersion): readonly string[] =>
  digit === '4' ? [] : [`update @${prefixesName} { ip6 saddr and ffff:ffff:: }`]
