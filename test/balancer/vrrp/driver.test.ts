import t from 'tap'
import type { VrrpInstanceConfig } from '../../../balancer/config/vrrp-schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { capture, macOf } from './capture.ts'
import { startKeepalived } from './keepalived.ts'
import { instance, startRouter, virtualAddress } from './router.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'vrrp' })
t.teardown(() => lab.destroy())
const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
const lb2 = await lab.addHost('lb2', '198.18.0.2/24')
const vip = `${virtualAddress.address}/${virtualAddress.prefixLength}`
const elsewhere = [{ address: { address: '198.18.0.101', prefixLength: 24 } }]
const holds = async (host: typeof lb1): Promise<boolean> => (await host.addresses()).includes(vip)
const onlyOn = (host: typeof lb1) =>
  waitFor(`the virtual address on ${host.name} alone`, async () => {
    const [first, second] = await Promise.all([holds(lb1), holds(lb2)])
    return first !== second && (host === lb1 ? first : second)
  })

t.test('an address that something else removes comes back without an election', async (t) => {
  const router = startRouter(lb1, instance())
  await router.waitForState('master')
  await onlyOn(lb1)
  await lb1.run('ip', ['address', 'del', vip, 'dev', 'eth0'])
  await onlyOn(lb1)
  await waitFor('a line in the log', () => router.logged(/something removed 198.18.0.100, putting it back/).length > 0)
  t.match(router.lastFact(), { state: 'master', transitions: 2 })
  await router.process.stop()
})

t.test('after kill -9 the kernel takes the address away, and a quick restart is master at once', async (t) => {
  const router = startRouter(lb1, instance())
  await router.waitForState('master')
  await onlyOn(lb1)
  await router.process.kill()
  t.ok(await holds(lb1), 'for now it is still there')
  const resumed = startRouter(lb1, instance(), { resume: ['VI_1'] })
  t.match(await resumed.waitForState('master'), { transitions: 1 })
  t.match(resumed.logged(/Entering/), [{ msg: '(VI_1) Entering MASTER STATE', reason: 'restarted as master' }])
  await resumed.process.kill()
  await waitFor('the lease to end', async () => !(await holds(lb1)))
})

t.test('what a crash left is removed by a start that is no resumption', async (t) => {
  await lb1.run('ip', ['address', 'add', vip, 'dev', 'eth0', 'valid_lft', '60', 'preferred_lft', '60'])
  t.ok(await holds(lb1))
  const router = startRouter(lb1, instance({ advertisement_interval: millis(10_000) }))
  await router.waitForState('backup')
  await waitFor('the address to go', async () => !(await holds(lb1)))
  await router.process.stop()
})

t.test('an address put on a backup by hand is told, and leaves with the master that it becomes', async (t) => {
  const peer = startRouter(lb2, instance({ priority: 150 }))
  await peer.waitForState('master')
  const router = startRouter(lb1, instance({ priority: 100 }))
  await waitFor('it to hear the master', () => (router.lastFact()?.received ?? 0) > 0)
  await lb1.run('ip', ['address', 'add', vip, 'dev', 'eth0'])
  await lb1.run('ip', ['link', 'set', 'eth0', 'alias', 'looked-at-again'])
  const [line] = await waitFor('a line in the log', () => {
    const found = router.logged(/somebody put/)
    return found.length > 0 ? found : undefined
  })
  t.match(line, { level: 50, msg: `somebody put ${vip} dev eth0 there, although this router is backup` })
  await peer.process.stop()
  await router.waitForState('master')
  const sent = router.lastFact()?.sent ?? 0
  await waitFor('a few advertisements', () => (router.lastFact()?.sent ?? 0) > sent + 5)
  await router.process.stop()
  t.notOk(await holds(lb1))
})

