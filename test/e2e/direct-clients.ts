// Clients of the direct datapath in every state a session can be in, what they notice of an event, and a table of all events.

import { setTimeout as sleep } from 'node:timers/promises'
import { type Probe, startProbe } from '../lab/gap-probe.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import type { MariaDb } from '../lab/mariadb.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { type Load, startLoad } from '../lab/sysbench.ts'
import { waitFor } from '../lab/wait-for.ts'
import { type IdleClients, startIdleClients } from './idle-clients.ts'
import { type Ledger, startLedger } from './ledger.ts'
import { startWaiting } from './waiting.ts'
import { waitingKinds } from './waiting-messages.ts'

/** How many sessions of each kind; those that wait are opened anew for each event, in all states, the others live all the time. */
export type ClientCounts = {
  readonly held: number
  readonly waiting: number
  readonly ledger: number
  readonly idle: number
  /** Of sysbench; its tables are there. */
  readonly load: number
}

/** What all clients noticed between two moments. */
export type Noticed = {
  readonly event: string
  readonly lost: readonly string[]
  readonly failed: number
  readonly attempts: number
  readonly reasons: Readonly<Record<string, number>>
  readonly longestGapMs: number
  readonly tookMs: number
}

/** They work until they are ended. */
export type DirectClients = {
  readonly probe: Probe
  /** Does something, waits until all is over that began meanwhile, and tells what clients noticed. */
  readonly noticed: (event: string, act: () => Promise<unknown>) => Promise<Noticed>
  /** Of all events so far, a line for each kind. */
  readonly table: () => readonly string[]
  /** Ends them all and tells what was lost, or is not as it was written. */
  readonly end: () => Promise<readonly string[]>
}

const answeredWord = 'answered'
/** Until the others know of a session: it is told when it has lived for a second, after a look at the flows, each second. */
const knownMillis = 4000
const ledgerPause = 150

/** Opens all sessions at `target`; `servers` are those that may have them. */
export const startDirectClients = async (
  lab: Lab,
  host: Host,
  {
    target,
    servers,
    counts,
    interval = 20,
  }: {
    readonly target: { readonly address: string; readonly port: number }
    readonly servers: readonly MariaDb[]
    readonly counts: ClientCounts
    readonly interval?: number
  },
): Promise<DirectClients> => {
  const login = { ...target, ...appUser }
  const probe = await startProbe(host, { target, ...appUser, interval, timeout: 30_000, sessions: counts.held })
  const untilHeld = () => waitFor('the held sessions', () => probe.counters().openSessions === counts.held)
  await untilHeld()
  const load: Load | null = counts.load === 0 ? null : await startLoad(host, target, servers, counts.load)
  const ledger: Ledger | null =
    counts.ledger === 0 ? null : await startLedger(host, { ...login, sessions: counts.ledger, pause: ledgerPause })
  const idle: IdleClients | null = counts.idle === 0 ? null : await startIdleClients(lab, host, counts.idle)
  const rows: Noticed[] = []
  let lostOfLoad = 0
  return {
    probe,
    noticed: async (event, act) => {
      await untilHeld()
      const kinds = Array.from({ length: counts.waiting }, (_, i) => waitingKinds[i % waitingKinds.length] ?? 'idle')
      const waiting = await startWaiting(host, login, kinds)
      await sleep(knownMillis)
      const endsBefore = ledger?.ends().length ?? 0
      const begun = performance.now()
      const mark = probe.mark()
      await act()
      await probe.settled()
      const { failed, attempts, reasons, longestGapMs, lostSessions } = probe.since(mark)
      const tookMs = Math.round(performance.now() - begun)
      const ended = waiting.now().flatMap(({ kind, server, end }) => {
        return end === null || end.reason === answeredWord ? [] : [`${kind} on ${server}: ${end.reason}`]
      })
      await waiting.stop()
      const ofLoad = (await load?.lost()) ?? 0
      const lost = [
        ...Array.from({ length: lostSessions }, () => 'held'),
        ...ended,
        ...Array.from({ length: ofLoad - lostOfLoad }, () => 'sysbench'),
        ...(ledger?.ends() ?? []).slice(endsBefore),
      ]
      lostOfLoad = ofLoad
      const row = { event, lost, failed, attempts, reasons, longestGapMs, tookMs }
      rows.push(row)
      return row
    },
    table: () => tableOf(rows),
    end: async () => {
      const lostIdle = (await idle?.lost()) ?? 0
      await load?.stop()
      const wrong = (await ledger?.settle(servers)) ?? []
      await probe.stop()
      return [...wrong, ...(lostIdle === 0 ? [] : [`${lostIdle} of ${counts.idle} idle clients lost their session`])]
    },
  }
}

const tableOf = (rows: readonly Noticed[]): readonly string[] => {
  const cells = [...new Set(rows.map(({ event }) => event))].map((event) => {
    const own = rows.filter((row) => row.event === event)
    const sum = (of: (row: Noticed) => number): number => own.reduce((total, row) => total + of(row), 0)
    return [
      event,
      `${own.length}`,
      `${sum(({ lost }) => lost.length)}`,
      `${sum(({ failed }) => failed)} of ${sum(({ attempts }) => attempts)}`,
      own.map(({ longestGapMs }) => longestGapMs).join(' '),
    ]
  })
  const all = [['event', 'times', 'lost', 'new ones failed', 'longest pause each, ms'], ...cells]
  const widths = [0, 1, 2, 3].map((i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  return all.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '))
}
