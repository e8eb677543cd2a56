// How a table is known as ours, whoever made it: by the name of a set in it.

import type { Listing } from './listing.ts'
import type { RuleSet, TablePlace } from './table.ts'

/** The set by which tables of ours are known, and its element: the number of this form of the rules. */
export const ownerSet = 'mysql-balancer'
export const ownerMarker: RuleSet = {
  name: ownerSet,
  form: { key: ['mark'], value: null },
  elements: new Map([['0x00000001', { value: null, comment: null }]]),
}

/**
 * A table of this program. `marker`: the set by which it is known. `otherwise`: what an operator can do who does not want to
 * remove another table of this name, in the imperative.
 */
export type OwnTable = TablePlace & { readonly marker: string; readonly otherwise: string }

/** Whether a listed table is ours. Others are not touched. */
export const isOurs = ({ snapshot }: Listing, { marker }: OwnTable): boolean => snapshot.sets.has(marker)

/** A table as nft names it. */
export const placeText = ({ family, name }: TablePlace): string => `${family} ${name}`

/** What an operator is told where somebody else has a table of this name. */
export const takenText = (own: OwnTable): string => {
  const place = placeText(own)
  return `there is a table ${place} that this program did not make, and it is not touched; look at it with nft list table ${place}, and remove it with nft delete table ${place}, or ${own.otherwise}`
}
