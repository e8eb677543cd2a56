// The chains and sets of one listener: who may come in, and which server is picked.

import { type StickySlots, sticky, stickySlotCount, turns } from '../../../core/slots.ts'
import { accessParts } from '../../rules/core/access.ts'
import type { IpVersion } from '../../rules/core/ip-version.ts'
import { anyNumber, type Chain, type Element, type RuleSet } from '../../rules/core/table.ts'
import { connectChain } from './base-chains.ts'
import { type KernelListener, type KernelTarget, mostCountedSessions, type Numbering } from './kernel-listener.ts'
import { markText, numberKey } from './marks.ts'
import {
  accessSet,
  limitChain,
  listenerChain,
  pickChain,
  type RefusalReason,
  refusalCounter,
  serverLimitChain,
  slotMap,
  sourceSet,
  timeoutName,
} from './names.ts'

/** What one listener adds to the table. */
export type ListenerParts = { readonly sets: readonly RuleSet[]; readonly chains: readonly Chain[] }

/** Any number will do that is the same on every balancer: a client comes to the same server through all of them. */
const hashSeed = '0x62616c61'

/** The parts of a listener of this family; its servers have their marks in the numbering. */
export const listenerParts = (listener: KernelListener, version: IpVersion, numbering: Numbering): ListenerParts => {
  const { name, maximumSessions } = listener
  const markOf = (server: string): number => {
    const mark = numbering.get(numberKey({ listener: name, server }))
    if (mark === undefined) throw new Error(`${name}/${server} has no number`)
    return mark
  }
  const marks = new Map(listener.targets.map(({ server }) => [server, markText(markOf(server))]))
  const { slots, elements } = slotTable(listener, marks)
  const refuse = (reason: RefusalReason): string =>
    `counter name "${refusalCounter(reason, name)}" reject with tcp reset`
  const access = accessParts(listener.access, version, {
    listName: (kind, content) => accessSet(kind, name, content),
    sourcesName: sourceSet(name),
    refuse,
  })

  const admission = [
    ...access.rules,
    ...(listener.isFull ? [refuse('full')] : []),
    ...(isCounted(maximumSessions) ? [`jump ${limitChain(name)}`] : []),
    `ct timeout set "${timeoutName(version, listener.timeouts)}"`,
    `goto ${pickChain(name)}`,
  ]
  return {
    sets: [...access.sets, { name: slotMap(name), form: { ...anyNumber, value: ['mark'] }, elements }],
    chains: [
      ...listener.targets
        .filter((target) => isCounted(target.maximumSessions))
        .map((target) => serverLimit(target, markOf, refuse)),
      // On its own: a rule that is made anew forgets what it has counted.
      ...(isCounted(maximumSessions)
        ? [{ name: limitChain(name), hook: null, rules: [`ct count over ${maximumSessions} ${refuse('full')}`] }]
        : []),
      { name: pickChain(name), hook: null, rules: pickRules(listener, slots, version, refuse) },
      { name: listenerChain(name), hook: null, rules: admission },
    ],
  }
}

/** The elements of the map of limits: servers whose sessions are counted. */
export const limitElements = (
  { name, targets }: KernelListener,
  numbering: Numbering,
): readonly (readonly [string, Element])[] =>
  targets.flatMap(({ server, maximumSessions }) => {
    const mark = numbering.get(numberKey({ listener: name, server }))
    if (!isCounted(maximumSessions) || mark === undefined) return []
    return [[markText(mark), { value: `jump ${serverLimitChain(mark)}`, comment: null }] as const]
  })

const isCounted = (limit: number): boolean => limit > 0 && limit <= mostCountedSessions

/**
 * Reset, not dropped: a client that asked again from the same port would be given another server, and be counted here for as long
 * as it has a session there. Without the mark: a reset of one of ours counts as that of its server, and is not passed on.
 */
const serverLimit = (
  { server, maximumSessions }: KernelTarget,
  markOf: (server: string) => number,
  refuse: (reason: RefusalReason) => string,
): Chain => ({
  name: serverLimitChain(markOf(server)),
  hook: null,
  rules: [`ct count over ${maximumSessions} ct mark set 0x00000000 ${refuse('server-full')}`],
})

/** The mark of each slot, and the elements of the map that has them. */
type SlotTable = {
  readonly slots: readonly string[]
  readonly elements: ReadonlyMap<string, Element>
  readonly sticky: StickySlots | undefined
}

/** The last one of each listener: with 1,000 servers one takes some milliseconds, and a change concerns few listeners. */
const lastSlots = new Map<string, { readonly reasons: string; readonly table: SlotTable }>()

const slotTable = (listener: KernelListener, marks: ReadonlyMap<string, string>): SlotTable => {
  const { name, balance, targets, servers } = listener
  const reasons = JSON.stringify([
    balance,
    servers.length,
    targets.map(({ server, weight, isFull }) => [server, weight, isFull, marks.get(server)]),
  ])
  const last = lastSlots.get(name)
  if (last?.reasons === reasons) return last.table
  const made = slotsOf(listener, last?.table.sticky)
  const slots = made.slots.map((server) => marks.get(server) ?? '')
  const table = { slots, elements: slotElements(slots), sticky: 'scores' in made ? made : undefined }
  lastSlots.set(name, { reasons, table })
  return table
}

/** The server of each slot. Where all are full the slots wait for room as they would be without limits. */
const slotsOf = (
  { balance, targets, servers }: KernelListener,
  before: StickySlots | undefined,
): StickySlots | Pick<StickySlots, 'slots'> => {
  const withRoom = targets.filter(({ isFull }) => !isFull)
  const open = (withRoom.length === 0 ? targets : withRoom).map(({ server, weight }) => ({ name: server, weight }))
  if (open.length < 2) return { slots: open.map(({ name }) => name) }
  switch (balance) {
    case 'roundrobin':
    case 'leastconn':
    case 'random':
      return { slots: turns(open, servers.length) }
    case 'source':
      return sticky(open, stickySlotCount(servers.length), before)
    case 'first':
    case 'single':
      return { slots: open.slice(0, 1).map(({ name }) => name) }
    default:
      return balance satisfies never
  }
}

const slotElements = (slots: readonly string[]): ReadonlyMap<string, Element> => {
  const elements = new Map<string, Element>()
  if (slots.length === 1) return elements
  const known = new Map<string, Element>()
  for (const [slot, mark] of slots.entries()) {
    const element = known.get(mark) ?? { value: mark, comment: null }
    known.set(mark, element)
    elements.set(`${slot}`, element)
  }
  return elements
}

/** The rule that gives all sessions to the server with this mark. */
export const onlyTarget = (mark: number): string => `ct mark set ${markText(mark)}`

const pickRules = (
  { balance, targets, name, isHandingOver }: KernelListener,
  slots: readonly string[],
  version: IpVersion,
  refuse: (reason: RefusalReason) => string,
): readonly string[] => {
  const [only] = slots
  if (only === undefined) return [isHandingOver ? 'drop' : refuse('no-server')]
  if (targets.every(({ isFull }) => isFull)) return [refuse('full')]
  const connect = `goto ${connectChain(version)}`
  if (slots.length === 1) return [onlyTarget(Number(only)), connect]
  const step =
    balance === 'source'
      ? `jhash ${version.protocol} saddr mod ${slots.length} seed ${hashSeed}`
      : `numgen ${balance === 'random' ? 'random' : 'inc'} mod ${slots.length}`
  return [`ct mark set ${step} map @${slotMap(name)}`, connect]
}
