// Hand-made frames against a running driver: each ends in its drop counter and nowhere else, and a flood delays nothing.

import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { VrrpInstanceConfig } from '../../../balancer/config/vrrp-schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import { vrrpGroup } from '../../../balancer/vrrp/core/datagram.ts'
import { advertisementOf, familyOfInstance } from '../../../balancer/vrrp/instance.ts'
import type { Host } from '../../lab/host.ts'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { capture } from './capture.ts'
import { type Malformed, malformed } from './malformed.ts'
import { instance, startRouter } from './router.ts'

t.setTimeout(600_000)
t.jobs = 4

const program = fileURLToPath(new URL('./frames-process.js', import.meta.url))
const linkOf = async (
  host: Host,
): Promise<{ readonly index: number; readonly mac: string; readonly local: string }> => {
  const { stdout } = await host.run('ip', ['-json', 'address', 'show', 'dev', 'eth0'])
  const [{ ifindex, address, addr_info }] = JSON.parse(stdout)
  const local = addr_info.find((one: { scope: string }) => one.scope === 'link')?.local ?? ''
  return { index: ifindex, mac: address.replaceAll(':', ''), local }
}

/** The facts come once a second: several kinds are sent at once, each with another counter to end in. */
const batches = (kinds: readonly Malformed[]): readonly (readonly Malformed[])[] => {
  const made: Malformed[][] = []
  for (const kind of kinds) {
    const batch = made.find((one) => one.every(({ reason }) => reason !== kind.reason))
    if (batch === undefined) made.push([kind])
    else batch.push(kind)
  }
  return made
}
const copies = 3

const six = [{ address: { address: 'fe80::100', prefixLength: 64 } }]
const ways: readonly (readonly [string, Partial<VrrpInstanceConfig>])[] = [
  ['version 2 with a password', { version: 2, authentication: { type: 'pass', password: 'pw-1+x' } }],
  ['version 3', {}],
  ['version 3, unicast', { unicast: { source: '198.18.0.1', peers: ['198.18.0.2'], min_ttl: 255 } }],
  ['IPv6', { virtual_addresses: six }],
]

for (const [name, changes] of ways) {
  t.test(`${name}: every malformed packet ends in its counter and nowhere else`, { buffered: true }, async (t) => {
    const lab = await createLab({ name: 'vrrp-malformed' })
    t.teardown(() => lab.destroy())
    const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
    const lb2 = await lab.addHost('lb2', '198.18.0.2/24')
    // Alone and slow, so that nothing but the frames of this test happens to it.
    const config = instance({ advertisement_interval: millis(1000), priority: 150, ...changes })
    const router = startRouter(lb1, config)
    await router.waitForState('master')
    const ours = await linkOf(lb1)
    const theirs = await linkOf(lb2)
    const family = familyOfInstance(config)
    const speech = {
      advertisement: { ...advertisementOf(config), priority: 1 },
      source: family === 'ipv6' ? theirs.local : lb2.address,
      destination: config.unicast === undefined ? vrrpGroup[family] : lb1.address,
      password: config.authentication?.password ?? null,
      listener: { mac: ours.mac, address: family === 'ipv6' ? ours.local : lb1.address },
    }
    const total = (counters: Readonly<Record<string, number>> = {}): number =>
      Object.values(counters).reduce((sum, count) => sum + count, 0)
    for (const batch of batches(malformed(speech))) {
      const names = batch.map(({ name }) => name).join(', ')
      const before = router.lastFact()
      const frames = batch.map(({ frame }) => frame)
      await lb2.run(process.execPath, [program, String(theirs.index), String(batch.length * copies), ...frames])
      const wanted = total(before?.dropped) + (before?.received ?? 0) + batch.length * copies
      const after = await waitFor(`${names} to be counted`, () => {
        const fact = router.lastFact()
        return fact !== undefined && total(fact.dropped) + fact.received >= wanted ? fact : undefined
      })
      const counted = batch.flatMap(({ reason }): (readonly [string, number])[] =>
        reason === null ? [] : [[reason, (before?.dropped[reason] ?? 0) + copies]],
      )
      t.same(after.dropped, { ...before?.dropped, ...Object.fromEntries(counted) }, names)
      const sound = batch.filter(({ reason }) => reason === null).length
      t.equal(after.received, (before?.received ?? 0) + sound * copies, `${names}: heard are the sound ones alone`)
      t.match(after, { state: 'master', transitions: before?.transitions }, `${names}: no change`)
    }
    t.match(await router.process.stop(), { code: 0 })
  })
}

t.test('10,000 malformed packets a second delay no advertisement by more than its interval', async (t) => {
  const lab = await createLab({ name: 'vrrp-flood' })
  t.teardown(() => lab.destroy())
  const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
  const lb2 = await lab.addHost('lb2', '198.18.0.2/24')
  const attacker = await lab.addHost('attacker', '198.18.0.66/24')
  const interval = 500
  const config = instance({ advertisement_interval: millis(interval) })
  const router = startRouter(lb1, config)
  await router.waitForState('master')
  // keepalived cannot be the peer here: it logs every packet of the flood and so loses the advertisements among them.
  const peer = startRouter(lb2, { ...config, priority: 100 })
  await peer.waitForState('backup')
  const readCapture = await capture(lab, lb2, { filter: 'ip proto 112 and src host 198.18.0.1' })
  await waitFor('an advertisement before the flood', () => (router.lastFact()?.sent ?? 0) > 2)

  const { mac } = await linkOf(lb1)
  const { index } = await linkOf(attacker)
  const advertisement = { ...advertisementOf(config), priority: 200 }
  const speech = {
    advertisement,
    source: '198.18.0.66',
    destination: vrrpGroup.ipv4,
    password: null,
    listener: { mac, address: lb1.address },
  }
  const frames = malformed(speech).flatMap(({ reason, frame }) => (reason === null ? [] : [frame]))
  const [perSecond, seconds] = [10_000, 4]
  const flood = attacker.run(process.execPath, [program, String(index), `${perSecond * seconds}/${seconds}`, ...frames])
  const { stdout } = await flood
  t.match(stdout, `${perSecond * seconds} frames`)
  const sent = router.lastFact()?.sent ?? 0
  await waitFor('an advertisement after the flood', () => (router.lastFact()?.sent ?? 0) > sent + 1)

  const adverts = await readCapture()
  const delays = adverts.slice(1).map(({ at }, i) => at - (adverts[i]?.at ?? 0) - interval)
  t.comment(`${stdout.trim()}, ${adverts.length} advertisements, late by at most ${Math.max(...delays).toFixed(1)} ms`)
  t.ok(adverts.length > (seconds * 1000) / interval / 2, `${adverts.length} advertisements`)
  t.same(
    delays.filter((delay) => delay > interval),
    [],
    'none was late by more than its interval',
  )
  const dropped = Object.values(router.lastFact()?.dropped ?? {}).reduce((sum, count) => sum + count, 0)
  t.comment(`${dropped} packets dropped and counted`)
  t.ok(dropped > (perSecond * seconds) / 10, 'the flood arrived')
  t.match(router.lastFact(), { state: 'master', transitions: 2, received: 0 })
  t.match(peer.lastFact(), { state: 'backup', transitions: 1, sent: 0 }, 'the peer never took over')
  const warnings = router.logged(/dropped advert/).length
  t.ok(warnings < 200, `${warnings} lines in the log`)
  await Promise.all([router, peer].map((one) => one.process.stop()))
})
