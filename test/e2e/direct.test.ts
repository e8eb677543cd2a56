// The direct datapath end to end: clients connect, servers answer them themselves, and nobody loses a session with a balancer.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { z } from 'zod'
import { startProbe } from '../lab/gap-probe.ts'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { familyOf, identify, signalProcess } from '../lab/proc.ts'
import { agentProgram as agent } from '../lab/programs.ts'
import { type BalancerHost, servicePort, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'
import { untilServes } from './kernel-events.ts'
import { testServerKilled } from './kernel-servers.ts'
import { buildPair } from './pair.ts'
import { startWaiting } from './waiting.ts'
import { waitingKinds } from './waiting-messages.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-direct' })
t.teardown(() => lab.destroy())

const target = { address: virtualAddress, port: servicePort }
const held = 12
/** From one look at all flows to the next, and the way of what it finds. */
const lookMillis = 1500

const pair = await buildPair(lab, {
  databases: 2,
  advertisementInterval: '200ms',
  datapath: 'direct',
  startServers: (_, hosts) => Promise.all(hosts.map((host) => startMariaDb({ lab, host, name: host.name }))),
})
const { first, second, site } = pair
const servers = site.databases.map(({ server }) => server)
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

const shownSchema = z.object({
  listeners: z.array(
    z.object({ servers: z.array(z.object({ bytes_in: z.number().nullable(), bytes_out: z.number().nullable() })) }),
  ),
  peers: z.object({ peers: z.array(z.object({ connected: z.boolean(), told: z.number() })) }),
})

/** The whole status, as the page has it. */
const shown = async (balancer: BalancerHost): Promise<z.output<typeof shownSchema>> =>
  shownSchema.parse(await balancer.document())

const noticed = async (t: Test, what: string, act: () => Promise<unknown>): Promise<void> => {
  await untilHeld()
  const mark = probe.mark()
  await act()
  await probe.settled()
  const { lostSessions, failed, attempts, longestGapMs, reasons } = probe.since(mark)
  t.comment(
    `${what}: ${lostSessions} of ${held} lost, ${failed} of ${attempts} new ones failed, gap ${longestGapMs} ms`,
  )
  t.equal(lostSessions, 0, what)
  t.same(reasons, {}, what)
}

/** The same to both. */
const order = async (what: string): Promise<void> => {
  for (const balancer of [first, second]) await pair.ask(balancer, `server mysql/db1 ${what}`)
}
/** What began before the call is known to the other balancer. */
const untilTold = async (): Promise<void> => {
  await waitFor('sessions to be told', async () => ((await shown(first)).peers.peers[0]?.told ?? 0) > 0)
  await sleep(lookMillis)
}

const tables = async (host: Host): Promise<string> => (await host.run('nft', ['list', 'tables'])).stdout

await t.test('what a balancer tells: who is connected, and what servers send past it', async (t) => {
  await waitFor('the other one to be connected', async () => (await shown(first)).peers.peers[0]?.connected)
  // The part of the agent that a unit runs counts them.
  for (const { host, configFile } of site.databases) {
    host.spawn('direct-return', process.execPath, [agent, 'direct-return', 'up', '--watch', '--config', configFile])
  }
  await waitFor('bytes in by the counters, and bytes out by the word of the agents', async () => {
    const servers = (await shown(first)).listeners.flatMap((listener) => listener.servers)
    return servers.every(({ bytes_in: come, bytes_out: left }) => (come ?? 0) > 0 && (left ?? 0) > 0)
  })
  t.match(await tables(first.host), /table netdev balancer\n/)
  // Who is master is told by name, with what he has.
  const { name, address } = first.host
  await waitFor('the master to be told', async () =>
    (await pair.ask(second, 'show vrrp')).includes(`last advertisement from ${name} (${address}), priority`),
  )
  await waitFor('what it holds to be told', async () =>
    new RegExp(`^${name} .* connected .* ${virtualAddress} `, 'm').test(await pair.ask(second, 'show peers')),
  )
})

await t.test('hand-overs around a drained server, a crash and a stop: nobody loses a session', async (t) => {
  const waiting = await startWaiting(site.client, { ...target, ...appUser }, Array(6).fill('idle'))
  await noticed(t, 'drained, and handed over', async () => {
    await order('drain')
    await untilTold()
    await pair.ask(first, 'vrrp VI_1 handover')
    await pair.untilHeldBy(second)
    await order('ready')
    await sleep(lookMillis)
    await pair.ask(second, 'vrrp VI_1 handover')
    await pair.untilHeldBy(first)
  })
  await noticed(t, 'kill -9 of the process that keeps the rules', async () => {
    const before = pair.childOf(first, 'kernel')
    process.kill(before, 'SIGKILL')
    await waitFor('another one', () => pair.childOf(first, 'kernel') !== before)
    await untilServes(first)
  })
  await noticed(t, 'kill -9 of everything on the master', async () => {
    const family = familyOf(first.process().pid).flatMap((pid) => identify(pid) ?? [])
    for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const one of family) signalProcess(one, signal)
    await first.process().exited
    await waitFor('the other one to hold the address', () => second.holdsAddress())
    await first.start()
    await pair.untilHeldBy(first)
    await untilServes(first)
  })
  await noticed(t, 'stopped', async () => {
    t.match(await second.process().stop(), { code: 0 })
    t.equal(await tables(second.host), '', 'no rule is left')
    await second.start()
    await untilServes(second)
  })
  t.same(
    waiting.now().flatMap(({ end }) => end ?? []),
    [],
  )
  await waiting.stop()
})

await testServerKilled(t, { ...pair, servers, endLoad: async () => {} }, 'db2')

await t.test('power cut of a master with a drained server: no session is lost, whatever state it is in', async (t) => {
  await untilHeld()
  const waiting = await startWaiting(site.client, { ...target, ...appUser }, [...waitingKinds, ...waitingKinds])
  await order('drain')
  await untilTold()
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

await t.test('when all have gone nobody is counted, wherever a session began and ended', async () => {
  await probe.stop()
  await waitFor('the last session to be over', async () => {
    const [listener] = (await second.status()).listeners
    if (listener?.sessions !== 0) throw new Error(`${listener?.sessions} sessions`)
    return true
  })
})

await t.test('a server whose firewall lets in the balancers alone is told, though it passes its checks', async (t) => {
  await pair.ask(second, 'server mysql/db1 ready')
  const [database] = site.databases
  const rules = `table inet strict { chain input { type filter hook input priority 0; ip saddr ${site.client.address} drop\n}\n}\n`
  t.equal((await database?.host.run('nft', [rules]))?.code, 0)
  const clients = await startProbe(site.client, { target, ...appUser, interval: 200, timeout: 2000, sessions: 0 })
  const said = await waitFor('word of it', async () =>
    /^.*connections to db\d in the last minute got no answer.*$/m.exec(await pair.ask(second, 'show servers')),
  )
  t.match(said[0], /^mysql\/db1 \d+ of \d+ connections to db1 .*clients on port 3306/)
  await clients.stop()
})
