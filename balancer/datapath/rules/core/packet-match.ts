// Whether a statement of a rule matches a packet: yes, no, or not to be told from here.

import { isWithin } from '../../../core/address-kind.ts'
import { familyOf } from '../../../core/ip-address.ts'
import type { Rule, Statement } from './ruleset.ts'

/** A packet on its way, of TCP unless `protocol` says another one. Null: it may be any. `tracked` is null before conntrack has seen it. */
export type Packet = {
  readonly family: 'ip' | 'ip6'
  readonly protocol?: 'tcp' | 'vrrp'
  readonly input: string | null
  readonly output: string | null
  readonly source: { readonly address: string | null; readonly port: number | null }
  readonly destination: { readonly address: string | null; readonly port: number | null }
  readonly flags: readonly string[]
  readonly isLocal: boolean | null
  readonly tracked: {
    readonly state: string
    readonly mark: number
    readonly status: readonly string[]
    readonly direction: 'original' | 'reply'
  } | null
}

export type Answer = 'yes' | 'no' | 'maybe'

/** Whether all conditions of a rule hold. */
export const ruleMatches = ({ expressions, text }: Rule, packet: Packet): Answer =>
  all(expressions.map((one) => statementMatches(one, text, packet)))

/** Statements that let only some of the packets on. */
const rationing = ['limit', 'quota', 'ct count']

const statementMatches = (one: Statement, text: string, packet: Packet): Answer => {
  if (rationing.some((name) => name in one)) return 'maybe'
  if ('xt' in one) return extensionMatches(one['xt'], text, packet)
  const match = fieldsOf(one['match'])
  return match === undefined ? 'yes' : conditionHolds(match, packet)
}

/** An extension of iptables: nft lists its name alone, and its meaning in the text where it knows it. */
const extensionMatches = (extension: unknown, text: string, { tracked }: Packet): Answer => {
  const { type, name } = fieldsOf(extension) ?? {}
  if (type === 'target' || name === 'comment') return 'yes'
  if (name === 'conntrack') {
    const [, not, states] = /\bct state (!= )?([a-z,]+)/.exec(text) ?? []
    if (states === undefined || tracked === null) return 'maybe'
    return opposite(states.split(',').includes(tracked.state) ? 'yes' : 'no', not !== undefined)
  }
  if (name === 'connmark') {
    const [, mask = '0xffffffff', operator, value] =
      /\bct mark (?:(?:and|&) (0x[0-9a-f]+) )?(==|!=)? ?(0x[0-9a-f]+)/.exec(text) ?? []
    if (value === undefined || tracked === null) return 'maybe'
    return opposite((tracked.mark & Number(mask)) >>> 0 === Number(value) ? 'yes' : 'no', operator === '!=')
  }
  return 'maybe'
}

const conditionHolds = (match: Statement, packet: Packet): Answer => {
  const { op, left, right } = match
  const found = valueAt(left, packet)
  if (found === 'absent') return 'no'
  if (found === null) return 'maybe'
  const isIn = right === null || right === undefined ? 'maybe' : contains(right, found)
  switch (op) {
    case '==':
    case 'in':
      return isIn
    case '!=':
      return opposite(isIn, true)
    default:
      return 'maybe'
  }
}

/** A value, several of which one has to fit (`any`), or all together (`exactly`: flags behind a mask). */
type Value = string | number | { readonly any: readonly string[] } | { readonly exactly: readonly string[] }

/** What the packet has there: null if it cannot be told, `absent` if it is no such packet. */
const valueAt = (left: unknown, packet: Packet): Value | 'absent' | null => {
  const { meta, payload, ct, fib, '&': masked } = fieldsOf(left) ?? {}
  if (meta !== undefined) return metaValue(fieldsOf(meta)?.['key'], packet)
  if (payload !== undefined) return payloadValue(fieldsOf(payload) ?? {}, packet)
  if (ct !== undefined) return trackedValue(fieldsOf(ct) ?? {}, packet)
  if (fib !== undefined) return fibValue(fieldsOf(fib) ?? {}, packet)
  if (Array.isArray(masked)) return maskedValue(masked, packet)
  return null
}

const metaValue = (key: unknown, { family, protocol = 'tcp', input, output }: Packet): Value | null => {
  switch (key) {
    case 'iifname':
    case 'iif':
      return input
    case 'oifname':
    case 'oif':
      return output
    case 'l4proto':
      return protocol
    case 'nfproto':
      return family === 'ip' ? 'ipv4' : 'ipv6'
    case 'protocol':
      return family
    default:
      return null
  }
}

const payloadValue = ({ protocol, field }: Statement, packet: Packet): Value | 'absent' | null => {
  const { family, protocol: transport = 'tcp', source, destination, flags } = packet
  if (protocol === 'ip' || protocol === 'ip6') {
    if (protocol !== family) return 'absent'
    if (field === 'saddr') return source.address
    if (field === 'daddr') return destination.address
    return field === 'protocol' || field === 'nexthdr' ? transport : null
  }
  if (transport === 'tcp' && (protocol === 'tcp' || protocol === 'th')) {
    if (field === 'sport') return source.port
    if (field === 'dport') return destination.port
    return field === 'flags' ? { any: flags } : null
  }
  return protocol === undefined || protocol === 'ether' ? null : 'absent'
}

