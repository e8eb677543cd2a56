// How soon an operator's order acts: a client opens sessions all the time, and each tells which server it came to.

import { fileURLToPath } from 'node:url'
import { appUser } from '../../lab/mariadb-files.ts'
import { type Attempt, monotonicNow, type ProbeOrder, parseReport } from '../../lab/probe-messages.ts'
import { waitFor } from '../../lab/wait-for.ts'
import type { Order, Running, Site } from './contestant.ts'
import { type Field, port, subjectOf } from './field.ts'

/** Between two new sessions, in milliseconds; nothing is known more exactly. */
export const probeInterval = 2
const probeTimeout = 5000
/** So long nothing may come to a server that was taken out. */
const quietMillis = 300
/** An order that has not acted by then does not. */
const giveUpMillis = 5000
const lookInterval = 10

type Step = { readonly name: string; readonly order: Order }
/** An order that takes the server out, and the one that brings it back. */
type Pair = { readonly out: Step; readonly back: Step }

const pairsFor = (weight: number): readonly Pair[] => [
  { out: { name: 'maint', order: 'maint' }, back: { name: 'ready', order: 'ready' } },
  { out: { name: 'drain', order: 'drain' }, back: { name: 'ready', order: 'ready' } },
  { out: { name: 'weight 0', order: { weight: 0 } }, back: { name: 'weight as before', order: { weight } } },
]

/** What an order did. */
export type Change = {
  readonly order: string
  /** From the order to the last session that still came to the server, or to the first that did again; null: never. */
  readonly millis: number | null
  /** New sessions that failed meanwhile. */
  readonly failed: number
}

/** The change in what the probe saw since the order at `at`; null while it cannot be told yet. */
export const actedAfter = (
  attempts: readonly Attempt[],
  { at, until, comes, hostName }: { at: number; until: number; comes: boolean; hostName: string },
): number | null => {
  const there = attempts.filter(({ begun, server }) => begun >= at && server === hostName).map(({ begun }) => begun)
  if (comes) return there.length === 0 ? null : Math.min(...there) - at
  const last = Math.max(at, ...there)
  return until - last > quietMillis ? last - at : null
}

/** Gives each order once, in turn; the server is as before at the end. */
export const measureChanges = async (field: Field, site: Site, running: Running): Promise<readonly Change[]> => {
  const { order: give, addresses } = running
  const [address] = addresses
  if (give === null || address === undefined) return []
  const { server, hostName } = subjectOf(site)
  const { user, password } = appUser
  const wanted: ProbeOrder = {
    address,
    port,
    user,
    password,
    interval: probeInterval,
    timeout: probeTimeout,
    sessions: 0,
  }
  const entry = fileURLToPath(new URL('../../lab/probe-process.js', import.meta.url))
  const probe = field.client.spawn('probe', process.execPath, [entry], { ipc: true })
  let attempts: Attempt[] = []
  let until = 0
  probe.onMessage((message) => {
    const report = parseReport(message)
    attempts.push(...report.attempts)
    // What is still under way may yet come to any server.
    until = report.oldest ?? report.until
  })
  probe.send(wanted)
  try {
    await waitFor('a session of the server', () => attempts.some(({ server: name }) => name === hostName))
    const changes: Change[] = []
    const take = async ({ name, order }: Step, comes: boolean): Promise<boolean> => {
      attempts = []
      const at = monotonicNow()
      if (!(await give(server, order))) return false
      const seen = (): number | null => actedAfter(attempts, { at, until, comes, hostName })
      await waitFor(`the order ${name}`, () => seen() !== null || monotonicNow() - at > giveUpMillis, {
        interval: lookInterval,
      })
      changes.push({ order: name, millis: seen(), failed: attempts.filter(({ server: to }) => to === null).length })
      return true
    }
    for (const { out, back } of pairsFor(server.weight)) {
      if (await take(out, false)) await take(back, true)
    }
    return changes
  } finally {
    await probe.stop()
  }
}
