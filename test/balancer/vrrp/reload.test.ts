// A reload as the wire and a live keepalived see it: the difference and nothing else.

import t, { type Test } from 'tap'
import type { VrrpInstanceConfig } from '../../../balancer/config/vrrp-schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import type { Host } from '../../lab/host.ts'
import { createLab, type Lab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { capture, type Frame } from './capture.ts'
import { startKeepalived } from './keepalived.ts'
import { instance, type Router, startRouter, vrrpOf } from './router.ts'

t.setTimeout(600_000)
t.jobs = 3

const at = (...addresses: readonly string[]): VrrpInstanceConfig['virtual_addresses'] =>
  addresses.map((address) => ({ address: { address, prefixLength: 24 } }))
const interval = 500
const bystander = instance({
  name: 'VI_2',
  virtual_router_id: 52,
  priority: 120,
  advertisement_interval: millis(interval),
  virtual_addresses: at('198.18.0.120'),
})

type Stage = { readonly lab: Lab; readonly lb1: Host; readonly lb2: Host; readonly router: Router }

const sentMore = (router: Router, name = 'VI_1'): Promise<boolean> => {
  const sent = router.factOf(name)?.sent ?? 0
  return waitFor('more advertisements', () => (router.factOf(name)?.sent ?? 0) > sent + 1)
}
const advertsOf = (frames: readonly Frame[], virtualRouterId: string): readonly Frame[] =>
  frames.filter((frame) => frame.protocol === 'vrrp' && frame.virtualRouterId === virtualRouterId)

const stage = (name: string, first: VrrpInstanceConfig, story: (t: Test, stage: Stage) => Promise<void>): void => {
  t.test(name, { buffered: true }, async (t) => {
    const lab = await createLab({ name: 'vrrp-reload' })
    t.teardown(() => lab.destroy())
    const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
    const lb2 = await lab.addHost('lb2', '198.18.0.2/24')
    const router = startRouter(lb1, vrrpOf([first, bystander]))
    await router.waitForState('master')
    await waitFor('the bystander to be master', () => router.factOf('VI_2')?.state === 'master')
    await story(t, { lab, lb1, lb2, router })
    t.match(await router.process.stop(), { code: 0 })
  })
}

/** Each step: what it is, the new configuration, the line that answers it, and what is advertised from then on. */
type Step = readonly [string, Partial<VrrpInstanceConfig>, RegExp, Partial<Frame>]

const base = instance({ advertisement_interval: millis(interval) })
const addressSteps: readonly Step[] = [
  ['nothing', {}, /^$/, { priority: '150' }],
  [
    'an address more',
    { virtual_addresses: at('198.18.0.100', '198.18.0.101') },
    /^vrrp VI_1: added 198.18.0.101\/24$/,
    { addresses: ['198.18.0.100', '198.18.0.101'] },
  ],
  [
    'another address',
    { virtual_addresses: at('198.18.0.100', '198.18.0.102') },
    /added 198.18.0.102\/24,vrrp VI_1: removed 198.18.0.101\/24/,
    { addresses: ['198.18.0.100', '198.18.0.102'] },
  ],
  [
    'an address that is no longer advertised',
    { virtual_addresses: at('198.18.0.100'), virtual_addresses_excluded: at('198.18.0.102') },
    /order or place of addresses changed/,
    { addresses: ['198.18.0.100'] },
  ],
]
const otherSteps: readonly Step[] = [
  [
    'an address that is not advertised',
    { virtual_addresses_excluded: at('198.18.0.101') },
    /^vrrp VI_1: added 198.18.0.101\/24$/,
    { addresses: ['198.18.0.100'] },
  ],
  ['nor there any more', {}, /^vrrp VI_1: removed 198.18.0.101\/24$/, { priority: '150' }],
  ['a lower priority', { priority: 140 }, /priority 150 -> 140/, { priority: '140' }],
  ['a higher priority', { priority: 160 }, /priority 140 -> 160/, { priority: '160' }],
  [
    'another interval',
    { advertisement_interval: millis(300) },
    /advertisement_interval 500 -> 300/,
    { interval: '30', priority: '150' },
  ],
  ['the first again', {}, /advertisement_interval 300 -> 500/, { interval: '50' }],
]

/** A backup beside it, which must never take over. */
type Peer = { readonly hasTakenOver: () => boolean; readonly stop: () => Promise<unknown> }

const keepalived = async (lab: Lab, host: Host): Promise<Peer> => {
  const addresses = ['198.18.0.100/24']
  const options = { version: 3, priority: 100, interval: interval / 1000, addresses } as const
  const peer = await startKeepalived(lab, host, options)
  await peer.waitForOutput(/Entering BACKUP STATE/)
  return { hasTakenOver: () => /Entering MASTER STATE/.test(peer.lines().join()), stop: () => peer.stop() }
}
const ours = async (_lab: Lab, host: Host): Promise<Peer> => {
  const peer = startRouter(host, { ...base, priority: 100 })
  await peer.waitForState('backup')
  return { hasTakenOver: () => peer.logged(/Entering MASTER STATE/).length > 0, stop: () => peer.process.stop() }
}

// Debian's keepalived drops advertisements with another number of addresses (newer ones do not): beside it they stay.
for (const [peerName, startPeer, steps] of [
  ['our own backup', ours, addressSteps],
  ['keepalived', keepalived, otherSteps],
] as const) {
  stage(
    `beside ${peerName} changes are applied without an election, and what is unchanged says nothing odd`,
    base,
    async (t, stage) => {
      const { lab, lb1, lb2, router } = stage
      const peer = await startPeer(lab, lb2)
      const readCapture = await capture(lab, lb2)
      await sentMore(router)
      const { transitions } = router.lastFact() ?? {}
      for (const [name, changes, answer, wanted] of steps) {
        const readStep = await capture(lab, lb2, { filter: 'ip proto 112 and src host 198.18.0.1' })
        const next = { ...base, ...changes }
        const lines = await router.reconfigure(vrrpOf([next, bystander]))
        t.match(lines.join(), answer, `${name}: ${lines.join()}`)
        await sentMore(router)
        t.match(advertsOf(await readStep(), '51').at(-1), wanted, `${name}: advertised`)
        const all = [...next.virtual_addresses, ...next.virtual_addresses_excluded].map(
          ({ address }) => address.address,
        )
        const held = (await lb1.addresses()).map((address) => address.replace(/\/.*/, ''))
        t.same(new Set(held), new Set(['198.18.0.1', '198.18.0.120', ...all]), `${name}: held`)
        t.match(router.lastFact(), { state: 'master', transitions }, `${name}: no election`)
      }
      const frames = await readCapture()
      const [changed, unchanged] = [advertsOf(frames, '51'), advertsOf(frames, '52')]
      t.ok(changed.length > steps.length && unchanged.length > steps.length)
      t.same(
        changed.filter(({ priority, source }) => priority === '0' || source !== '198.18.0.1'),
        [],
        'no resignation, and nobody else spoke',
      )
      t.same(
        frames.filter(({ complaint }) => complaint !== ''),
        [],
        'tshark has no complaint',
      )
      t.notOk(peer.hasTakenOver(), 'the peer never took over')
      const { priority, addresses: advertised } = unchanged[0] ?? {}
      t.same(
        unchanged.filter((one) => one.priority !== priority || String(one.addresses) !== String(advertised)),
        [],
        'the unchanged one says always the same',
      )
      const gaps = unchanged.slice(1).map((one, i) => one.at - (unchanged[i]?.at ?? 0))
      t.same(
        gaps.filter((gap) => gap < interval / 2),
        [],
        'and no more often than it should',
      )
      const announcers = frames.filter(({ protocol, source }) => protocol === 'arp' && source === '198.18.0.101')
      t.ok(announcers.length > 0, 'an address that was added is announced')
      await peer.stop()
    },
  )
}

stage(
  'all addresses are replaced on one host before the other: none is lost, and none is on both',
  base,
  async (t, stage) => {
    const { lb1, lb2, router } = stage
    const peer = startRouter(lb2, { ...base, priority: 100 })
    await peer.waitForState('backup')
    const holds = async (host: Host, address: string) => (await host.addresses()).includes(`${address}/24`)
    const told = lb2.spawn('monitor', 'ip', ['-oneline', 'monitor', 'address'])
    const next = at('198.18.0.110')
    await router.reconfigure(vrrpOf([{ ...base, virtual_addresses: next }, bystander]))
    await peer.waitForState('master')
    await waitFor('both addresses to be there', async () => {
      return (await holds(lb1, '198.18.0.110')) && (await holds(lb2, '198.18.0.100'))
    })
    const ignored = (one: Router) => one.lastFact()?.dropped['addresses'] ?? 0
    await waitFor('both to ignore each other', () => [router, peer].every((one) => ignored(one) > 1))
    await peer.reconfigure(vrrpOf([{ ...base, priority: 100, virtual_addresses: next }]))
    await peer.waitForState('backup')
    await waitFor('it to follow', () => (peer.lastFact()?.received ?? 0) > 2)
    t.match(router.lastFact(), { state: 'master', transitions: 2 })
    t.notOk(await holds(lb2, '198.18.0.100'))
    t.notMatch(told.lines().join('\n'), '198.18.0.110/', 'it never had the new one')
    await Promise.all([peer.process.stop(), told.stop()])
  },
)

const secret = (password: string) => ({ type: 'pass' as const, password })
const versionTwo = instance({
  version: 2,
  advertisement_interval: millis(1000),
  authentication: secret('first'),
  unicast: { source: '198.18.0.1', peers: ['198.18.0.2'], min_ttl: 255 },
})

stage('password and unicast peers change, on the wire too', versionTwo, async (t, { lab, lb2, router }) => {
  const lb3 = await lab.addHost('lb3', '198.18.0.3/24')
  const filter = 'ip proto 112 and src host 198.18.0.1 and not dst host 224.0.0.18'
  const readFirst = await capture(lab, lb2, { filter })
  const reload = async (changes: Partial<VrrpInstanceConfig>, answer: RegExp): Promise<void> => {
    const lines = await router.reconfigure(vrrpOf([{ ...versionTwo, ...changes }, bystander]))
    t.match(lines.join(), answer)
    await sentMore(router)
  }
  await sentMore(router)
  await reload({ authentication: secret('second') }, /authentication changed/)
  const readSecond = await capture(lab, lb3, { filter })
  const moved = { source: '198.18.0.1', peers: ['198.18.0.3'], min_ttl: 255 }
  await reload({ authentication: secret('second'), unicast: moved }, /unicast changed/)
  const [first, second] = [await readFirst(), await readSecond()]
  t.same([...new Set(first.map(({ password }) => password))], ['first', 'second'])
  t.same([...new Set(second.map(({ password }) => password))], ['second'], 'the new peer hears it')
  t.ok(second.length > 0 && [...first, ...second].every(({ priority }) => priority === '150'), 'nobody resigned')
  const readThird = await capture(lab, lb2, { filter })
  await sentMore(router)
  t.same(await readThird(), [], 'and the old one no more')
  t.match(router.lastFact(), { state: 'master', transitions: 2 })
})

stage('an instance comes and goes, and the others do not notice', base, async (t, { lab, lb1, lb2, router }) => {
  const added = instance({
    name: 'VI_3',
    virtual_router_id: 53,
    advertisement_interval: millis(interval),
    virtual_addresses: at('198.18.0.130'),
  })
  const readCapture = await capture(lab, lb2)
  const first = await router.reconfigure(vrrpOf([base, bystander, added]))
  t.same(first, ['vrrp VI_3: added'])
  await waitFor('the new instance to be master', () => router.factOf('VI_3')?.state === 'master')
  await sentMore(router, 'VI_3')
  t.ok((await lb1.addresses()).includes('198.18.0.130/24'))
  const second = await router.reconfigure(vrrpOf([{ ...base, name: 'VI_X' }, bystander]))
  t.same([...second].sort(), ['vrrp VI_1: now named VI_X', 'vrrp VI_3: removed'])
  t.notOk((await lb1.addresses()).includes('198.18.0.130/24'))
  await sentMore(router, 'VI_X')
  t.match(router.factOf('VI_X'), { state: 'master', transitions: 2 }, 'renamed, not elected again')
  const frames = await readCapture()
  t.equal(advertsOf(frames, '53').at(-1)?.priority, '0', 'what is removed resigns')
  for (const id of ['51', '52']) {
    const priorities = new Set(advertsOf(frames, id).map(({ priority }) => priority))
    t.equal(priorities.size, 1, `virtual router ${id} says always the same`)
  }
})

stage('an address that changes its instance never leaves the host', base, async (t, { lb1, router }) => {
  const both = { ...base, virtual_addresses: at('198.18.0.100', '198.18.0.101') }
  const moved = { ...bystander, virtual_addresses: at('198.18.0.120', '198.18.0.101') }
  await router.reconfigure(vrrpOf([both, bystander]))
  const monitor = lb1.spawn('monitor', 'ip', ['-oneline', 'monitor', 'address'])
  const told = (): readonly string[] => monitor.lines().filter((line) => line.includes('198.18.0.101/'))
  await waitFor('a lease to be renewed', () => told().length > 0)
  await router.reconfigure(vrrpOf([base, moved]))
  await sentMore(router, 'VI_2')
  await router.reconfigure(vrrpOf([both, bystander]))
  await sentMore(router)
  await monitor.stop()
  t.same(
    told().filter((line) => line.includes('Deleted')),
    [],
  )
  t.ok((await lb1.addresses()).includes('198.18.0.101/24'))
})
