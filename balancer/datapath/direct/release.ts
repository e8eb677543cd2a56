// Takes away what the direct datapath of a dead balancer left on this host: its rules. Sessions go on through another balancer.

import { applyRules } from '../../os/nft.ts'
import { type OwnTable, placeText } from '../rules/core/ownership.ts'
import { findTable } from '../rules/own-table.ts'
import { directOwnTable } from './core/direct-table.ts'
import { localOwnTable } from './core/local-table.ts'

/** The tables of this datapath. */
const ownTables: readonly OwnTable[] = [directOwnTable, localOwnTable]

/** A line for each thing that was taken away, and for each that could not be. */
export type DirectReleased = { readonly removed: readonly string[]; readonly failed: readonly string[] }

/** Removes the rules; also what a stop does last. Without any there are no lines. Somebody else's are not touched. */
export const releaseDirect = async (): Promise<DirectReleased> => {
  const removed: string[] = []
  const failed: string[] = []
  for (const own of ownTables) {
    const found = await findTable(own)
    // Without nft there are no rules of ours.
    if (!found.ok || found.value === null) continue
    const text = `rules: nft table ${placeText(own)}`
    const outcome = await applyRules(`delete table ${placeText(own)}\n`)
    if (outcome.ok) removed.push(text)
    else failed.push(`${text} stays: ${outcome.text}`)
  }
  return { removed, failed }
}
