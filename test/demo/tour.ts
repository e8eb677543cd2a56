// The tour: what goes wrong at night, done on purpose, and what a client saw of it.

import type { Probe, ProbeWindow } from '../lab/gap-probe.ts'
import type { BalancerHost, DatabaseHost, Site } from '../lab/site.ts'
import { proxiedPort, servicePort, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { textTable } from './table.ts'

/** A bound that a step has to keep. */
type Target = { readonly text: string; readonly isMet: (window: ProbeWindow, leaseMillis: number | null) => boolean }

type Row = {
  readonly step: string
  readonly window: ProbeWindow
  /** Sessions lost of as many that go through the proxy in user space. */
  readonly lostInUserSpace: number
  readonly leaseMillis: number | null
  readonly target: Target
}

type Print = (line: string) => void

const gapUnder = (limit: number): Target => ({
  text: `gap < ${limit} ms, none lost`,
  isMet: ({ longestGapMs, lostSessions }) => longestGapMs < limit && lostSessions === 0,
})
const gapAndLease = (limit: number, leaseLimit: number): Target => ({
  text: `gap < ${limit} ms, none lost, address gone < ${leaseLimit} ms`,
  isMet: (window, lease) => gapUnder(limit).isMet(window, lease) && lease !== null && lease < leaseLimit,
})
/** Connections that were just logging in to a server when it died cannot be saved by anybody; its sessions neither. */
const onlyInFlight: Target = { text: 'at most 2 failed, in flight', isMet: ({ failed }) => failed <= 2 }
/** Where a server is taken out, its sessions end: of a donor, too, that sends its data to another one. */
const noFailureNoSlow: Target = {
  text: 'none failed, none slow',
  isMet: ({ failed, slow }) => failed === 0 && slow === 0,
}
const nothing: Target = {
  text: 'none failed, none slow, none lost',
  isMet: (window, lease) => noFailureNoSlow.isMet(window, lease) && window.lostSessions === 0,
}

/** How long a quiet stretch is watched. */
const watchMillis = 3000
/** The lease is 2 s, and is looked at every 50 ms; both may be late on a busy machine. */
const leaseLimitMillis = 2500
const leaseLookMillis = 50

/** Who looks: at the usual listener, and at the one in user space beside it. */
export type TourProbes = { readonly probe: Probe; readonly proxied: Probe }

/** Walks through every step and prints the table. True when every target was met. */
export const runTour = async (site: Site, { probe, proxied }: TourProbes, print: Print): Promise<boolean> => {
  const rows: Row[] = []
  const measure = async (step: string, target: Target, action: () => Promise<number | null>): Promise<void> => {
    const from = probe.mark()
    const leaseMillis = await action()
    await pause(watchMillis)
    const to = probe.mark()
    await Promise.all([probe.settled(), proxied.settled()])
    const lostInUserSpace = proxied.since(from, to).lostSessions
    const row = { step, window: probe.since(from, to), lostInUserSpace, leaseMillis, target }
    rows.push(row)
    const { longestGapMs, attempts, failed, reasons, slow, lostSessions } = row.window
    const why = Object.entries(reasons).map(([reason, times]) => `${times} ${reason}`)
    print(
      `  measured: longest gap ${longestGapMs} ms; of ${attempts} new connections ${failed} failed${failed > 0 ? ` (${why.join(', ')})` : ''}, ${slow} slow; ${lostSessions} sessions lost, ${lostInUserSpace} in user space${leaseMillis === null ? '' : `; address gone after ${leaseMillis} ms`}`,
    )
  }

  for (const step of steps(site, print)) await measure(step.name, step.target, step.action)

  print('')
  for (const line of tourTable(rows)) print(line)
  print('')
  print('gap: the longest time without a successful new connection (one is tried every 10 ms, with login and query).')
  print('slow: succeeded after more than 500 ms. lost: sessions that broke, of 8 that ran a query every 100 ms.')
  print(
    `All with datapath: direct, port ${servicePort}. user space: as many sessions through datapath: userspace, port ${proxiedPort}.`,
  )
  const missed = rows.filter(({ target, window, leaseMillis }) => !target.isMet(window, leaseMillis))
  if (missed.length > 0) print(`MISSED: ${missed.map(({ step }) => step).join('; ')}`)
  return missed.length === 0
}

const tourTable = (rows: readonly Row[]): readonly string[] =>
  textTable(
    ['step', 'gap ms', 'tried', 'failed', 'slow', 'lost', 'user space', 'address gone ms', 'target', ''],
    rows.map(({ step, window, lostInUserSpace, leaseMillis, target }) => [
      step,
      `${window.longestGapMs}`,
      `${window.attempts}`,
      `${window.failed}`,
      `${window.slow}`,
      `${window.lostSessions}`,
      `${lostInUserSpace}`,
      `${leaseMillis ?? ''}`,
      target.text,
      target.isMet(window, leaseMillis) ? 'met' : 'MISSED',
    ]),
  )

type Step = { readonly name: string; readonly target: Target; readonly action: () => Promise<number | null> }

function* steps(site: Site, print: Print): Generator<Step> {
  const [db1, db2] = site.databases
  if (db1 === undefined || db2 === undefined) throw new Error('the tour needs two database hosts')
  const say = (line: string): void => print(`- ${line}`)

  yield {
    name: 'all is well',
    target: nothing,
    action: async () => {
      say(`queries through ${virtualAddress}, a new connection every 10 ms`)
      return null
    },
  }
  yield {
    name: 'kill -9 of MariaDB on db1, until it is marked down',
    target: onlyInFlight,
    action: async () => {
      say('kill -9 of MariaDB on db1')
      await db1.server.kill9()
      await untilMarked(site, db1, false)
      print('  db1 is marked down on both balancers')
      return null
    },
  }
  yield {
    name: 'after db1 is marked down',
    target: nothing,
    action: async () => {
      say('a stretch with two servers')
      return null
    },
  }
  yield {
    name: 'MariaDB on db1 comes back',
    target: noFailureNoSlow,
    action: async () => {
      say('MariaDB on db1 starts again and joins the cluster')
      await db1.server.start()
      await untilMarked(site, db1, true)
      print('  db1 is up again on both balancers')
      return null
    },
  }
  yield {
    name: 'force-fail file on db2',
    target: noFailureNoSlow,
    action: async () => {
      say('an operator writes the force-fail file on db2')
      db2.forceFail('upgrade of the operating system')
      await untilMarked(site, db2, false)
      print('  db2 is marked down on both balancers')
      return null
    },
  }
  yield {
    name: 'force-fail file removed',
    target: nothing,
    action: async () => {
      say('the file is removed')
      db2.clearForceFail()
      await untilMarked(site, db2, true)
      print('  db2 is up again on both balancers')
      return null
    },
  }
  yield {
    name: 'clean stop of the active balancer',
    target: gapUnder(150),
    action: async () => {
      const active = await site.holder()
      say(`SIGTERM to the active balancer, ${active.host.name}`)
      await active.process().stop()
      await untilHeldByAnother(site, active, print)
      return null
    },
  }
  yield restart(site, say)
  yield {
    name: 'power cut of the active balancer',
    target: gapAndLease(500, leaseLimitMillis),
    action: async () => {
      const active = await site.holder()
      say(`power cut of ${active.host.name}: its link goes down, all its processes are killed`)
      const from = performance.now()
      await active.host.powerCut()
      const [gone] = await Promise.all([untilAddressIsGone(active, from), untilHeldByAnother(site, active, print)])
      return gone
    },
  }
  yield restart(site, say)
  yield {
    name: 'kill -9 of every balancer process, link up',
    target: gapAndLease(500, leaseLimitMillis),
    action: async () => {
      const active = await site.holder()
      say(`kill -9 of every process on ${active.host.name}; its link stays up`)
      const from = performance.now()
      await active.host.killAll()
      const [gone] = await Promise.all([untilAddressIsGone(active, from), untilHeldByAnother(site, active, print)])
      return gone
    },
  }
}

const restart = (site: Site, say: Print): Step => ({
  name: 'the stopped balancer comes back',
  target: nothing,
  action: async () => {
    const stopped = await find(site, async (balancer) => !balancer.process().isRunning())
    say(`${stopped.host.name} starts again; it stays backup, as preempt: false says`)
    await stopped.host.powerOn()
    await stopped.start()
    return null
  },
})

const find = async (site: Site, condition: (balancer: BalancerHost) => Promise<boolean>): Promise<BalancerHost> => {
  for (const balancer of site.balancers) if (await condition(balancer)) return balancer
  throw new Error('no such balancer')
}

const untilMarked = async (site: Site, database: DatabaseHost, up: boolean): Promise<void> => {
  const { name } = database.host
  for (const balancer of site.balancers) {
    await waitFor(`${name} ${up ? 'up' : 'down'} on ${balancer.host.name}`, async () =>
      (await balancer.status()).listeners[0]?.servers.some((server) => server.name === name && server.up === up),
    )
  }
}

const untilHeldByAnother = async (site: Site, earlier: BalancerHost, print: Print): Promise<void> => {
  const other = await waitFor(`another holder of ${virtualAddress}`, async () => {
    for (const balancer of site.balancers) if (balancer !== earlier && (await balancer.holdsAddress())) return balancer
    return undefined
  })
  print(`  ${other.host.name} holds ${virtualAddress}`)
}

const untilAddressIsGone = async (balancer: BalancerHost, from: number): Promise<number> => {
  await waitFor(`${virtualAddress} gone from ${balancer.host.name}`, async () => !(await balancer.holdsAddress()), {
    interval: leaseLookMillis,
  })
  return Math.round(performance.now() - from)
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))
