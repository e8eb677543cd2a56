// Smooth weighted round robin: servers take turns by weight, and a heavy one is not picked several times in a row.

/** A server that may be picked: weight up to 256, a fraction while it starts slowly; weight 0 is never picked. */
export type Candidate = { readonly name: string; readonly weight: number }

/** Who is owed how much, by server name. Empty at the start. */
export type RoundRobin = ReadonlyMap<string, number>

/**
 * Picks the next server and gives the state for the pick after it. Every candidate earns its weight, the richest is
 * picked and pays the total. A server that was away comes back owing and owed nothing.
 */
export const pickRoundRobin = <C extends Candidate>(
  state: RoundRobin,
  candidates: readonly C[],
): { readonly picked: C | undefined; readonly state: RoundRobin } => {
  const eligible = candidates.filter((candidate) => candidate.weight > 0)
  const total = eligible.reduce((sum, { weight }) => sum + weight, 0)
  const credits = new Map<string, number>()
  let picked: C | undefined
  for (const candidate of eligible) {
    const credit = (state.get(candidate.name) ?? 0) + candidate.weight
    credits.set(candidate.name, credit)
    if (picked === undefined || credit > (credits.get(picked.name) ?? 0)) picked = candidate
  }
  if (picked !== undefined) credits.set(picked.name, (credits.get(picked.name) ?? 0) - total)
  return { picked, state: credits }
}
