// Two and three balancers that forward directly at once, without VRRP, behind a router that sends each session to one of them:
// one is added, drained, loses its power, and servers are drained meanwhile. Nobody whose server lives may lose a session.

import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startDirectClients } from '../e2e/direct-clients.ts'
import { ask } from '../e2e/sides.ts'
import { startWaiting } from '../e2e/waiting.ts'
import { waitingKinds } from '../e2e/waiting-messages.ts'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { nextHops, plainWays, resilientWays, routeHome, type Ways } from '../lab/router.ts'
import { type BalancerHost, buildSite, servicePort, virtualAddress } from '../lab/site.ts'
import { prepareLoad } from '../lab/sysbench.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(1_500_000)
/** A look at all flows, and the way of what it finds to the others. */
const tellMillis = 1500
/** How long an operator, or a routing daemon, takes to miss a balancer. */
const missMillis = 2000
const sampled = 1000

const lab = await createLab({ name: 'long-ecmp' })
t.teardown(() => lab.destroy())
const target = { address: virtualAddress, port: servicePort }
const site = await buildSite(lab, {
  databases: 2,
  balancers: 3,
  datapath: 'direct',
  isRouted: true,
  startServers: (_, hosts) =>
    Promise.all(
      hosts.map(async (host) => {
        const server = await startMariaDb({ lab, host, name: host.name })
        await prepareLoad(host, server)
        return server
      }),
    ),
})
const { client, databases, balancers } = site
const [one, two, three] = balancers
const [firstDatabase, lastDatabase] = databases
if (one === undefined || two === undefined || three === undefined) throw new Error('there are no three balancers')
if (firstDatabase === undefined || lastDatabase === undefined) throw new Error('there are no two servers')
const router = lab.host('router')

const tell = (balancer: BalancerHost, line: string): Promise<string> => ask(balancer.adminSocket, line)
const untilReady = async (all: readonly BalancerHost[]): Promise<void> => {
  for (const balancer of all) {
    await waitFor(`${balancer.host.name} to serve, and to know the others`, async () => {
      const { listeners } = await balancer.status()
      const isOpen = listeners.every(({ binds, servers }) => {
        return binds.length > 0 && binds.every(({ open }) => open) && servers.every(({ up }) => up)
      })
      const connected = (await tell(balancer, 'show peers')).match(/ connected /g)?.length ?? 0
      return isOpen && connected >= all.length - 1
    })
  }
  await sleep(tellMillis)
}
const order = async (all: readonly BalancerHost[], line: string): Promise<void> => {
  for (const balancer of all) await tell(balancer, line)
  await sleep(tellMillis)
}

/** What each change of the router's next hops moves, and what of that from one that stays to one that was there before. */
const moved: string[] = []
const change = async (ways: Ways, what: string, next: readonly BalancerHost[]): Promise<void> => {
  const before = await nextHops(router, client, target, sampled)
  const hosts = next.map(({ host }) => host)
  await ways.use(hosts)
  const after = await nextHops(router, client, target, sampled)
  const changed = before.flatMap((from, i) => (from === after[i] ? [] : [{ from, to: after[i] ?? '' }]))
  const stays = (address: string): boolean => before.includes(address) && hosts.some((host) => host.address === address)
  const needlessly = changed.filter(({ from, to }) => stays(from) && stays(to)).length
  moved.push(`${ways.name}, ${what}: ${changed.length} of ${sampled} sessions move, ${needlessly} of them needlessly`)
}
const stopped = async (balancer: BalancerHost): Promise<void> => {
  await balancer.process().stop(20_000)
}
const restart = async (balancer: BalancerHost): Promise<void> => {
  await balancer.host.powerOn()
  await routeHome(balancer.host)
  await balancer.start()
}

const allHosts: readonly Host[] = balancers.map(({ host }) => host)
await plainWays(router, virtualAddress).use([one.host, two.host])
await stopped(three)

await untilReady([one, two])
// Before the first test: what tap waits for is a test.
const clients = await startDirectClients(lab, client, {
  target,
  servers: databases.map(({ server }) => server),
  counts: { held: 12, waiting: 12, ledger: 0, idle: 6, load: 2 },
  interval: 100,
})
await t.test('what they say of themselves: they serve, without VRRP and with the address on no host', async (t) => {
  const check = await one.check()
  t.equal(check.code, 0, check.stderr)
  const warnings = check.stderr.split('\n').filter((line) => line !== '')
  t.match(warnings, [/^warning: peer lb3 is not connected: it refuses the connection/])
  t.equal(warnings.length, 1)
  t.match(await tell(one, 'show vrrp'), /no VRRP instance/)
  t.comment(await tell(one, 'show servers'))
  t.comment(await tell(one, 'show peers'))
})