t.test(
  'a stalled master that was replaced fences itself, and the one word it says is below its successor',
  async (t) => {
    const stalled = startRouter(lb1, instance({ priority: 150, preempt: false }))
    await stalled.waitForState('master')
    const peer = startRouter(lb2, instance({ priority: 100, preempt: false }))
    await peer.waitForState('backup')
    await waitFor('the peer to hear it', () => (peer.lastFact()?.received ?? 0) > 0)
    stalled.process.stall()
    await peer.waitForState('master')
    await onlyOn(lb2)
    const mac = await macOf(lb1)
    const readCapture = await capture(lab, lb2)
    stalled.process.resume()
    await stalled.waitForState('backup')
    await onlyOn(lb2)
    t.match(stalled.logged(/Entering BACKUP STATE$/), [{ reason: /^no advertisement went out for \d+ ms/ }])
    const heard = stalled.lastFact()?.received ?? 0
    await waitFor('it to follow the peer', () => (stalled.lastFact()?.received ?? 0) > heard + 2)
    t.match(peer.lastFact(), { state: 'master', transitions: 2, otherMasters: { count: 1 } })
    const frames = await readCapture()
    t.ok(frames.length > 2, `${frames.length} frames of the peer`)
    const said = frames.filter((frame) => frame.mac === mac)
    t.same(
      said.map(({ protocol, priority }) => [protocol, priority]),
      [['vrrp', '99']],
      'and no announcement went out',
    )
    await Promise.all([stalled.process.stop(), peer.process.stop()])
  },
)

t.test('two masters of a network in two parts are one again when it is whole', async (t) => {
  const better = startRouter(lb1, instance({ priority: 150 }))
  const other = startRouter(lb2, instance({ priority: 100 }))
  await better.waitForState('master')
  await other.waitForState('backup')
  const isolate = (isolated: boolean) => Promise.all([lb1, lb2].map((host) => host.isolate(isolated)))
  await isolate(true)
  await other.waitForState('master')
  await isolate(false)
  await other.waitForState('backup')
  await onlyOn(lb1)
  t.match(better.lastFact(), { state: 'master', transitions: 2 })
  t.match(other.logged(/Master received advert from 198.18.0.1 with higher priority 150, ours 100/), [{}])
  await Promise.all([better, other].map((one) => one.process.stop()))
})

t.test('both checksum forms of version 3 over IPv4 are understood by both sides', async (t) => {
  for (const form of [true, false]) {
    const router = startRouter(lb1, instance({ checksum_with_ipv4_pseudoheader: form }))
    await router.waitForState('master')
    const follower = startRouter(lb2, instance({ priority: 100, checksum_with_ipv4_pseudoheader: !form }))
    await waitFor('advertisements to be heard', () => (follower.lastFact()?.received ?? 0) > 2)
    t.match(follower.lastFact(), { state: 'backup', sent: 0, dropped: {} })
    await router.process.stop()
    await follower.waitForState('master')
    await follower.process.stop()
  }
})

t.test('the shortest interval, 10 ms, is on the wire as one centisecond', async (t) => {
  const router = startRouter(lb1, instance({ advertisement_interval: millis(10) }))
  const readCapture = await capture(lab, lb2, { filter: 'ip proto 112' })
  await router.waitForState('master')
  await waitFor('many advertisements', () => (router.lastFact()?.sent ?? 0) > 200)
  await onlyOn(lb1)
  await router.process.stop()
  const frames = await readCapture()
  t.ok(frames.length > 200, `${frames.length} advertisements`)
  t.same([...new Set(frames.map(({ interval, complaint }) => interval + complaint))], ['1'])
})

t.test('a link that is lost is a fault, and back again backup and master', async (t) => {
  const router = startRouter(lb1, instance())
  await router.waitForState('master')
  await lb1.cutLink()
  await router.waitForState('fault')
  t.notOk(await holds(lb1))
  t.match(router.logged(/Entering FAULT STATE/), [{ reason: 'eth0 is down' }])
  await lb1.restoreLink()
  await router.waitForState('master')
  await onlyOn(lb1)

  await lb1.run('ip', ['link', 'set', 'eth0', 'down'])
  await lb1.run('ip', ['link', 'set', 'eth0', 'name', 'away0'])
  await lb1.run('ip', ['link', 'set', 'away0', 'up'])
  await router.waitForState('fault')
  await lb1.run('ip', ['link', 'set', 'away0', 'down'])
  await lb1.run('ip', ['link', 'set', 'away0', 'name', 'eth0'])
  await lb1.run('ip', ['link', 'set', 'eth0', 'up'])
  await router.waitForState('master')
  await onlyOn(lb1)

  await lb1.run('ip', ['address', 'del', '198.18.0.1/24', 'dev', 'eth0'])
  await router.waitForState('fault')
  await lb1.run('ip', ['address', 'add', '198.18.0.3/24', 'dev', 'eth0'])
  const readCapture = await capture(lab, lb2)
  const { sent } = await router.waitForState('master')
  await waitFor('some advertisements', () => (router.lastFact()?.sent ?? 0) > sent)
  await router.process.stop()
  const sources = new Set(
    (await readCapture()).filter(({ protocol }) => protocol === 'vrrp').map(({ source }) => source),
  )
  t.same([...sources], ['198.18.0.3'], 'the new address is the new source')
  await lb1.run('ip', ['address', 'del', '198.18.0.3/24', 'dev', 'eth0'])
  await lb1.run('ip', ['address', 'add', '198.18.0.1/24', 'dev', 'eth0'])
})

