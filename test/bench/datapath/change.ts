// How soon an operator's order acts: a client opens sessions all the time, and each tells which server it came to.

import { fileURLToPath } from 'node:url'
import { appUser } from '../../lab/mariadb-files.ts'
import { type Attempt, monotonicNow, type ProbeOrder, parseReport } from '../../lab/probe-messages.ts'
import { waitFor } from '../../lab/wait-for.ts'
import type { Order, Running, Site } from './contestant.ts'
import { type Field, port, subjectOf } from './field.ts'

/** Between two new sessions, in milliseconds; nothing is known more exactly. */
export const probeInterval = 4
const probeTimeout = 5000
/** So long nothing may come to a server that was taken out. */
const quietMillis = 300
/** What has not acted by then does not. */
const giveUpMillis = 5000
const lookInterval = 10

/** What is done to the server; false if there is nobody who could. */
type Step = { readonly name: string; readonly act: () => Promise<boolean> }
/** What takes the server out, and what brings it back. */
type Pair = { readonly out: Step; readonly back: Step }

const pairsFor = ({ order, checks }: Running, site: Site, answerChecks: Field['answerChecks']): readonly Pair[] => {
  const { server } = subjectOf(site)
  const isChecked = checks && site.checkInterval < giveUpMillis
  const give = (name: string, what: Order): Step => ({
    name,
    act: async () => order !== null && (await order(server, what)),
  })
  const answer = (name: string, isAnswered: boolean): Step => ({
    name,
    act: async () => {
      answerChecks(isAnswered)
      return true
    },
  })
  const { weight } = server
  return [
    { out: give('maint', 'maint'), back: give('ready', 'ready') },
    { out: give('drain', 'drain'), back: give('ready', 'ready') },
    { out: give('weight 0', { weight: 0 }), back: give('weight as before', { weight }) },
    ...(isChecked ? [{ out: answer('down, by a check', false), back: answer('up, by a check', true) }] : []),
  ]
}

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
  const [address] = running.addresses
  if (address === undefined) return []
  const { hostName } = subjectOf(site)
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
    const take = async ({ name, act }: Step, comes: boolean): Promise<boolean> => {
      attempts = []
      const at = monotonicNow()
      if (!(await act())) return false
      const seen = (): number | null => actedAfter(attempts, { at, until, comes, hostName })
      await waitFor(`the order ${name}`, () => seen() !== null || monotonicNow() - at > giveUpMillis, {
        interval: lookInterval,
      })
      changes.push({ order: name, millis: seen(), failed: attempts.filter(({ server: to }) => to === null).length })
      return true
    }
    for (const { out, back } of pairsFor(running, site, field.answerChecks)) {
      if (await take(out, false)) await take(back, true)
    }
    return changes
  } finally {
    await probe.stop()
  }
}
