// The server with the fewest sessions for its weight, among all or among two drawn by lot.

import { type Candidate, pickRoundRobin, type RoundRobin } from '../../core/round-robin.ts'

/** A server that may be picked, with the sessions it has. */
export type Loaded = Candidate & { readonly sessions: number }

/** The least loaded servers (HAProxy: `leastconn`); those that are equal take turns. */
export const pickLeastLoaded = <C extends Loaded>(state: RoundRobin, candidates: readonly C[]) => {
  const weighted = candidates.filter(({ weight }) => weight > 0)
  const least = Math.min(...weighted.map(load))
  return pickRoundRobin(
    state,
    weighted.filter((candidate) => load(candidate) === least),
  )
}

/** Two draws by weight, and the less loaded of them (HAProxy: `random(2)`). `random` gives numbers from 0 to 1. */
export const pickOfTwo = <C extends Loaded>(candidates: readonly C[], random: () => number): C | undefined => {
  const one = draw(candidates, random)
  const other = draw(candidates, random)
  if (one === undefined || other === undefined) return one
  return load(other) < load(one) ? other : one
}

const load = ({ sessions, weight }: Loaded): number => sessions / weight

const draw = <C extends Candidate>(candidates: readonly C[], random: () => number): C | undefined => {
  let rest = random() * candidates.reduce((sum, { weight }) => sum + weight, 0)
  return candidates.find(({ weight }) => {
    rest -= weight
    return rest < 0
  })
}
