// What the counters in a table of ours tell: how many clients the rules have turned away, and who came through.

import { listTerse } from '../../os/nft.ts'
import type { Count } from './core/elements.ts'
import { readCounters } from './core/listing.ts'
import type { TablePlace } from './core/table.ts'

/** Counts by the name of the counter, as they were at the last look. */
export type CounterWatch = {
  readonly counts: () => ReadonlyMap<string, Count>
  readonly packets: () => ReadonlyMap<string, number>
  readonly look: () => Promise<void>
}

export type CounterWatchOptions = {
  readonly table: TablePlace
  /** There is no table. */
  readonly onGone: () => void
  readonly onPackets: (packets: ReadonlyMap<string, number>) => void
}

/** Nothing is known yet. */
export const watchCounters = ({ table, onGone, onPackets }: CounterWatchOptions): CounterWatch => {
  let counts: ReadonlyMap<string, Count> = new Map()
  let isLooking = false
  const packets = (): ReadonlyMap<string, number> => new Map([...counts].map(([name, count]) => [name, count.packets]))
  const look = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    const listed = await listTerse(table.family)
    isLooking = false
    const json = listed.ok ? fromJson(listed.value) : null
    if (json === null) return
    const counters = readCounters(json, table)
    if (counters === null) return onGone()
    counts = counters
    onPackets(packets())
  }
  return { counts: () => counts, packets, look }
}

const fromJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