const quiet = (event: string, act: (t: Test) => Promise<unknown>): Promise<unknown> =>
  t.test(event, async (t) => {
    const { lost, failed, reasons, longestGapMs } = await clients.noticed(event, () => act(t))
    t.comment(`longest pause ${longestGapMs} ms`)
    t.same({ lost, failed, reasons }, { lost: [], failed: 0, reasons: {} })
  })

for (const ways of [plainWays(router, virtualAddress), resilientWays(router, virtualAddress, allHosts)]) {
  await quiet('a balancer is added', async () => {
    await ways.use([one.host, two.host])
    await three.start()
    await untilReady(balancers)
    await change(ways, 'a third is added', balancers)
    await sleep(tellMillis)
  })
  await quiet('a server is drained', () => order(balancers, `server mysql/${firstDatabase.host.name} drain`))
  await quiet('a balancer is drained and stopped', async () => {
    await sleep(tellMillis)
    await change(ways, 'one of three is drained', [one, three])
    await sleep(tellMillis)
    await stopped(two)
  })
  await quiet('the server is ready again', () => order([one, three], `server mysql/${firstDatabase.host.name} ready`))
  await quiet('a balancer comes back', async (t) => {
    await two.start()
    await untilReady(balancers)
    // A restart forgets no order: what was ordered meanwhile has to be ordered there too, or it has nobody when the next one is drained.
    t.match(
      await tell(three, 'show peers'),
      /lb2: listener mysql: new sessions go to db1 1, db2 1 here, to db2 1 on lb2/,
    )
    await order([two], `server mysql/${firstDatabase.host.name} ready`)
    t.notMatch(await tell(three, 'show peers'), /new sessions go to/)
    await change(ways, 'a third is added', balancers)
    await sleep(tellMillis)
  })
  await quiet('power cut of a balancer', async () => {
    // Others keep slots since the last stop, with a server drained: of whom these would send elsewhere they are told by now.
    await sleep(tellMillis)
    await one.host.powerCut()
    await sleep(missMillis)
    await change(ways, 'one of three has died', [two, three])
  })
  await quiet('a server is drained while one is dead', () =>
    order([two, three], `server mysql/${lastDatabase.host.name} drain`),
  )
  await quiet('the dead one comes back', async () => {
    await order([two, three], `server mysql/${lastDatabase.host.name} ready`)
    await restart(one)
    await untilReady(balancers)
    await change(ways, 'a third is added', balancers)
    await sleep(tellMillis)
  })
  await quiet('power cut of one of two', async () => {
    await sleep(tellMillis)
    await change(ways, 'one of three is drained', [one, two])
    await sleep(tellMillis)
    await stopped(three)
    await two.host.powerCut()
    await sleep(missMillis)
    await change(ways, 'one of two has died', [one])
    await sleep(tellMillis)
    await restart(two)
    await untilReady([one, two])
    await change(ways, 'a second is added', [one, two])
    await sleep(tellMillis)
  })
}
await t.test('at the end idle clients have their sessions', async (t) => {
  t.same(await clients.end(), [])
})

await t.test(
  'who waits for a server without power is told, also where the router sends him elsewhere by now',
  async (t) => {
    const ways = plainWays(router, virtualAddress)
    await three.start()
    await untilReady(balancers)
    const kinds = [...waitingKinds, ...waitingKinds, ...waitingKinds, ...waitingKinds]
    const waiting = await startWaiting(client, { ...target, ...appUser }, kinds)
    // Long enough to be seen by whoever has them, and then half of them are sent to one that has not.
    await sleep(tellMillis)
    await ways.use([three.host, one.host])
    const dead = lastDatabase.host.name
    const cutAt = Date.now()
    await lastDatabase.host.powerCut()
    await waitFor('all balancers to call it down', async () => {
      const all = await Promise.all(balancers.map((balancer) => balancer.status()))
      return all.every(({ listeners }) => listeners[0]?.servers.find(({ name }) => name === dead)?.up === false)
    })
    const downAt = Date.now()
    const [told, others] = [true, false].map((isDead) => () => {
      return waiting.now().filter(({ server }) => (server === dead) === isDead)
    })
    if (told === undefined || others === undefined) throw new Error('there are two kinds')
    t.ok(told().length > 0 && others().length > 0, 'both servers had some')
    await waitFor('all who wait for it to be told', () => told().every(({ end }) => end !== null))
    const times = told().map(({ end }) => (end?.at ?? 0) - cutAt)
    t.comment(
      `${told().length} told ${times.join(' ')} ms after the power cut; all balancers knew after ${downAt - cutAt} ms`,
    )
    t.same(
      others().flatMap(({ end }) => end ?? []),
      [],
    )
    await waiting.stop()
  },
)
for (const line of [...clients.table(), ...moved]) t.comment(line)
