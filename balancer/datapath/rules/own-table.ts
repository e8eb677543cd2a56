// A table of ours as it is on this host now.

import { listSet, listTable, listTerse } from '../../os/nft.ts'
import { type Outcome, refused } from '../../os/outcome.ts'
import { type Listing, lastingSets, readListing, tableIn, withElements } from './core/listing.ts'
import { isOurs, type OwnTable, takenText } from './core/ownership.ts'
import type { TablePlace } from './core/table.ts'

/** The code of the refusal where somebody else has a table of this name. */
export const foreignTable = 'EEXIST'

/** What is in it; null where there is none. A table that somebody else made is refused, and not touched. */
export const findTable = async (own: OwnTable): Promise<Outcome<Listing | null>> => {
  const listed = await (own.family === 'netdev' ? listSparingly(own) : listWhole(own))
  if (!listed.ok || listed.value === null) return listed.ok ? { ok: true, value: null } : listed
  const listing = readListing(listed.value)
  if (listing === null) return refused('EPROTO', 'nft answered with something that is no table; run: nft --version')
  return isOurs(listing, own) ? { ok: true, value: listing } : refused(foreignTable, takenText(own))
}

/** Undefined: what nft wrote is no JSON. */
const listWhole = async (place: TablePlace): Promise<Outcome<unknown>> => {
  const listed = await listTable(place)
  return listed.ok ? { ok: true, value: listed.value === null ? null : fromJson(listed.value) } : listed
}

/** Without the elements that go away by themselves: of 100,000 sessions nft makes 8 MB in 3 s. */
const listSparingly = async (place: TablePlace): Promise<Outcome<unknown>> => {
  const terse = await listTerse(place.family)
  if (!terse.ok) return terse
  const json = fromJson(terse.value)
  const table = tableIn(json, place)
  if (table === null) return { ok: true, value: json === undefined ? undefined : null }
  const sets: unknown[] = []
  for (const set of lastingSets(table)) {
    const listed = await listSet(place, set)
    if (!listed.ok) return listed
    // One that went away meanwhile is looked for again, as somebody took it.
    if (listed.value !== null) sets.push(fromJson(listed.value))
  }
  return { ok: true, value: withElements(table, sets) }
}

const fromJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
