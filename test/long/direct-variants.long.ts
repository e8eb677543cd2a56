// Other ways to build a pair that forwards directly: balancers on the database hosts, three balancers, source ports that come again,
// and clients with an old ARP entry. And frames by hand for balancers that disagree: none may circle.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type DirectClients, startDirectClients } from '../e2e/direct-clients.ts'
import { type DirectEvents, directEvents } from '../e2e/direct-events.ts'
import { testPowerCuts, testServerKilled } from '../e2e/kernel-servers.ts'
import { buildPair, type Pair } from '../e2e/pair.ts'
import { startWaiting } from '../e2e/waiting.ts'
import { startProbe } from '../lab/gap-probe.ts'
import type { Host } from '../lab/host.ts'
import { createLab, type Lab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser } from '../lab/mariadb-files.ts'
import {
  addAddress6,
  type BalancerHost,
  type SiteOptions,
  servicePort,
  virtualAddress,
  virtualAddress6,
} from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(3_000_000)
const target = { address: virtualAddress, port: servicePort }
const seed = Number(process.env['SIM_SEED'] ?? Date.now() % 100_000)
const handOvers = 14
const shortConnections = 6000
/** Sessions of clients that are there all the time, of two kinds. */
const alive = 24
/** Until the other balancer knows of a session: it is told when it has lived for a second, after a look at the flows, each second. */
const knownMillis = 4000

type Field = { readonly lab: Lab; readonly pair: Pair; readonly events: DirectEvents; readonly clients: DirectClients }

const withField = (
  name: string,
  options: SiteOptions,
  play: (t: Test, field: Field) => Promise<unknown>,
): Promise<unknown> =>
  t.test(name, async (t) => {
    const lab = await createLab({ name: 'long-direct-variant' })
    t.teardown(() => lab.destroy())
    const pair = await buildPair(lab, {
      databases: 2,
      advertisementInterval: '200ms',
      datapath: 'direct',
      startServers: (_, hosts) => Promise.all(hosts.map((host) => startMariaDb({ lab, host, name: host.name }))),
      ...options,
    })
    const events = await directEvents(pair)
    const clients = await startDirectClients(lab, pair.site.client, {
      target: { ...target, address: options.isIpv6 === true ? virtualAddress6 : virtualAddress },
      servers: pair.site.databases.map(({ server }) => server),
      counts: { held: alive / 2, waiting: 12, ledger: 0, idle: alive / 2, load: 0 },
    })
    await play(t, { lab, pair, events, clients })
    for (const line of clients.table()) t.comment(line)
  })

