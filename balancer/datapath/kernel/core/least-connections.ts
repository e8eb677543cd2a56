// HAProxy's leastconn as far as weights can say it: who has fewer sessions than its share takes more of the new ones.

/** A server that takes sessions, with those it has. */
export type Loaded = { readonly server: string; readonly weight: number; readonly sessions: number }

/** By how much each weight is multiplied, by server; 1 for one that is not in it. */
export type Factors = ReadonlyMap<string, number>

/** As if each had some more: of two that have 0 and 1 sessions one is not twice as busy. */
const beyond = 4
const [smallest, largest] = [1 / 16, 16]
/** Factors are powers of 2 in steps of a quarter, so that the rules do not change for every session. */
const stepsPerDouble = 4
/** In steps: a factor stays until it would be so much another one. */
const inertia = 0.8

/**
 * The factors of a second later. Half of what they were is kept, so that a wave of sessions does not go to one server: with
 * an even load they are 1, and a lasting difference is answered by its square.
 */
export const nextFactors = (servers: readonly Loaded[], before: Factors): Factors => {
  const weights = sum(servers.map(({ weight }) => weight))
  if (weights === 0) return new Map()
  const average = weights / servers.length
  const loadOf = ({ weight, sessions }: Loaded): number => (sessions * average) / weight + beyond
  const mean = sum(servers.map((one) => loadOf(one) * one.weight)) / weights
  return new Map(
    servers.map((one) => {
      const earlier = before.get(one.server) ?? 1
      const wanted = Math.min(largest, Math.max(smallest, Math.sqrt(earlier) * (mean / loadOf(one))))
      const steps = Math.log2(wanted) * stepsPerDouble
      const stays = Math.abs(steps - Math.log2(earlier) * stepsPerDouble) < inertia
      return [one.server, stays ? earlier : 2 ** (Math.round(steps) / stepsPerDouble)] as const
    }),
  )
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, number) => all + number, 0)