const trackedValue = ({ key, dir }: Statement, { tracked, family }: Packet): Value | null => {
  if (tracked === null || dir !== undefined) return null
  switch (key) {
    case 'state':
      return tracked.state
    case 'mark':
      return tracked.mark
    case 'status':
      return { any: tracked.status }
    case 'direction':
      return tracked.direction
    case 'l3proto':
      return family === 'ip' ? 'ipv4' : 'ipv6'
    default:
      return null
  }
}

const fibValue = ({ result, flags }: Statement, { isLocal }: Packet): Value | null => {
  const isOfDestination = flags === 'daddr' || (Array.isArray(flags) && flags.join() === 'daddr')
  return result === 'type' && isOfDestination && isLocal !== null ? (isLocal ? 'local' : 'unicast') : null
}

const maskedValue = ([left, mask]: readonly unknown[], packet: Packet): Value | 'absent' | null => {
  const found = valueAt(left, packet)
  if (typeof found === 'number' && typeof mask === 'number') return (found & mask) >>> 0
  const names = namesOf(mask)
  if (names !== null && typeof found === 'object' && found !== null && 'any' in found) {
    return { exactly: found.any.filter((name) => names.includes(name)) }
  }
  return found === 'absent' ? found : null
}

const vrrpNumber = 112

/** Whether the right side of a comparison has the value. */
const contains = (right: unknown, value: Value): Answer => {
  if (typeof value === 'object') {
    const names = namesOf(right)
    if (names === null) return 'maybe'
    if ('any' in value) return value.any.some((one) => names.includes(one)) ? 'yes' : 'no'
    return names.toSorted().join() === value.exactly.toSorted().join() ? 'yes' : 'no'
  }
  if (Array.isArray(right)) return any(right.map((one) => contains(one, value)))
  const { set, prefix, range, elem } = fieldsOf(right) ?? {}
  if (Array.isArray(set)) return any(set.map((one) => contains(one, value)))
  if (elem !== undefined) return contains(fieldsOf(elem)?.['val'], value)
  if (prefix !== undefined) return isInPrefix(fieldsOf(prefix) ?? {}, value)
  if (Array.isArray(range)) {
    const [from, to] = range
    if (typeof value !== 'number' || typeof from !== 'number' || typeof to !== 'number') return 'maybe'
    return value >= from && value <= to ? 'yes' : 'no'
  }
  if (typeof right === 'string') {
    // A set of its own, whose elements are not looked at: they may come and go.
    if (right.startsWith('@')) return 'maybe'
    if (right.endsWith('*')) return String(value).startsWith(right.slice(0, -1)) ? 'yes' : 'no'
    return right === String(value) ? 'yes' : 'no'
  }
  // Nft has the number of a protocol where /etc/protocols has no name for it.
  if (right === vrrpNumber && value === 'vrrp') return 'yes'
  return typeof right === 'number' ? (right === value ? 'yes' : 'no') : 'maybe'
}

const isInPrefix = ({ addr, len }: Statement, value: Value): Answer => {
  if (typeof len !== 'number') return 'maybe'
  // How nft writes a number behind a mask of leading ones.
  if (typeof addr === 'number' && typeof value === 'number') {
    const size = 2 ** (32 - len)
    return Math.floor(addr / size) === Math.floor(value / size) ? 'yes' : 'no'
  }
  if (typeof addr !== 'string' || typeof value !== 'string') return 'maybe'
  return familyOf(addr) === familyOf(value) && isWithin(value, addr, len) ? 'yes' : 'no'
}

/** Names of flags: one, a list, or a set of them. */
const namesOf = (value: unknown): readonly string[] | null => {
  if (typeof value === 'string') return [value]
  const { set, '|': either } = fieldsOf(value) ?? {}
  const list = [value, set, either].find((one) => Array.isArray(one))
  if (!Array.isArray(list)) return null
  const names = list.map(namesOf)
  return names.includes(null) ? null : names.flatMap((one) => one ?? [])
}

/** The verdict of a map with verdicts (`vmap`), where it is written out in the rule. */
export const mappedVerdict = (map: unknown, packet: Packet): Statement | 'none' | 'maybe' => {
  const { key, data } = fieldsOf(map) ?? {}
  const { set } = fieldsOf(data) ?? {}
  const value = valueAt(key, packet)
  if (value === 'absent') return 'none'
  if (value === null || !Array.isArray(set)) return 'maybe'
  let isSure = true
  for (const pair of set) {
    const [element, verdict] = Array.isArray(pair) ? pair : []
    const answer = contains(element, value)
    if (answer === 'yes') return fieldsOf(verdict) ?? 'maybe'
    if (answer === 'maybe') isSure = false
  }
  return isSure ? 'none' : 'maybe'
}

/** A mapping's fields; undefined for anything else. */
export const fieldsOf = (value: unknown): Statement | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined

const opposite = (answer: Answer, isMeant: boolean): Answer =>
  !isMeant || answer === 'maybe' ? answer : answer === 'yes' ? 'no' : 'yes'

const all = (answers: readonly Answer[]): Answer =>
  answers.includes('no') ? 'no' : answers.includes('maybe') ? 'maybe' : 'yes'

const any = (answers: readonly Answer[]): Answer =>
  answers.includes('yes') ? 'yes' : answers.includes('maybe') ? 'maybe' : 'no'
