// The smallest transaction from what a table holds to what it should hold. It never deletes the table: sessions hang on it.

import type { Snapshot } from './snapshot.ts'
import { snapshotOf } from './snapshot.ts'
import {
  type Element,
  elementsText,
  formText,
  hookText,
  kindOf,
  policyText,
  type RuleSet,
  ruleText,
  type Table,
} from './table.ts'

/** The commands for one `nft -f -`; empty where nothing is to be done. */
export const changeText = (from: Snapshot, table: Table): string => {
  const to = snapshotOf(table)
  const place = `${table.family} ${table.name}`
  const isOther = <T>(there: T | undefined, wanted: T | undefined, same: (a: T, b: T) => boolean): boolean =>
    there === undefined || wanted === undefined || !same(there, wanted)

  // A base chain that hangs elsewhere and a set of another form are made anew.
  const oldChains = inOrder(from.chains).filter(([name, chain]) => to.chains.get(name)?.hook !== chain.hook)
  const oldSets = inOrder(from.sets).filter(([name, { kind, form }]) => {
    const wanted = to.sets.get(name)
    return wanted?.form !== form || wanted.kind !== kind
  })
  const goneChains = new Set(oldChains.map(([name]) => name))
  const goneSets = new Set(oldSets.map(([name]) => name))
  const changedChains = table.chains.filter(({ name }) =>
    isOther(from.chains.get(name), to.chains.get(name), (a, b) => a.hook === b.hook && sameList(a.rules, b.rules)),
  )
  const oldTimeouts = inOrder(from.timeouts).filter(([name, policy]) => to.timeouts.get(name) !== policy)
  const isGoneTimeout = new Set(oldTimeouts.map(([name]) => name))

  const elements = table.sets.map((set) => ({
    set,
    ...elementChanges(goneSets.has(set.name) ? undefined : from.sets.get(set.name)?.elements, set),
  }))

  return [
    // What may be pointed to comes first, what pointed to it goes before it.
    ...table.counters.filter((name) => !from.counters.has(name)).map((name) => `add counter ${place} ${name} { }`),
    ...table.chains
      .filter(({ name, hook }) => hook === null && !from.chains.has(name))
      .map(({ name }) => `add chain ${place} ${name}`),
    ...changedChains
      .filter(({ name }) => from.chains.has(name) && !goneChains.has(name))
      .map(({ name }) => `flush chain ${place} ${name}`),
    ...oldChains.map(([name]) => `flush chain ${place} ${name}`),
    ...elements.flatMap(({ set, removed }) =>
      removed.length === 0 ? [] : [`delete element ${place} ${set.name} { ${removed.join(', ')} }`],
    ),
    ...oldSets.map(([name, { kind }]) => `delete ${kind} ${place} ${name}`),
    ...oldChains.map(([name]) => `delete chain ${place} ${name}`),
    ...oldTimeouts.map(([name]) => `delete ct timeout ${place} ${name}`),
    ...[...from.counters]
      .filter((name) => !to.counters.has(name))
      .sort()
      .map((name) => `delete counter ${place} ${name}`),
    ...table.timeouts
      .filter(({ name }) => !from.timeouts.has(name) || isGoneTimeout.has(name))
      .map((timeout) => `add ct timeout ${place} ${timeout.name} { ${policyText(timeout)} }`),
    ...table.chains
      .filter(({ name, hook }) => (hook !== null && !from.chains.has(name)) || goneChains.has(name))
      .map(({ name, hook }) => `add chain ${place} ${name}${hook === null ? '' : ` { ${hookText(hook)} }`}`),
    ...table.sets
      .filter(({ name }) => !from.sets.has(name) || goneSets.has(name))
      .map(({ name, form }) => `add ${kindOf(form)} ${place} ${name} { ${formText(form)} }`),
    ...elements.flatMap(({ set, added }) =>
      added.length === 0 ? [] : [`add element ${place} ${set.name} { ${elementsText(added)} }`],
    ),
    ...changedChains.flatMap(({ name, rules }) => rules.map((rule) => `add rule ${place} ${name} ${ruleText(rule)}`)),
  ]
    .map((line) => `${line}\n`)
    .join('')
}

type ElementChanges = { readonly removed: readonly string[]; readonly added: readonly (readonly [string, Element])[] }

/** An element cannot be changed: it is deleted and added in one transaction. */
const elementChanges = (
  before: ReadonlyMap<string, Element> = new Map(),
  { elements: wanted }: RuleSet,
): ElementChanges => {
  if (wanted === null) return { removed: [], added: [] }
  // The same map holds the same: parts of listeners that did not change are kept as they are.
  if (wanted === before) return { removed: [], added: [] }
  const removed: string[] = []
  const added: (readonly [string, Element])[] = []
  let shared = 0
  for (const [key, element] of wanted) {
    const other = before.get(key)
    if (other !== undefined) shared += 1
    if (other === element || (other?.value === element.value && other.comment === element.comment)) continue
    added.push([key, element])
    if (other !== undefined) removed.push(key)
  }
  if (shared < before.size) for (const key of before.keys()) if (!wanted.has(key)) removed.push(key)
  return { removed: removed.sort(), added }
}

/** By name: nft lists in an order of its own, and the text should not depend on it. */
const inOrder = <T>(things: ReadonlyMap<string, T>): readonly (readonly [string, T])[] =>
  [...things].sort(([a], [b]) => (a < b ? -1 : 1))

const sameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, i) => item === b[i])
