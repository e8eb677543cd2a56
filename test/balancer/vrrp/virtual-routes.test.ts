// Virtual routes beside the addresses of a master: what fails, what is somebody else's, what counts.

import t from 'tap'
import { vrrpSchema } from '../../../balancer/config/vrrp-schema.ts'
import type { Host } from '../../lab/host.ts'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { type Router, startRouter } from './router.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'vrrp-routes' })
t.teardown(() => lab.destroy())
const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
await lb1.run('ip', ['address', 'add', '2001:db8:18::1/64', 'dev', 'eth0', 'nodad'])

const configuration = (routes: readonly object[], changes: object = {}) =>
  vrrpSchema.parse({
    instances: [
      {
        name: 'VI_1',
        interface: 'eth0',
        virtual_router_id: 51,
        version: 3,
        advertisement_interval: '100ms',
        track: { serving: false },
        virtual_addresses: ['198.18.0.100/24'],
        virtual_routes: routes,
        ...changes,
      },
    ],
  })
const ip = async (host: Host, ...words: readonly string[]): Promise<string> => (await host.run('ip', words)).stdout
const routes = async (): Promise<string> =>
  `${await ip(lb1, 'route')}${await ip(lb1, '-6', 'route', 'show', '2001:db8:8::/64')}`
const trouble = (router: Router, route: string) =>
  waitFor(`trouble with ${route}`, () => router.lastFact()?.routes.find((one) => one.route.includes(route))?.trouble)
const allThere = (router: Router) =>
  waitFor('all routes to be there', () => router.lastFact()?.routes.every(({ isThere }) => isThere))

t.test('a route that cannot be added leaves the master its addresses, and is there as soon as it can be', async (t) => {
  const other = { to: '2001:db8:8::/64', via: '2001:db8:18::9' }
  const router = startRouter(lb1, configuration([{ to: '198.18.8.0/24', via: '198.19.0.9' }, other]))
  await router.waitForState('master')
  t.match(await trouble(router, '198.18.8.0/24'), 'its gateway is on no network of this interface (ENETUNREACH)')
  const sent = router.lastFact()?.sent ?? 0
  await waitFor('many advertisements', () => (router.lastFact()?.sent ?? 0) > sent + 20)
  t.match(router.lastFact(), { state: 'master', transitions: 2 })
  t.ok((await lb1.addresses()).includes('198.18.0.100/24'))
  const line = '(VI_1) cannot add the route 198.18.8.0/24 via 198.19.0.9 dev eth0: its gateway is on no network'
  t.match(router.logged(/cannot add the route/), [{ level: 50, msg: line }], 'one line, however often it is tried')

  await lb1.run('ip', ['address', 'add', '198.19.0.1/24', 'dev', 'eth0'])
  await allThere(router)
  t.match(await routes(), /198\.18\.8\.0\/24 via 198\.19\.0\.9 dev eth0 proto 112/)
  t.match(router.logged(/is there now/), [{ level: 30 }])
  t.match(
    await routes(),
    /2001:db8:8::\/64 via 2001:db8:18::9 dev eth0 proto 112 .*expires \d+sec/,
    'prolonged, as its lease has to be',
  )
  await lb1.run('ip', ['route', 'del', '198.18.8.0/24'])
  await waitFor('what something removed to be back', async () => (await routes()).includes('198.18.8.0/24'))
  await router.process.stop()
  t.notMatch(await routes(), '198.18.8.0/24')
  await lb1.run('ip', ['address', 'del', '198.19.0.1/24', 'dev', 'eth0'])
})

t.test('a route of somebody else is neither replaced nor removed', async (t) => {
  const theirs = [
    ['198.18.8.0/24', 'via', '198.18.0.8'],
    ['2001:db8:8::/64', 'via', '2001:db8:18::8'],
  ]
  const ours = [
    { to: '198.18.8.0/24', via: '198.18.0.9' },
    { to: '2001:db8:8::/64', via: '2001:db8:18::9' },
  ]
  const theirOnes = /198\.18\.8\.0\/24 via 198\.18\.0\.8 [\s\S]*2001:db8:8::\/64 via 2001:db8:18::8 /
  const ourOnes = /198\.18\.8\.0\/24 via 198\.18\.0\.9 [\s\S]*2001:db8:8::\/64 via 2001:db8:18::9 /
  for (const route of theirs) await lb1.run('ip', ['route', 'add', ...route])
  const router = startRouter(lb1, configuration(ours))
  await router.waitForState('master')
  for (const { to } of ours) t.match(await trouble(router, to), 'there is another route to this network')
  t.match(await routes(), theirOnes)
  t.notMatch(await routes(), ourOnes)

  for (const route of theirs) await lb1.run('ip', ['route', 'del', ...route])
  await allThere(router)
  t.match(await routes(), ourOnes)
  // In the place of ours, and not only before it was there.
  for (const route of theirs) await lb1.run('ip', ['route', 'replace', ...route])
  const sent = router.lastFact()?.sent ?? 0
  await waitFor('the lease to be renewed', () => (router.lastFact()?.sent ?? 0) > sent + 20)
  t.match(await routes(), theirOnes)
  t.notMatch(await routes(), ourOnes)
  await router.process.stop()
  t.match(await routes(), theirOnes, 'nor with the router')
  for (const route of theirs) await lb1.run('ip', ['route', 'del', ...route])
})

t.test('what a killed process left is known as ours, and replaced by what is configured now', async (t) => {
  const via = (gateway: string) => configuration([{ to: '198.18.8.0/24', via: gateway }])
  const killed = startRouter(lb1, via('198.18.0.9'))
  await allThere(killed)
  await killed.process.kill()
  const same = startRouter(lb1, via('198.18.0.9'), { resume: ['VI_1'] })
  await allThere(same)
  t.equal((await routes()).match(/198\.18\.8\.0/g)?.length, 1)
  t.match(await same.reconfigure(via('198.18.0.8')), ['vrrp VI_1: virtual_routes changed'])
  await waitFor('the new gateway alone', async () => /198\.18\.8\.0\/24 via 198\.18\.0\.8 /.test(await routes()))
  t.equal((await routes()).match(/198\.18\.8\.0/g)?.length, 1)
  await same.process.stop()
  t.notMatch(await routes(), '198.18.8.0/24')
})

t.test('a route that is tracked counts: with a weight less priority, else FAULT that does not flap', async (t) => {
  const route = { to: '198.18.8.0/24', via: '198.19.0.9' }
  const weighted = startRouter(lb1, configuration([{ ...route, track: { weight: -30 } }]))
  await waitFor('the lower priority', () => weighted.lastFact()?.priority === 70)
  t.match(weighted.lastFact(), { state: 'master', priorityParts: [{}, { of: 'route 198.18.8.0/24', value: -30 }] })
  await weighted.process.stop()

  const router = startRouter(lb1, configuration([{ ...route, track: true }]))
  await router.waitForState('fault')
  t.match(router.lastFact()?.reason, 'route 198.18.8.0/24: its gateway is on no network of this interface')
  t.notOk((await lb1.addresses()).includes('198.18.0.100/24'))
  const transitions = router.lastFact()?.transitions
  const ticks = (): number => router.process.lines().filter((line) => line.includes('"state":"fault"')).length
  const before = ticks()
  await waitFor('a few seconds of a second each', () => ticks() > before + 3)
  t.equal(router.lastFact()?.transitions, transitions, 'it stays out')
  await lb1.run('ip', ['address', 'add', '198.19.0.1/24', 'dev', 'eth0'])
  await router.waitForState('master')
  await allThere(router)
  await router.process.stop()
})
