// What the counters in the table tell: how many clients the rules have turned away, and who came through.

import { listTerse } from '../../os/nft.ts'
import { readCounters } from '../rules/core/listing.ts'
import { kernelOwnTable } from './core/kernel-table.ts'

/** Packets by the name of the counter, as they were at the last look. */
export type Refusals = { readonly counts: () => ReadonlyMap<string, number>; readonly look: () => Promise<void> }

export type RefusalsOptions = {
  /** There is no table. */
  readonly onGone: () => void
  readonly onCounts: (counts: ReadonlyMap<string, number>) => void
}

/** Nothing is known yet. */
export const watchRefusals = ({ onGone, onCounts }: RefusalsOptions): Refusals => {
  let counts: ReadonlyMap<string, number> = new Map()
  let isLooking = false
  const look = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    const listed = await listTerse()
    isLooking = false
    const json = listed.ok ? fromJson(listed.value) : null
    if (json === null) return
    const counters = readCounters(json, kernelOwnTable)
    if (counters === null) return onGone()
    counts = new Map([...counters].map(([name, { packets }]) => [name, packets]))
    onCounts(counts)
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
