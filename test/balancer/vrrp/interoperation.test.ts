// Against a live keepalived, every way of speaking: as master, as backup, handing over both ways. tshark reads along.

import t from 'tap'
import type { VrrpInstanceConfig } from '../../../balancer/config/vrrp-schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import type { Host } from '../../lab/host.ts'
import { createLab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { capture } from './capture.ts'
import { type KeepalivedOptions, startKeepalived } from './keepalived.ts'
import { instance, startRouter } from './router.ts'

t.setTimeout(300_000)
t.jobs = 3

const ipv4 = ['198.18.0.100/24']
const ipv6 = ['fe80::100/64', '2001:db8:18::100/64']
const virtual = (addresses: readonly string[]): VrrpInstanceConfig['virtual_addresses'] =>
  addresses.map((address) => {
    const [text = '', prefix] = address.split('/')
    return { address: { address: text, prefixLength: Number(prefix) } }
  })

type Way = {
  readonly name: string
  readonly ours: Partial<VrrpInstanceConfig>
  readonly theirs: Partial<KeepalivedOptions>
  readonly version?: 2 | 3
}

const password = 'pw-1+x'
const unicast = { source: '198.18.0.1', peers: ['198.18.0.2'], min_ttl: 255 }
const theirUnicast = { source: '198.18.0.2', peer: '198.18.0.1' }
const sixUnicast = { source: '2001:db8:18::1', peers: ['2001:db8:18::2'], min_ttl: 255 }
const ways: readonly Way[] = [
  { name: 'version 2', version: 2, ours: {}, theirs: {} },
  {
    name: 'version 2 with a password, unicast',
    version: 2,
    ours: { authentication: { type: 'pass', password }, unicast },
    theirs: { password, unicast: theirUnicast },
  },
  {
    name: 'version 2 with a password',
    version: 2,
    ours: { authentication: { type: 'pass', password } },
    theirs: { password },
  },
  { name: 'version 3', ours: {}, theirs: {} },
  { name: 'version 3, unicast', ours: { unicast }, theirs: { unicast: theirUnicast } },
  { name: 'version 3 from a virtual MAC address', ours: { virtual_mac: true }, theirs: {} },
  { name: 'IPv6', ours: { virtual_addresses: virtual(ipv6) }, theirs: { addresses: ipv6 } },
  {
    name: 'IPv6, unicast',
    ours: { virtual_addresses: virtual(ipv6), unicast: sixUnicast },
    theirs: { addresses: ipv6, unicast: { source: '2001:db8:18::2', peer: '2001:db8:18::1' } },
  },
  {
    name: 'IPv6 from a virtual MAC address',
    ours: { virtual_addresses: virtual(ipv6), virtual_mac: true },
    theirs: { addresses: ipv6 },
  },
]

for (const { name, ours, theirs, version = 3 } of ways) {
  t.test(name, { buffered: true }, async (t) => {
    const lab = await createLab({ name: 'vrrp-interop' })
    t.teardown(() => lab.destroy())
    const lb1 = await lab.addHost('lb1', '198.18.0.1/24')
    const lb2 = await lab.addHost('lb2', '198.18.0.2/24')
    for (const [host, address] of [
      [lb1, '2001:db8:18::1/64'],
      [lb2, '2001:db8:18::2/64'],
    ] as const) {
      await host.run('ip', ['address', 'add', address, 'dev', 'eth0', 'nodad'])
    }
    await waitFor('duplicate address detection', async () => {
      const { stdout } = await lb2.run('ip', ['-6', 'address', 'show', 'dev', 'eth0', 'tentative'])
      return stdout === ''
    })
    const interval = version === 2 ? 1000 : 100
    const addresses = theirs.addresses ?? ipv4
    const config = (priority: number) =>
      instance({ version, priority, advertisement_interval: millis(interval), ...ours })
    const startOther = (nopreempt = false) =>
      startKeepalived(lab, lb2, { version, priority: 100, interval: interval / 1000, addresses, nopreempt, ...theirs })
    const holds = async (host: Host): Promise<boolean> => {
      const { stdout } = await host.run('ip', ['-oneline', 'address', 'show'])
      return addresses.every((address) => stdout.includes(` ${address} `))
    }
    const onlyOn = (host: Host) =>
      waitFor(`the virtual addresses on ${host.name} alone`, async () => {
        const [first, second] = await Promise.all([holds(lb1), holds(lb2)])
        return first !== second && (host === lb1 ? first : second)
      })

    const keepalived = await startOther()
    await keepalived.waitForOutput(/Entering MASTER STATE/)
    const readCapture = await capture(lab, lb2)
    const router = startRouter(lb1, config(150))
    const { source } = await router.waitForState('master')
    await keepalived.waitForOutput(/Master received advert from \S+ with higher priority 150, ours 100/)
    await onlyOn(lb1)
    t.match(router.lastFact(), { lastAdvertisement: { priority: 100 }, transitions: 2 })
    t.same(router.lastFact()?.dropped, {})
    await waitFor('some advertisements', () => (router.lastFact()?.sent ?? 0) > 3)

    t.match(await router.process.stop(), { code: 0 })
    await keepalived.waitForOutput(/Backup received priority 0 advertisement/)
    await onlyOn(lb2)
    const frames = await readCapture()
    const sent = frames.filter((frame) => frame.protocol === 'vrrp' && frame.source === source)
    t.ok(sent.length > 3, `${sent.length} advertisements from ${source}`)
    for (const frame of sent) t.match(frame, { ttl: '255', tos: /^0x(0*)c0$/, checksum: '1', complaint: '' })
    t.equal(sent.at(-1)?.priority, '0', 'the last one resigns')
    const first = frames.findIndex((frame) => frame.protocol === 'vrrp' && frame.source === source)
    t.match(frames[first - 1]?.protocol, /arp|na/, 'the addresses are announced before the first advertisement')
    if (ours.virtual_mac) {
      const family = addresses === ipv6 ? '02' : '01'
      const macs = new Set(
        frames.filter((frame) => frame.source === source && frame.protocol === 'vrrp').map(({ mac }) => mac),
      )
      t.same([...macs], [`00:00:5e:00:${family}:33`], 'all from the virtual MAC address')
    }

    const follower = startRouter(lb1, config(90))
    await waitFor('advertisements to be heard', () => (follower.lastFact()?.received ?? 0) > 2)
    t.match(follower.lastFact(), { state: 'backup', sent: 0, dropped: {} })
    await onlyOn(lb2)
    await keepalived.stop()
    t.match(await follower.waitForState('master'), { lastAdvertisement: { priority: 0 } })
    await onlyOn(lb1)
    const returned = await startOther(true)
    await returned.waitForOutput(/Entering BACKUP STATE/)
    await follower.process.stop()
    await onlyOn(lb2)
    t.notMatch([...keepalived.lines(), ...returned.lines()].join('\n'), /checksum|invalid|incorrect|wrong/i)
    await returned.stop()
  })
}
