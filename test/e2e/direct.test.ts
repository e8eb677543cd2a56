// The direct datapath end to end: clients connect, servers answer them themselves, and nobody loses a session with a balancer.

import t from 'tap'
import { startProbe } from '../lab/gap-probe.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { servicePort, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { untilServes } from './kernel-events.ts'
import { buildPair } from './pair.ts'
import { startWaiting } from './waiting.ts'
import { waitingKinds } from './waiting-messages.ts'

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
const { first, second, site } = pair
const probe = await startProbe(site.client, { target, ...appUser, interval: 20, timeout: 10_000, sessions: held })
const untilHeld = () => waitFor('the held sessions', () => probe.counters().openSessions === held)

await t.test('clients reach every server at the virtual address, and servers see where they come from', async (t) => {
  await untilHeld()
  const waiting = await startWaiting(site.client, { ...target, ...appUser }, Array(12).fill('idle'))
  t.equal(new Set(waiting.now().map(({ server }) => server)).size, 2)
  const [database] = site.databases
  const seen = await database?.server.query('SELECT host FROM information_schema.processlist WHERE user = "app"')
  t.ok(
    seen?.every(({ host }) => String(host).startsWith(`${site.client.address}:`)),
    JSON.stringify(seen),
  )
  await waitFor('the balancer to have counted them', async () => {
    const [listener] = (await first.status()).listeners
    return (listener?.sessions ?? 0) >= held + 12
  })
  await waiting.stop()
})

await t.test('power cut of the master: no session is lost, whatever state it is in', async (t) => {
  await untilHeld()
  const waiting = await startWaiting(site.client, { ...target, ...appUser }, [...waitingKinds, ...waitingKinds])
  const mark = probe.mark()
  await first.host.powerCut()
  await waitFor('the other one to hold the address', () => second.holdsAddress())
  await untilServes(second)
  await probe.settled()
  const { lostSessions, failed, attempts, longestGapMs, reasons } = probe.since(mark)
  t.comment(`${lostSessions} of ${held} lost, ${failed} of ${attempts} new ones failed, longest gap ${longestGapMs} ms`)
  t.equal(lostSessions, 0)
  t.same(reasons, {})
  t.same(
    waiting.now().flatMap(({ end }) => end ?? []),
    [],
  )
  await waiting.stop()
})

await probe.stop()
