// Addresses for which this host answers no ARP request and no neighbour solicitation while it hands them over.

import { applyRules } from '../os/nft.ts'
import { done, type Outcome } from '../os/outcome.ts'
import { hidingRules, type Place } from './core/hiding-rules.ts'

/** The hidden addresses of all virtual routers of this host; `owner` tells those apart. Nothing here blocks the caller. */
export type HiddenAddresses = {
  /** Hides them for at most so many seconds. */
  readonly hide: (owner: string, places: readonly Place[], seconds: number) => Promise<Outcome>
  readonly show: (owner: string) => Promise<Outcome>
}

/** Hides nothing yet, and clears what a crash left. */
export const createHiddenAddresses = (): HiddenAddresses => {
  const hidden = new Map<string, { readonly places: readonly Place[]; readonly until: number }>()
  // Without nft there is nothing to clear; who hides something will hear of it.
  let last: Promise<Outcome> = applyRules(hidingRules([], 0))

  const apply = (): Promise<Outcome> => {
    const all = [...hidden.values()]
    const rules = hidingRules(
      all.flatMap(({ places }) => places),
      Math.max(0, ...all.map(({ until }) => until)),
    )
    last = last.then(() => applyRules(rules))
    return last
  }
  return {
    hide: (owner, places, seconds) => {
      hidden.set(owner, { places, until: Math.ceil(Date.now() / 1000) + seconds })
      return apply()
    },
    show: (owner) => (hidden.delete(owner) ? apply() : Promise.resolve(done)),
  }
}
