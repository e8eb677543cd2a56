// What two routers of one virtual router should have in common but need not: worth a line in the log, not a dropped packet.

import type { Advertisement } from './advertisement.ts'

/** One thing in which a heard advertisement differs from the own configuration. */
export type Difference = { readonly about: 'interval' | 'addresses'; readonly text: string }

/** Compares interval (version 3 takes over the master's, RFC 9568 section 7.1) and address list. */
export const differences = (own: Advertisement, heard: Advertisement): readonly Difference[] => {
  const found: Difference[] = []
  if (own.interval !== heard.interval) {
    const text = `its advertisement interval is ${heard.interval} ms, ours is ${own.interval} ms`
    found.push({ about: 'interval', text })
  }
  if (list(own.addresses) !== list(heard.addresses)) {
    const text = `its virtual addresses are ${list(heard.addresses)}, ours are ${list(own.addresses)}`
    found.push({ about: 'addresses', text })
  }
  return found
}

const list = (addresses: readonly string[]): string => [...addresses].sort().join(' ')
