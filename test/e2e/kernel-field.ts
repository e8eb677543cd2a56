// Two balancers, two servers that are no cluster, clients that work all the time, and what they notice of an event.

import type { Test } from 'tap'
import { type Probe, startProbe } from '../lab/gap-probe.ts'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { type MariaDb, startMariaDb } from '../lab/mariadb.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { createReleases, type Releases } from '../lab/release.ts'
import { servicePort, virtualAddress } from '../lab/site.ts'
import { type Load, prepareLoad, startLoad } from '../lab/sysbench.ts'
import { waitFor } from '../lab/wait-for.ts'
import { type HostState, hostState } from './host-state.ts'
import { buildPair, type Pair } from './pair.ts'

/** Where clients connect. */
export const target = { address: virtualAddress, port: servicePort }

const loadSessions = 12
const heldSessions = 8
const probeInterval = 20

/** What clients noticed between two moments. */
export type Noticed = {
  readonly failed: number
  readonly reasons: Readonly<Record<string, number>>
  /** Sessions that were held open and ended: of sysbench and of the probe. */
  readonly lost: number
}

/** Nothing at all. */
export const unnoticed: Noticed = { failed: 0, reasons: {}, lost: 0 }

export type KernelField = Pair & {
  readonly releases: Releases
  readonly servers: readonly MariaDb[]
  readonly probe: Probe
  /** How the balancers' hosts were before a balancer ran there, by their names. */
  readonly untouched: ReadonlyMap<string, HostState>
  /** Ends sysbench, for what is known to cost sessions. */
  readonly endLoad: () => Promise<void>
  /** Does something under load, waits until all is over that began meanwhile, and tells what clients noticed. */
  readonly noticed: (test: Test, what: string, act: () => Promise<unknown>) => Promise<Noticed>
}

const balancerHosts = ['lb1', 'lb2']

/** Two servers with the same tables, each for itself: a session depends on its own server alone. */
const startServers = async (lab: Lab, hosts: readonly Host[]): Promise<readonly MariaDb[]> => {
  const [host, ...others] = hosts
  if (host === undefined) return []
  const first = await startMariaDb({ lab, host, name: host.name })
  await prepareLoad(host, first)
  await first.stop()
  const copies = others.map((one) => startMariaDb({ lab, host: one, name: one.name, dataFrom: first.dataDirectory }))
  // Copied before it goes on, or the copy would be of a server in the middle of its work.
  const rest = await Promise.all(copies)
  await first.start()
  return [first, ...rest]
}

const version = '1.0.0'

/** Builds it all and has everybody work. */
export const buildKernelField = async (lab: Lab): Promise<KernelField> => {
  const releases = createReleases(lab.directory)
  releases.install(version)
  const untouched = new Map<string, HostState>()
  const pair = await buildPair(lab, {
    databases: 2,
    advertisementInterval: '1s',
    balancerProgram: releases.program,
    datapath: 'kernel',
    startServers: async (_, hosts) => {
      for (const name of balancerHosts) untouched.set(name, await hostState(lab.host(name)))
      return startServers(lab, hosts)
    },
  })
  const { client, databases } = pair.site
  const servers = databases.map(({ server }) => server)
  const work = (): Promise<Load> => startLoad(client, target, servers, loadSessions)
  let load: Load | undefined
  const probe = await startProbe(client, {
    target,
    ...appUser,
    interval: probeInterval,
    // A firewall of somebody may be in the way for ten seconds, until it is found.
    timeout: 30_000,
    sessions: heldSessions,
  })
  return {
    ...pair,
    releases,
    servers,
    probe,
    untouched,
    endLoad: async () => {
      await load?.stop()
      load = undefined
    },
    noticed: async (test, what, act) => {
      load ??= await work()
      await waitFor('the held sessions', () => probe.counters().openSessions === heldSessions)
      const mark = probe.mark()
      await act()
      await probe.settled()
      const ofLoad = await load.lost()
      const { failed, reasons, slow, attempts, longestGapMs, lostSessions, probeLateMs } = probe.since(mark)
      const lost = lostSessions + ofLoad
      test.comment(
        `${what}: ${lost} of ${loadSessions + heldSessions} sessions lost, ${failed} of ${attempts} new connections failed, ` +
          `${slow} slow, longest gap ${longestGapMs} ms (probe late ${probeLateMs} ms)`,
      )
      if (ofLoad > 0) {
        await load.stop()
        load = undefined
      }
      return { failed, reasons, lost }
    },
  }
}