/** Nobody may notice. */
const quiet = async (t: Test, { clients }: Field, event: string, act: () => Promise<unknown>): Promise<void> => {
  const { lost, failed, reasons } = await clients.noticed(event, act)
  t.same({ lost, failed, reasons }, { lost: [], failed: 0, reasons: {} }, event)
}
/** The interface of a host, and the frames that it has sent. */
const linkOf = async (host: Host): Promise<{ readonly mac: string; readonly sent: number }> => {
  const { stdout } = await host.run('ip', ['-statistics', 'link', 'show', 'dev', 'eth0'])
  const [, mac = ''] = /link\/ether (\S+)/.exec(stdout) ?? []
  const [, sent = ''] = /TX:[^\n]*\n\s+\d+\s+(\d+)/.exec(stdout) ?? []
  return { mac, sent: Number(sent) }
}
const pinned = async (host: Host, mac: string, act: () => Promise<unknown>): Promise<void> => {
  const words = ['replace', virtualAddress, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent']
  await host.run('ip', ['neigh', ...words])
  await act()
  await host.run('ip', ['neigh', 'delete', virtualAddress, 'dev', 'eth0'])
}
const forwardedBy = async ({ host }: BalancerHost): Promise<number> => {
  const { stdout } = await host.run('nft', ['list', 'counters', 'table', 'netdev', 'balancer'])
  return [...stdout.matchAll(/counter server[^{]*\{\s*packets (\d+)/g)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  )
}

await withField('balancers on the database hosts', { areTogether: true }, async (t, field) => {
  const { pair, events, clients } = field
  const { site, ask } = pair
  for (let i = 0; i < 4; i += 1) await quiet(t, field, 'hand-over', events.handOver)
  await quiet(t, field, 'kill -9 of the balancer on the master', events.killAll)

  await t.test('balancers that disagree, and frames by hand for each: none circles', async (t) => {
    for (const [i, balancer] of site.balancers.entries()) await ask(balancer, `server mysql/db${i + 1} drain`)
    const before = { forwarded: 0, sent: (await linkOf(site.client)).sent }
    for (const balancer of site.balancers) before.forwarded += await forwardedBy(balancer)
    for (const { host } of site.balancers) {
      await pinned(site.client, (await linkOf(host)).mac, async () => {
        const probe = await startProbe(site.client, { target, ...appUser, interval: 10 })
        await waitFor('connections', () => probe.counters().attempts >= 300)
        await probe.settled()
        const { failed, attempts } = probe.counters()
        t.comment(`by ${host.name}: ${failed} of ${attempts} failed`)
        t.equal(failed, 0)
        await probe.stop()
      })
    }
    let forwarded = -before.forwarded
    for (const balancer of site.balancers) forwarded += await forwardedBy(balancer)
    const sent = (await linkOf(site.client)).sent - before.sent
    t.comment(`${sent} frames sent by the client, ${forwarded} times passed on`)
    t.ok(forwarded > 0)
    t.ok(forwarded <= sent, 'no frame is passed on twice')
    await events.order('server mysql/db1 ready')
    await events.order('server mysql/db2 ready')
  })

  await t.test('a host with balancer and server loses its power: sessions of the other server go on', async (t) => {
    const master = await site.holder()
    const its = site.databases.find(({ host }) => host === master.host)
    let cut = clients.probe.mark()
    const { lost, failed, longestGapMs } = await clients.noticed('power cut of balancer and server', () =>
      events.powerCut({
        onCut: () => {
          cut = clients.probe.mark()
        },
        restore: async () => {
          await its?.server.start()
          await its?.directReturn('up')
          await its?.startAgent()
        },
      }),
    )
    const { failedNewcomers, attempts, reasons, slow } = clients.probe.since(cut)
    t.comment(
      `longest pause ${longestGapMs} ms, ${failed} failed: ${JSON.stringify(reasons)}; of ${attempts} since the cut ` +
        `${failedNewcomers} failed, ${slow} took longer than half a second`,
    )
    // Who was logging in to the server that died is reset.
    t.equal(failedNewcomers, 0, 'nobody who began after the cut')
    const others = lost.filter((text) => text !== 'held' && !text.includes(` on ${master.host.name}:`))
    t.same(others, [])
    t.ok(lost.length > 0, 'its own sessions are told')
  })
})

await withField('three balancers', { balancers: 3 }, async (t, field) => {
  for (let i = 0; i < 4; i += 1) await quiet(t, field, 'power cut of one of three', field.events.powerCut)
  for (let i = 0; i < 3; i += 1) await quiet(t, field, 'hand-over among three', field.events.handOver)
  t.same(await field.clients.end(), [])
})

await withField('source ports that come again, and old ARP entries', {}, async (t, field) => {
  const { pair, events, lab, clients } = field
  const { site } = pair
  await t.test(`${shortConnections} short connections from 400 ports over ${handOvers} hand-overs`, async (t) => {
    const host = await lab.addHost('reuser', '198.18.0.201/24')
    await host.run('sysctl', ['-qw', 'net.ipv4.ip_local_port_range=40000 40399', 'net.ipv4.tcp_tw_reuse=1'])
    const probe = await startProbe(host, { target, ...appUser, interval: 10, timeout: 30_000 })
    for (let i = 0; i < handOvers; i += 1) {
      await quiet(t, field, 'hand-over with ports that come again', events.handOver)
      // Other slots for the same ports.
      if (i % 2 === 1) await events.order(`server mysql/db1 weight ${1 + (i % 3)}`)
    }
    await waitFor('the connections', () => probe.counters().attempts >= shortConnections, { limit: 200_000 })
    await probe.settled()
    const { attempts, failed } = probe.counters()
    t.comment(`${failed} of ${attempts} failed`)
    t.equal(failed, 0)
    await probe.stop()
  })
  await t.test('a client whose ARP entry stays at the old master', async (t) => {
    const master = await site.holder()
    await pinned(site.client, (await linkOf(master.host)).mac, async () => {
      for (let i = 0; i < 3; i += 1) await quiet(t, field, 'hand-over with an old ARP entry', events.handOver)
    })
  })
  await t.test('sessions that end in the last second of a balancer are counted by nobody after that', async (t) => {
    const master = await site.holder()
    const other = site.balancers.find((balancer) => balancer !== master)
    if (other === undefined) throw new Error('there is no other balancer')
    const counted = async (): Promise<number> => (await other.status()).listeners[0]?.sessions ?? 0
    const many = 40
    const kinds = Array<'idle'>(many).fill('idle')
    const ending = await startWaiting(site.client, { ...target, ...appUser }, kinds)
    await sleep(knownMillis)
    await ending.stop()
    await master.host.powerCut()
    const before = await waitFor('the other one to count what it was told', async () => {
      const sessions = await counted()
      return sessions >= many ? sessions : undefined
    })
    const after = await waitFor('the other one to hear what is over', async () => {
      const sessions = await counted()
      return sessions < many ? sessions : undefined
    })
    t.comment(`${before} sessions counted, ${after} when their clients had been asked`)
    t.ok(after >= alive, 'the others are still there')
    await master.host.powerOn()
    await master.start()
    await events.untilConnected()
  })
  t.same(await clients.end(), [])
  const servers = { ...pair, servers: site.databases.map(({ server }) => server), endLoad: async () => {} }
  for (const name of ['db1', 'db2']) await testServerKilled(t, servers, name)
  await testPowerCuts(t, servers, { rounds: 5, seed })
})

await withField(
  'IPv6',
  {
    isIpv6: true,
    startServers: (lab, hosts) =>
      Promise.all(
        hosts.map(async (host) => {
          const server = await startMariaDb({ lab, host, name: host.name, settings: { bind_address: '*' } })
          const { user, password, database } = appUser
          await server.query(`GRANT ALL ON ${database}.* TO '${user}'@'2001:2::%' IDENTIFIED BY '${password}'`)
          return server
        }),
      ),
  },
  async (t, field) => {
    const { events, clients } = field
    const powerCut = (): Promise<void> => events.powerCut({ restore: addAddress6 })
    await quiet(t, field, 'a server is drained (IPv6)', () => events.order('server mysql/db1 drain'))
    for (let i = 0; i < 2; i += 1) {
      await quiet(t, field, 'power cut of the master (IPv6)', powerCut)
      await quiet(t, field, 'hand-over (IPv6)', events.handOver)
    }
    await quiet(t, field, 'the server is ready again (IPv6)', () => events.order('server mysql/db1 ready'))
    await quiet(t, field, 'kill -9 of everything on the master (IPv6)', events.killAll)
    await quiet(t, field, 'power cut of the master (IPv6)', powerCut)
    t.same(await clients.end(), [])
  },
)
