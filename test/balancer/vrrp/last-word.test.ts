// Two had the address: after that every client knows it at the one that stays, also where the other had no time to speak.

import t, { type Test } from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import type { Host } from '../../lab/host.ts'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { startKeepalived } from './keepalived.ts'
import { instance, type Router, startRouter, virtualAddress, vrrpOf } from './router.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'last-word' })
t.teardown(() => lab.destroy())
const survivor = await lab.addHost('lb1', '198.18.0.1/24')
const loser = await lab.addHost('lb2', '198.18.0.2/24')
const client = await lab.addHost('client', '198.18.0.9/24')
const vip = `${virtualAddress.address}/${virtualAddress.prefixLength}`
const holds = async (host: Host): Promise<boolean> => (await host.addresses()).includes(vip)
const both = [survivor, loser]

/** All announcements of a master are over after a second: what comes later is an answer to something. */
const config = (priority: number, changes = {}) => instance({ priority, garp_master_delay: millis(0), ...changes })
const silence = 12
const settled = (router: Router) =>
  waitFor('its announcements to be over', () => {
    const fact = router.lastFact()
    return fact?.state === 'master' && fact.sent > silence
  })
const theirs = { version: 3, interval: 0.1, addresses: [vip] } as const
const macOf = async (host: Host): Promise<string> => {
  const { stdout } = await host.run('ip', ['-json', 'link', 'show', 'eth0'])
  return JSON.parse(stdout)[0].address
}
const learn = async (host: Host) => {
  const words = ['neighbour', 'replace', virtualAddress.address, 'lladdr', await macOf(host)]
  await client.run('ip', [...words, 'dev', 'eth0', 'nud', 'stale'])
}
const knows = async (t: Test, host: Host): Promise<void> => {
  const mac = await macOf(host)
  await waitFor(`the client to know the address at ${host.name}`, async () => {
    return (await client.run('ip', ['neighbour', 'show', virtualAddress.address])).stdout.includes(mac)
  })
  t.ok(await holds(host), `and it is on ${host.name}`)
}

/** Ours, and so slow from now on that it hears the other one before it speaks. */
const startSilentLoser = async (): Promise<Router> => {
  const router = startRouter(loser, config(100))
  await router.waitForState('master')
  await router.reconfigure(vrrpOf([config(100, { advertisement_interval: millis(20_000) })]))
  return router
}
const isolate = (isolated: boolean) => Promise.all(both.map((host) => host.isolate(isolated)))

t.test('a partition is healed between two of ours, and the loser hears the survivor first', async (t) => {
  await isolate(true)
  const router = startRouter(survivor, config(150))
  const silent = await startSilentLoser()
  await settled(router)
  await learn(loser)
  await isolate(false)
  await silent.waitForState('backup')
  await knows(t, survivor)
  t.match(router.lastFact(), { state: 'master', transitions: 2 })
  await Promise.all([router, silent].map((one) => one.process.stop()))
})

t.test('so it is where keepalived survives', async (t) => {
  await isolate(true)
  const keepalived = await startKeepalived(lab, survivor, { ...theirs, priority: 150, announceAgainAfter: 1 })
  await keepalived.waitForOutput(/Entering MASTER STATE/)
  const silent = await startSilentLoser()
  const announcements = () => keepalived.lines().filter((line) => line.includes('Sending/queueing')).length
  await waitFor('its announcements to be over', () => announcements() === 2)
  await learn(loser)
  await isolate(false)
  await silent.waitForState('backup')
  await knows(t, survivor)
  await Promise.all([keepalived.stop(), silent.process.stop()])
})

t.test('and where keepalived yields, if it is told to say so', async (t) => {
  await isolate(true)
  const router = startRouter(survivor, config(150))
  const options = { ...theirs, priority: 100, announceAgainAfter: 1, speaksBeforeItYields: true }
  const keepalived = await startKeepalived(lab, loser, options)
  await keepalived.waitForOutput(/Entering MASTER STATE/)
  await settled(router)
  await learn(loser)
  await isolate(false)
  await keepalived.waitForOutput(/Entering BACKUP STATE\n?$/m)
  await knows(t, survivor)
  await Promise.all([router.process.stop(), keepalived.stop()])
})

t.test('a master that was suspended: whoever took over meanwhile announces the address once more', async (t) => {
  const suspended = startRouter(loser, config(150, { preempt: false }))
  await suspended.waitForState('master')
  const router = startRouter(survivor, config(100))
  await router.waitForState('backup')
  suspended.process.signal('SIGSTOP')
  await settled(router)
  await learn(loser)
  suspended.process.signal('SIGCONT')
  await suspended.waitForState('backup')
  await knows(t, survivor)
  t.match(router.lastFact(), { state: 'master', transitions: 2 })
  await Promise.all([router, suspended].map((one) => one.process.stop()))
})

t.test('a better router that takes over in the ordinary way is told nothing of two masters', async (t) => {
  const lower = startRouter(loser, config(100))
  await lower.waitForState('master')
  const router = startRouter(survivor, config(150))
  await lower.waitForState('backup')
  await settled(router)
  await knows(t, survivor)
  t.match(router.lastFact(), { otherMasters: { count: 0, last: null } })
  t.same(router.logged(/forcing new election/), [])
  await Promise.all([router, lower].map((one) => one.process.stop()))
})