t.test('a master of the other version is named as an error, and this one stays backup while it speaks', async (t) => {
  const router = startRouter(lb1, instance())
  await router.waitForState('master')
  const wrong = await startKeepalived(lab, lb2, { version: 2, priority: 50, interval: 1, addresses: [vip] })
  await wrong.waitForOutput(/Entering MASTER STATE/)
  await waitFor('this one to yield', () => (router.lastFact()?.dropped['version'] ?? 0) > 2)
  t.match(router.lastFact(), { state: 'backup', received: 0 })
  await onlyOn(lb2)
  const error = '(VI_1) CONFIGURATION ERROR: 198.18.0.2 speaks version 2, ours is 3; staying backup while it speaks'
  t.match(router.logged(/CONFIGURATION ERROR/), [{ msg: error, level: 50 }])
  await wrong.stop()
  await router.waitForState('master')
  await onlyOn(lb1)
  await router.process.stop()
})

t.test('who knows the address by the MAC address that its master had learns the new one', async (t) => {
  const router = startRouter(lb1, instance({ garp_master_delay: millis(0) }))
  await router.waitForState('master')
  await waitFor('all announcements to be over', () => (router.lastFact()?.sent ?? 0) > 15)
  const known = async () => (await lb2.run('ip', ['neighbour', 'show', virtualAddress.address])).stdout
  await lb2.run('ping', ['-c', '1', '-W', '5', virtualAddress.address])
  const { stdout: before } = await lb1.run('ip', ['-json', 'link', 'show', 'eth0'])
  const [{ address: mac }] = JSON.parse(before)
  t.match(await known(), mac)
  const another = '02:00:00:00:00:77'
  await lb1.run('ip', ['link', 'set', 'eth0', 'address', another])
  await waitFor('the new one to be known', async () => (await known()).includes(another))
  t.match(router.lastFact(), { state: 'master', transitions: 2 })
  await lb1.run('ip', ['link', 'set', 'eth0', 'address', mac])
  await router.process.stop()
})

t.test('another group with our number takes nothing from anybody, and is named as an error', async (t) => {
  const lb3 = await lab.addHost('lb3', '198.18.0.3/24')
  const router = startRouter(lb1, instance())
  await router.waitForState('master')
  const follower = startRouter(lb2, instance({ priority: 100 }))
  await follower.waitForState('backup')
  const theirs = ['198.18.0.77/24', '198.18.0.78/24']
  const stranger = await startKeepalived(lab, lb3, { version: 3, priority: 200, interval: 0.1, addresses: theirs })
  await stranger.waitForOutput(/Entering MASTER STATE/)
  const both = [router, follower]
  const ignored = (count: number) => both.every((one) => (one.lastFact()?.dropped['addresses'] ?? 0) >= count)
  await waitFor('it to be ignored', () => ignored(20))
  t.match(router.lastFact(), { state: 'master', transitions: 2 })
  t.match(follower.lastFact(), { state: 'backup', transitions: 1, lastAdvertisement: { from: '198.18.0.1' } })
  await onlyOn(lb1)
  const error =
    '(VI_1) CONFIGURATION ERROR: 198.18.0.3 uses our virtual_router_id 51 for 198.18.0.77, 198.18.0.78; ours are ' +
    '198.18.0.100. Give one of the two groups another number, or all routers of this one the same virtual_addresses. ' +
    'What it says is ignored'
  for (const one of both) {
    t.match(one.logged(/CONFIGURATION ERROR/)[0], { msg: error, level: 50 })
    t.equal(one.logged(/CONFIGURATION ERROR/).length, 1, 'not with each of its advertisements')
    const last = { from: '198.18.0.3', priority: 200, addresses: ['198.18.0.77', '198.18.0.78'] }
    t.match(one.lastFact()?.conflicts, { last })
  }
  await router.process.stop()
  await follower.waitForState('master')
  await onlyOn(lb2)
  await stranger.stop()
  await waitFor('its priority 0', () => follower.lastFact()?.conflicts.last?.priority === 0)
  t.match(follower.lastFact()?.conflicts, { last: { isOver: true } })
  t.match(follower.lastFact(), { state: 'master', transitions: 2 })
  await follower.process.stop()
})

