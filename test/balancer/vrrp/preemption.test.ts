// Who preempts whom on a real wire, and when: the address owner, two who say that they own it, and a delay.

import t from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import type { Host } from '../../lab/host.ts'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { capture } from './capture.ts'
import { startKeepalived } from './keepalived.ts'
import { instance, type Router, startRouter, virtualAddress, vrrpOf } from './router.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'preemption' })
t.teardown(() => lab.destroy())
const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
const lb2 = await lab.addHost('lb2', '198.18.0.2/24')
const vip = `${virtualAddress.address}/${virtualAddress.prefixLength}`
const holds = async (host: Host): Promise<boolean> => (await host.addresses()).includes(vip)
const onlyOn = (host: Host) =>
  waitFor(`the virtual address on ${host.name} alone`, async () => {
    const [first, second] = await Promise.all([holds(lb1), holds(lb2)])
    return first !== second && (host === lb1 ? first : second)
  })
const hearsMore = (router: Router, more: number) => {
  const received = router.lastFact()?.received ?? 0
  return waitFor(`${more} advertisements more`, () => (router.lastFact()?.received ?? 0) >= received + more)
}
const entered = (router: Router) => router.logged(/Entering/)

t.test('the address owner is master at once, and stays it beside a master that does not hear it', async (t) => {
  const keepalived = await startKeepalived(lab, lb2, { version: 3, priority: 254, interval: 0.1, addresses: [vip] })
  await keepalived.waitForOutput(/Entering MASTER STATE/)
  const readCapture = await capture(lab, lb2, { filter: 'ip proto 112 and src host 198.18.0.1' })
  const owner = startRouter(lb1, instance({ priority: 255, preempt: false }))
  await owner.waitForState('master')
  await onlyOn(lb1)
  await keepalived.waitForOutput(/higher priority 255, ours 254/)

  const deaf = 'table inet deaf { chain input { type filter hook input priority 0; meta l4proto 112 drop; }; }'
  t.equal((await lb2.run('nft', [deaf])).stderr, '')
  await waitFor('both to be master', () => holds(lb2))
  await hearsMore(owner, 10)
  t.match(owner.lastFact(), { state: 'master', transitions: 1, lastAdvertisement: { priority: 254 } })
  t.ok(await holds(lb1))
  await lb2.run('nft', ['delete table inet deaf'])
  await onlyOn(lb1)
  const master = { msg: '(VI_1) Entering MASTER STATE', reason: 'address owner' }
  t.match(entered(owner), [master], 'it was never backup')
  t.equal(entered(owner).length, 1)
  const priorities = (await readCapture()).map(({ priority }) => priority)
  t.same([...new Set(priorities)], ['255'])
  await owner.process.stop()
  await onlyOn(lb2)
  await keepalived.stop()
})

t.test('an address that its owner has for good is announced, and neither taken away nor given a lease', async (t) => {
  await lb1.run('ip', ['address', 'add', vip, 'dev', 'eth0'])
  const monitor = lb1.spawn('monitor', 'ip', ['monitor', 'address'])
  const readCapture = await capture(lab, lb2)
  const owner = startRouter(lb1, instance({ priority: 255 }))
  await owner.waitForState('master')
  await waitFor('a few advertisements', () => (owner.lastFact()?.sent ?? 0) > 5)
  await owner.process.stop()
  await monitor.stop()
  t.ok(await holds(lb1))
  t.same(
    monitor.lines().filter((line) => line.includes(virtualAddress.address)),
    [],
    'the kernel was asked for nothing',
  )
  const announced = (await readCapture()).filter(({ protocol }) => protocol === 'arp')
  t.ok(announced.some(({ source }) => source === virtualAddress.address))
  await lb1.run('ip', ['address', 'del', vip, 'dev', 'eth0'])
})

t.test('of two owners the lower address yields, whoever came first, and names the error', async (t) => {
  const msg = `(VI_1) CONFIGURATION ERROR: ${lb2.address} has priority 255 too; only one router can own the addresses`
  const start = (host: Host): Router => startRouter(host, instance({ priority: 255 }))
  for (const isLowerFirst of [true, false]) {
    const first = start(isLowerFirst ? lb1 : lb2)
    await first.waitForState('master')
    const last = start(isLowerFirst ? lb2 : lb1)
    await waitFor('the other one to be master too', () => entered(last).length > 0)
    const [lower, higher] = isLowerFirst ? [first, last] : [last, first]
    await lower.waitForState('backup')
    await onlyOn(lb2)
    const named = await waitFor('the error to be named', () => lower.logged(/CONFIGURATION ERROR/)[0])
    t.match(named, { msg, level: 50 })
    await hearsMore(lower, 10)
    t.match(lower.lastFact(), { state: 'backup', transitions: 2 }, 'it does not come back')
    t.match(higher.lastFact(), { state: 'master', transitions: 1 })
    await higher.process.stop()
    await lower.waitForState('master')
    await onlyOn(lb1)
    await lower.process.stop()
  }
})

t.test('a lower master is followed for as long as the delay says, a dead one not', async (t) => {
  const interval = 50
  const peer = startRouter(lb2, instance({ priority: 100, advertisement_interval: millis(interval) }))
  await peer.waitForState('master')
  const configured = (delay: number) =>
    instance({ advertisement_interval: millis(interval), preempt_delay: millis(delay) })
  const router = startRouter(lb1, configured(1_000_000))
  await hearsMore(router, 20)
  t.match(router.lastFact(), { state: 'backup', sent: 0 })

  const delay = 1500
  const readCapture = await capture(lab, lb2, { filter: 'ip proto 112' })
  await router.reconfigure(vrrpOf([configured(delay)]))
  await router.waitForState('master')
  await peer.waitForState('backup')
  await onlyOn(lb1)
  t.match(entered(router).at(-1), { reason: 'the master has a lower priority' })
  const frames = await readCapture()
  const ours = frames.findIndex(({ source }) => source === lb1.address)
  t.ok(ours > delay / interval / 2, `the peer was heard ${ours} times first`)

  await router.process.stop()
  await peer.waitForState('master')
  const patient = startRouter(lb1, configured(1_000_000))
  await hearsMore(patient, 5)
  await peer.process.kill()
  t.match(await patient.waitForState('master'), { reason: 'no advertisement heard' })
  await patient.process.stop()
})
