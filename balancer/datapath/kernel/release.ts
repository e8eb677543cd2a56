// Takes away what the kernel datapath of a dead balancer left on this host: rules, sessions, settings.

import { applyRules, listTables } from '../../os/nft.ts'
import type { Outcome } from '../../os/outcome.ts'
import { releaseSettings, stepText } from './host-settings.ts'

/**
 * `tables`: names of tables of the family inet that are ours, whoever found that out. `endSessions` deletes the entries of
 * our sessions and says how many there were.
 */
export type KernelReleaseOptions = {
  readonly tables: readonly string[]
  readonly endSessions: () => Promise<Outcome<number>>
}

/** A line for each thing that was taken away, and for each that could not be. */
export type KernelReleased = { readonly removed: readonly string[]; readonly failed: readonly string[] }

/** Removes it; also what a stop does last. Without anything left there are no lines. */
export const releaseKernel = async ({ tables, endSessions }: KernelReleaseOptions): Promise<KernelReleased> => {
  const removed: string[] = []
  const failed: string[] = []
  const listed = await listTables()
  // Without nft there are no rules of ours.
  const there = listed.ok ? tables.filter((name) => listed.value.includes(`inet ${name}`)) : []
  for (const name of there) {
    const text = `rules: nft table inet ${name}`
    const outcome = await applyRules(`delete table inet ${name}\n`)
    if (outcome.ok) removed.push(text)
    else failed.push(`${text} stays: ${outcome.text}`)
  }
  // After the rules: no session may begin any more.
  const sessions = await endSessions()
  if (!sessions.ok) failed.push(`sessions of the kernel datapath stay: ${sessions.text}`)
  else if (sessions.value > 0) removed.push(`${sessions.value} session(s) of the kernel datapath`)
  const settings = releaseSettings()
  removed.push(...settings.changed.map((step) => `setting: ${stepText(step)}`))
  failed.push(...settings.failed)
  return { removed, failed }
}
