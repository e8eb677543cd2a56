// How many clients the rules have turned away, by the counters in the table.

import { listCounters } from '../../os/nft.ts'
import { readListing } from '../rules/core/listing.ts'
import { tableName } from './core/names.ts'

/** Packets by the name of the counter, as they were at the last look. */
export type Refusals = { readonly counts: () => ReadonlyMap<string, number>; readonly look: () => Promise<void> }

/** Nothing is known yet. `onGone`: there is no table. */
export const watchRefusals = ({ onGone }: { readonly onGone: () => void }): Refusals => {
  let counts: ReadonlyMap<string, number> = new Map()
  let isLooking = false
  const look = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    const listed = await listCounters(tableName)
    isLooking = false
    if (!listed.ok) return
    if (listed.value === null) return onGone()
    const listing = readListing(fromJson(listed.value))
    if (listing !== null) counts = new Map([...listing.counters].map(([name, { packets }]) => [name, packets]))
  }
  return { counts: () => counts, look }
}

const fromJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
