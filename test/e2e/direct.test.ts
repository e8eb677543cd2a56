// The direct datapath end to end: clients connect, servers answer them themselves, and nobody loses a session with a balancer.

import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { servicePort, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { startDirectClients } from './direct-clients.ts'
import { directEvents } from './direct-events.ts'
import { testServerKilled } from './kernel-servers.ts'
import { buildPair } from './pair.ts'
import { startWaiting } from './waiting.ts'

t.setTimeout(240_000)
const lab = await createLab({ name: 'e2e-direct' })
t.teardown(() => lab.destroy())

const target = { address: virtualAddress, port: servicePort }
const held = 12

const pair = await buildPair(lab, {
  databases: 2,
  advertisementInterval: '200ms',
  datapath: 'direct',
  startServers: (_, hosts) => Promise.all(hosts.map((host) => startMariaDb({ lab, host, name: host.name }))),
})
const { site } = pair
const servers = site.databases.map(({ server }) => server)
const events = await directEvents(pair)
const clients = await startDirectClients(lab, site.client, {
  ...{ target, servers },
  counts: { held, waiting: 9, ledger: 0, idle: 6, load: 0 },
})

await t.test('clients reach every server at the virtual address, and servers see where they come from', async (t) => {
  const waiting = await startWaiting(site.client, { ...target, ...appUser }, Array(12).fill('idle'))
  t.equal(new Set(waiting.now().map(({ server }) => server)).size, 2)
  const [server] = servers
  const seen = await server?.query('SELECT host FROM information_schema.processlist WHERE user = "app"')
  t.ok(
    seen?.every(({ host }) => String(host).startsWith(`${site.client.address}:`)),
    JSON.stringify(seen),
  )
  await waitFor('the balancer to have counted them', async () => {
    const [listener] = (await (await site.holder()).status()).listeners
    return (listener?.sessions ?? 0) >= held + 12
  })
  await waiting.stop()
})

/** Nobody may notice, whatever state a session is in. */
const quiet = (event: string, act: () => Promise<unknown>): Promise<unknown> =>
  t.test(`${event}: no session is lost, and no new connection fails`, async (t) => {
    const { lost, failed, reasons, attempts, longestGapMs } = await clients.noticed(event, act)
    t.comment(`${failed} of ${attempts} new ones failed, longest gap ${longestGapMs} ms`)
    t.same({ lost, failed, reasons }, { lost: [], failed: 0, reasons: {} })
  })

await quiet('power cut of the master', events.powerCut)
await quiet('hand-over', events.handOver)
await quiet('kill -9 of everything on the master', events.killAll)
// Sessions that its slots would send elsewhere now are told to the other one.
await quiet('a server that is drained', () => events.order('server mysql/db1 drain'))
await quiet('power cut of a master with a drained server', events.powerCut)
await quiet('the server is ready again', () => events.order('server mysql/db1 ready'))
await t.test('idle clients have their sessions after all of that', async (t) => {
  t.same(await clients.end(), [])
})
await testServerKilled(t, { ...pair, servers, endLoad: async () => {} }, 'db2')
