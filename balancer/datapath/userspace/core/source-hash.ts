// Consistent hashing of clients onto servers by weighted rendezvous: each server draws a lot per client, the best one wins.
// When a server leaves, only its own clients move; when one comes, only those that it wins.

import type { Candidate } from '../../core/round-robin.ts'

/** The server of a client. Weights act exactly: twice the weight wins twice the clients. */
export const pickBySource = <C extends Candidate>(client: string, candidates: readonly C[]): C | undefined => {
  let best: C | undefined
  let bestScore = Number.POSITIVE_INFINITY
  for (const candidate of candidates) {
    if (candidate.weight <= 0) continue
    const score = -Math.log(lot(`${client}\n${candidate.name}`)) / candidate.weight
    if (score < bestScore) [best, bestScore] = [candidate, score]
  }
  return best
}

const fnvOffset = 0x811c9dc5
const fnvPrime = 0x01000193

/** A number between 0 and 1, both excluded: FNV-1a, then the finalizer of MurmurHash3 to spread similar addresses. */
const lot = (text: string): number => {
  let hash = fnvOffset
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), fnvPrime)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 2 ** 32
}
