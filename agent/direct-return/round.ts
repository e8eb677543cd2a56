// One round: look at this host, do what is left to do, and write down how it stands.

import type { DirectReturnConfig } from '../config/direct-return.ts'
import { networkNamespace } from '../os/arp-settings.ts'
import type { Entry } from './core/entry.ts'
import { isEmpty } from './core/memory.ts'
import { missingFor } from './core/missing.ts'
import { type Found, planChange, type Step } from './core/plan.ts'
import { counterOf, tableOf } from './core/rules.ts'
import { outlivesFailedLook, type Standing } from './core/standing.ts'
import { readMemory, readOthers, readStanding, writeMemory, writeStanding } from './files.ts'
import { carryOut, lookAtHost } from './host.ts'

/** What was done, what did not work, and how it stands now. */
export type Round = {
  readonly done: readonly Step[]
  readonly failures: readonly string[]
  readonly standing: Standing
}

const nanosPerMilli = 1_000_000n

/** The monotonic clock of this host, the same for all processes. */
export const hostMillis = (): number => Number(process.hrtime.bigint() / nanosPerMilli)

/**
 * Brings this host to what a configuration wants; with no entries back to what it was. `keeper` is the process that will do
 * so again, null where nobody will. Throws where the runtime directory cannot be written.
 */
export const makeRound = async (
  config: DirectReturnConfig,
  entries: readonly Entry[],
  keeper: number | null,
): Promise<Round> => {
  const table = tableOf(config.name)
  let found = await lookAtHost(table)
  const before = readMemory(config)
  const { steps, memory, after, others } = planChange(entries, found, before, readOthers(config), table)
  for (const other of others) writeMemory({ ...config, name: other.name }, other.memory)
  // Written first: whatever happens from here on can be undone.
  if (JSON.stringify(memory) !== JSON.stringify(before)) writeMemory(config, memory)
  const done: Step[] = []
  const failures: string[] = []
  for (const step of steps) {
    const answer = await carryOut(step)
    if (answer.ok) done.push(step)
    else failures.push(answer.text)
  }
  if (failures.length === 0 && JSON.stringify(after) !== JSON.stringify(memory)) writeMemory(config, after)
  if (steps.length > 0) found = await lookAtHost(table)
  const standing = standingOf(entries, found, after.needs.devices, table, keeper)
  const isOver = entries.length === 0 && failures.length === 0 && isEmpty(after)
  if (found.table.is === 'unknown' && keeper !== null && outlivesFailedLook(readStanding(config), hostMillis())) {
    return { done, failures: [...failures, found.table.why], standing }
  }
  writeStanding(config, isOver && keeper === null ? null : standing)
  return { done, failures, standing }
}

/** How this host stands, without changing anything. */
export const lookOnly = async (config: DirectReturnConfig): Promise<Standing> => {
  const table = tableOf(config.name)
  const found = await lookAtHost(table)
  const { after } = planChange(config.entries, found, readMemory(config), readOthers(config), table)
  const keeper = readStanding(config)?.keeper ?? null
  return standingOf(config.entries, found, after.needs.devices, table, keeper)
}

const standingOf = (
  entries: readonly Entry[],
  found: Found,
  devices: readonly string[],
  table: string,
  keeper: number | null,
): Standing => ({
  version: 1,
  network: networkNamespace(),
  keeper,
  at_ms: hostMillis(),
  entries: entries.map((entry) => ({
    address: entry.address,
    port: entry.port,
    missing: missingFor(entry, found, devices, table).map((text) => text.slice(0, longestText)),
    sent: found.table.is === 'ours' ? (found.table.counted.get(counterOf(entry)) ?? null) : null,
  })),
})

const longestText = 256