const slow = { version: 2, advertisement_interval: millis(1000) } as const
const secret = (password: string) => ({ authentication: { type: 'pass', password } as const })
const spoken = { unicast: { source: lb1.address, peers: [lb2.address], min_ttl: 255 } }
const unlike: readonly (readonly [string, Partial<VrrpInstanceConfig>, Partial<VrrpInstanceConfig>, number])[] = [
  ['interval', slow, { ...slow, advertisement_interval: millis(2000) }, 3],
  ['destination', {}, spoken, 10],
  ['vrid', {}, { virtual_router_id: 52 }, 10],
  ['peer', { unicast: { source: lb2.address, peers: ['198.18.0.9'], min_ttl: 255 } }, spoken, 10],
  ['authentication', { ...slow, ...secret('new') }, { ...slow, ...secret('old') }, 3],
]
for (const [reason, change, masterChange, enough] of unlike) {
  t.test(`two that differ in ${reason}, as after a reload on one side, are not two masters`, async (t) => {
    const master = startRouter(lb1, instance({ ...change, ...masterChange, priority: 150 }))
    await master.waitForState('master')
    const router = startRouter(lb2, instance({ ...change, priority: 100 }))
    await waitFor('it to hear what it would take over from', () => (router.lastFact()?.dropped[reason] ?? 0) >= enough)
    t.match(router.lastFact(), { state: 'backup', transitions: 1, received: 0 })
    await onlyOn(lb1)
    t.match(router.logged(/CONFIGURATION ERROR: 198.18.0.1 .*; staying backup while it speaks/), [{ level: 50 }])
    await master.process.stop()
    await router.waitForState('master')
    await onlyOn(lb2)
    await router.process.stop()
  })
}

t.test('two hosts with one source address are not two masters, and both say what is wrong', async (t) => {
  const twin = await lab.addHost('twin', `${lb1.address}/24`)
  const master = startRouter(lb1, instance())
  await master.waitForState('master')
  const router = startRouter(twin, instance({ priority: 200 }))
  await waitFor('it to hear itself elsewhere', () => (router.lastFact()?.dropped['source'] ?? 0) >= 10)
  t.match(router.lastFact(), { state: 'backup', transitions: 1, received: 0 })
  t.match(router.logged(/CONFIGURATION ERROR: 198.18.0.1 has our source address.*; staying backup/), [{ level: 50 }])
  await master.process.stop()
  await router.waitForState('master')
  const second = startRouter(lb1, instance())
  await waitFor('the other one to hear it too', () => (second.lastFact()?.conflicts.count ?? 0) >= 3)
  await Promise.all([router, second].map((one) => one.process.stop()))
})

t.test('malformed packets end in their counter and nowhere else', async (t) => {
  const router = startRouter(lb1, instance())
  await router.waitForState('master')
  const other = startRouter(lb2, instance({ virtual_router_id: 52, priority: 200, virtual_addresses: elsewhere }))
  await other.waitForState('master')
  await waitFor('drops', () => (router.lastFact()?.dropped['vrid'] ?? 0) > 5)
  t.match(router.lastFact(), { state: 'master', transitions: 2, received: 0 })
  t.equal(router.logged(/virtual router 52/).length, 0, 'other virtual routers are no news')
  await Promise.all([router, other].map((one) => one.process.stop()))
})

t.test('a start that cannot succeed says what to do', async (t) => {
  const { process: refused } = startRouter(lb1, instance(), { capabilities: '-net_raw,-net_admin' })
  await refused.waitForOutput(/^failed start: /)
  t.match(await refused.exited, { code: 1 })
  t.match(
    refused.lines().join('\n'),
    /^failed start: VRRP needs CAP_NET_ADMIN and CAP_NET_RAW; start it as root, or .*AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW$/m,
  )
})
