// The way of a packet through a base chain and the chains it jumps to, as nft_do_chain of the kernel goes it.

import { fieldsOf, mappedVerdict, type Packet, ruleMatches } from './packet-match.ts'
import type { Chain, Rule, Statement } from './ruleset.ts'

/** What becomes of a packet. `rule` is null where the policy of the base chain decides; `chain` is where it stands. */
export type Fate = {
  readonly verdict: 'accept' | 'drop' | 'notrack'
  readonly chain: Chain
  readonly rule: Rule | null
}

/** How conditions are taken that cannot be told: as not met, or so that the packet passes where it may. */
type Assumption = 'unmet' | 'kind'

/**
 * The fate of a packet in a base chain, and whether that is sure: a packet that is dropped may still pass by conditions
 * that cannot be told from here. A drop under such a condition is not counted: that is somebody's choice of clients.
 */
export const fateOf = (packet: Packet, base: Chain, chains: readonly Chain[]): Fate & { readonly isSure: boolean } => {
  const strict = walk(packet, base, chains, 'unmet')
  if (strict.verdict !== 'drop') return { ...strict, isSure: true }
  return { ...strict, isSure: walk(packet, base, chains, 'kind').verdict === 'drop' }
}

const walk = (packet: Packet, base: Chain, chains: readonly Chain[], assumption: Assumption): Fate => {
  const isDropped = base.hook?.policy === 'drop'
  return (
    pass(packet, base, chains, assumption, 0) ?? { verdict: isDropped ? 'drop' : 'accept', chain: base, rule: null }
  )
}

/** The kernel's limit of jumps (NFT_JUMP_STACK_SIZE). */
const deepest = 16

/** The verdict of a chain; null where the packet comes out at its end. */
const pass = (
  packet: Packet,
  chain: Chain,
  chains: readonly Chain[],
  assumption: Assumption,
  depth: number,
): Fate | null => {
  if (depth > deepest) return null
  for (const rule of chain.rules) {
    const answer = ruleMatches(rule, packet)
    if (answer === 'no') continue
    const effect = effectOf(rule, packet)
    if (effect === null) continue
    const isDoubtful = answer === 'maybe' || effect.isDoubtful
    if (isDoubtful && assumption === 'unmet') continue
    const { verdict, target } = effect
    if (verdict === 'return') {
      if (isDoubtful) continue
      return null
    }
    if (verdict === 'jump' || verdict === 'goto') {
      const next = chains.find((one) => one.family === chain.family && one.table === chain.table && one.name === target)
      const fate = next === undefined ? null : pass(packet, next, chains, assumption, depth + 1)
      if (fate !== null && (!isDoubtful || fate.verdict === 'accept')) return fate
      if (verdict === 'goto' && !isDoubtful) return null
      continue
    }
    if (isDoubtful && verdict !== 'accept') continue
    return { verdict, chain, rule }
  }
  return null
}

type Effect = {
  readonly verdict: Fate['verdict'] | 'return' | 'jump' | 'goto'
  readonly target?: unknown
  readonly isDoubtful: boolean
}

/** What a rule does with a packet that it matches; null where that goes on. */
const effectOf = (rule: Rule, packet: Packet): Effect | null => {
  for (const statement of rule.expressions) {
    const effect = effectOfStatement(statement, rule, packet)
    if (effect !== null) return effect
  }
  return null
}

const effectOfStatement = (statement: Statement, rule: Rule, packet: Packet): Effect | null => {
  if ('accept' in statement) return { verdict: 'accept', isDoubtful: false }
  if ('drop' in statement || 'reject' in statement) return { verdict: 'drop', isDoubtful: false }
  if ('notrack' in statement) return { verdict: 'notrack', isDoubtful: false }
  if ('return' in statement) return { verdict: 'return', isDoubtful: false }
  // Whoever reads the queue decides.
  if ('queue' in statement) return { verdict: 'accept', isDoubtful: false }
  for (const verdict of ['jump', 'goto'] as const) {
    if (verdict in statement) return { verdict, target: fieldsOf(statement[verdict])?.['target'], isDoubtful: false }
  }
  if ('vmap' in statement) {
    const mapped = mappedVerdict(statement['vmap'], packet)
    if (mapped === 'none') return null
    // A map of its own: its verdicts may come and go.
    return mapped === 'maybe' ? { verdict: 'accept', isDoubtful: true } : effectOfStatement(mapped, rule, packet)
  }
  const { type, name } = fieldsOf(statement['xt']) ?? {}
  if (type !== 'target') return null
  if (name === 'REJECT') return { verdict: 'drop', isDoubtful: false }
  return name === 'CT' && /\bnotrack\b/.test(rule.text) ? { verdict: 'notrack', isDoubtful: false } : null
}
