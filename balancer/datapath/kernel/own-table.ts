// The table of this datapath as it is on this host now.

import { listTable } from '../../os/nft.ts'
import { type Outcome, refused } from '../../os/outcome.ts'
import { type Listing, readListing } from '../rules/core/listing.ts'
import { ownershipOf } from './core/adoption.ts'
import { tableName } from './core/names.ts'

/** The code of the refusal where somebody else has a table of this name. */
export const foreignTable = 'EEXIST'

/** What is in it; null where there is none. A table that somebody else made is refused, and not touched. */
export const findTable = async (): Promise<Outcome<Listing | null>> => {
  const listed = await listTable(tableName)
  if (!listed.ok) return listed
  if (listed.value === null) return { ok: true, value: null }
  const listing = readListing(fromJson(listed.value))
  if (listing === null) return refused('EPROTO', 'nft answered with something that is no table; run: nft --version')
  return ownershipOf(listing) === 'foreign' ? refused(foreignTable, takenText) : { ok: true, value: listing }
}

const takenText = `there is a table inet ${tableName} that this program did not make, and it is not touched; look at it with nft list table inet ${tableName}, and remove it with nft delete table inet ${tableName}, or write datapath: userspace`

const fromJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
