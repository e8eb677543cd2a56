// What a master has on its host and what a client sees of it: virtual MAC address, labels, devices, routes, announcements.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { vrrpSchema } from '../../../balancer/config/vrrp-schema.ts'
import type { Host } from '../../lab/host.ts'
import { createLab, type Lab } from '../../lab/lab.ts'
import { balancerProgram as balancer } from '../../lab/programs.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { capture, macOf } from './capture.ts'
import { startRouter } from './router.ts'

t.setTimeout(600_000)
t.jobs = 3

const configuration = (changes: object) =>
  vrrpSchema.parse({
    instances: [
      {
        name: 'VI_1',
        interface: 'eth0',
        virtual_router_id: 51,
        version: 3,
        advertisement_interval: '100ms',
        ...changes,
      },
    ],
  })

const stage = (name: string, story: (t: Test, lab: Lab, lb1: Host, client: Host) => Promise<void>): void => {
  t.test(name, { buffered: true }, async (t) => {
    const lab = await createLab({ name: 'vrrp-addresses' })
    t.teardown(() => lab.destroy())
    await story(t, lab, await lab.addHost('lb1', '198.18.0.1/24'), await lab.addHost('client', '198.18.0.9/24'))
  })
}

/** How curl ends when nobody listens: the host has answered. */
const refused = 7

const families = [
  {
    family: 'IPv4',
    addresses: ['198.18.0.100/24'],
    device: 'vrrp.51.eth0',
    mac: '00:00:5e:00:01:33',
    announcement: 'arp',
    target: '198.18.0.100',
  },
  {
    family: 'IPv6',
    addresses: ['fe80::100/64', '2001:db8:18::100/64'],
    device: 'vrrp6.51.eth0',
    mac: '00:00:5e:00:02:33',
    announcement: 'na',
    target: '2001:db8:18::100',
  },
] as const

for (const { family, addresses, device, mac, announcement, target } of families) {
  stage(
    `${family}: everything comes from the virtual MAC address, and a client is answered`,
    async (t, lab, lb1, client) => {
      await client.run('ip', ['address', 'add', '2001:db8:18::9/64', 'dev', 'eth0', 'nodad'])
      const readCapture = await capture(lab, client)
      const router = startRouter(lb1, configuration({ virtual_mac: true, virtual_addresses: addresses }))
      const { source } = await router.waitForState('master')
      const { stdout } = await lb1.run('ip', ['-oneline', 'address', 'show', 'dev', device])
      for (const address of addresses) t.match(stdout, ` ${address} `, `${address} is on ${device}`)
      const url = `http://${target.includes(':') ? `[${target}]` : target}:1/`
      await waitFor('an answer', async () => (await client.run('curl', ['--max-time', '1', url])).code === refused)
      const neighbour = (await client.run('ip', ['neighbour', 'show', target])).stdout
      t.match(neighbour, mac, `the client knows ${target} by ${neighbour}`)

      await router.process.kill()
      await waitFor('the lease to end', async () => {
        const left = await lb1.run('ip', ['-oneline', 'address', 'show', 'dev', device])
        return !left.stdout.includes(addresses[0])
      })
      const again = startRouter(lb1, configuration({ virtual_mac: true, virtual_addresses: addresses }))
      await again.waitForState('master')
      t.match(await again.process.stop(), { code: 0 })
      t.not((await lb1.run('ip', ['link', 'show', device])).code, 0, 'the interface goes with the router')

      const frames = await readCapture()
      const adverts = frames.filter((frame) => frame.protocol === 'vrrp' && frame.source === source)
      t.same([...new Set(adverts.map((frame) => frame.mac))], [mac], 'advertisements')
      t.same(
        adverts.filter(({ complaint }) => complaint !== ''),
        [],
        'tshark has no complaint',
      )
      const announced = frames.filter((frame) => frame.protocol === announcement && frame.source === target)
      t.ok(announced.length > 1)
      t.same([...new Set(announced.map((frame) => frame.mac))], [mac], 'announcements and answers')
      if (announcement === 'na') {
        t.ok(
          announced.every(({ override }) => /1|True/.test(override)),
          'they replace what was known',
        )
      }
    },
  )
}

stage(
  'labels, devices, routes and addresses that are not advertised are there while it is master',
  async (t, lab, lb1, client) => {
    await lb1.run('ip', ['link', 'add', 'other0', 'type', 'veth', 'peer', 'name', 'other1'])
    await lb1.run('ip', ['link', 'set', 'other1', 'up'])
    await lb1.run('ip', ['link', 'set', 'other0', 'up'])
    const router = startRouter(
      lb1,
      configuration({
        virtual_addresses: [{ address: '198.18.0.100/24', label: 'eth0:vip' }],
        virtual_addresses_excluded: [
          { address: '198.18.7.1/24', dev: 'other0' },
          '198.18.0.101/24',
          '2001:db8:18::100/64',
        ],
        virtual_routes: [
          { to: '198.18.8.0/24', via: '198.18.0.9' },
          { to: '198.18.9.0/24', dev: 'other0', metric: 77 },
          { to: '2001:db8:8::/64', dev: 'eth0' },
        ],
        garp_master_refresh: '300ms',
        garp_master_refresh_repeat: 2,
        garp_master_delay: '0s',
      }),
    )
    const readCapture = await capture(lab, client)
    await router.waitForState('master')
    const look = async (...words: readonly string[]): Promise<string> => (await lb1.run('ip', words)).stdout
    t.match(await look('address', 'show', 'label', 'eth0:vip'), '198.18.0.100/24')
    t.match(await look('address', 'show', 'dev', 'other0'), '198.18.7.1/24')
    t.match(await look('address', 'show', 'dev', 'eth0'), /198\.18\.0\.101\/24[\s\S]*2001:db8:18::100\/64/)
    const routes = async () => `${await look('route')}${await look('-6', 'route')}`
    t.match(await routes(), /198\.18\.8\.0\/24 via 198\.18\.0\.9 dev eth0/)
    t.match(await routes(), /198\.18\.9\.0\/24 dev other0 .*metric 77/)
    t.match(await routes(), /2001:db8:8::\/64 dev eth0/)
    await waitFor('some refreshes', () => (router.lastFact()?.sent ?? 0) > 15)
    t.match(await router.process.stop(), { code: 0 })
    t.same(await lb1.addresses(), ['198.18.0.1/24'], 'all addresses are gone')
    t.notMatch(await routes(), /198\.18\.[89]\.0|2001:db8:8:/, 'and all routes')

    const frames = await readCapture()
    const advertised = new Set(frames.filter(({ protocol }) => protocol === 'vrrp').map((one) => String(one.addresses)))
    t.same([...advertised], ['198.18.0.100'], 'only what is to be advertised is')
    const count = (address: string) =>
      frames.filter(({ protocol, source }) => protocol !== 'vrrp' && source === address).length
    // Five at first, one each after 100 ms and 1 s, and two at each refresh.
    t.ok(count('198.18.0.100') > 9, `${count('198.18.0.100')} announcements, with those of the refresh`)
    t.equal(count('198.18.0.101'), count('198.18.0.100'), 'every address is announced as often')
    t.equal(count('2001:db8:18::100'), count('198.18.0.100'), 'of IPv6 too')
  },
)

stage('addresses and routes of a process that was killed go with their lease', async (t, _lab, lb1) => {
  const vrrp = configuration({
    virtual_addresses: ['198.18.0.100/24'],
    virtual_addresses_excluded: ['2001:db8:18::100/64'],
    virtual_routes: [
      { to: '198.18.8.0/24', via: '198.18.0.9' },
      { to: '2001:db8:8::/64', dev: 'eth0' },
    ],
  })
  const left = async (): Promise<string> => {
    const looks = [['address'], ['route'], ['-6', 'route']].map((words) => lb1.run('ip', words))
    const lines = (await Promise.all(looks)).flatMap(({ stdout }) => stdout.split('\n'))
    // An IPv6 route that has expired is no longer used; the kernel collects it some time later.
    const all = lines.filter((line) => !line.includes('expires -')).join('\n')
    return [...new Set(all.match(/198\.18\.0\.100|198\.18\.8\.0|2001:db8:18::100|2001:db8:8::/g) ?? [])]
      .sort()
      .join(' ')
  }
  const everything = '198.18.0.100 198.18.8.0 2001:db8:18::100 2001:db8:8::'
  const killed = startRouter(lb1, vrrp)
  await killed.waitForState('master')
  await waitFor('all to be there', async () => (await left()) === everything)
  await killed.process.kill()
  await waitFor('all to be gone', async () => (await left()) === '')

  // A start right after the kill finds all of it, takes it away, and is master again in its own time.
  const second = startRouter(lb1, vrrp)
  await second.waitForState('master')
  await second.process.kill()
  const third = startRouter(lb1, vrrp)
  t.match(await third.waitForState('master'), { transitions: 2 })
  await waitFor('all to be there', async () => (await left()) === everything)
  await third.process.stop()
  t.equal(await left(), '')
})

stage('one virtual router id on two networks and in both families: an interface for each', async (t, _lab, lb1) => {
  const ip = async (...words: readonly string[]): Promise<string> => (await lb1.run('ip', words)).stdout
  await ip('link', 'add', 'enp130s0f1np1', 'type', 'veth', 'peer', 'name', 'other1')
  for (const name of ['other1', 'enp130s0f1np1']) await ip('link', 'set', name, 'up')
  await ip('address', 'add', '198.18.9.1/24', 'dev', 'enp130s0f1np1')
  // As version 0.1 left it in a crash, and as keepalived has it while it is master.
  const mac = '00:00:5e:00:01:33'
  await ip('link', 'add', 'vrrp.51', 'link', 'eth0', 'address', mac, 'type', 'macvlan', 'mode', 'bridge')
  await ip('link', 'set', 'vrrp.51', 'up')
  await ip('address', 'add', '198.18.0.100/24', 'dev', 'vrrp.51')
  const common = { virtual_router_id: 51, version: 3, advertisement_interval: '100ms', virtual_mac: true }
  const instances = [
    { ...common, name: 'A', interface: 'eth0', virtual_addresses: ['198.18.0.100/24'] },
    { ...common, name: 'B', interface: 'enp130s0f1np1', virtual_addresses: ['198.18.9.100/24'] },
    { ...common, name: 'C', interface: 'eth0', virtual_addresses: ['fe80::100/64', '2001:db8:18::100/64'] },
  ].map((one) => ({ ...one, track: { serving: false } }))
  const router = startRouter(lb1, vrrpSchema.parse({ instances }))
  const masters = (...names: readonly string[]) =>
    waitFor(`${names} to be master`, () => names.every((name) => router.factOf(name)?.state === 'master'))
  const places = async (): Promise<readonly string[]> =>
    [...(await ip('-oneline', 'address')).matchAll(/: (\S+) +inet6? ((?:198\.18\.\d+|\S*:):?\.?100)\//g)].map(
      ([, device, address]) => `${address} ${device}`,
    )
  await masters('B', 'C')
  t.match(
    router.factOf('A')?.reason,
    /vrrp\.51 has the virtual MAC address, and 198\.18\.0\.100, .*"ip link del vrrp\.51"/,
  )
  await ip('address', 'del', '198.18.0.100/24', 'dev', 'vrrp.51')
  await masters('A', 'B', 'C')
  const all = [
    '198.18.0.100 vrrp.51.eth0',
    '198.18.9.100 vrrp.51.a8bda',
    '2001:db8:18::100 vrrp6.51.eth0',
    'fe80::100 vrrp6.51.eth0',
  ]
  t.same([...(await places())].sort(), all)
  t.not((await lb1.run('ip', ['link', 'show', 'vrrp.51'])).code, 0, 'what was left is gone')
  const faults = (): number => router.logged(/Entering FAULT/).length
  const before = faults()
  await router.reconfigure(vrrpSchema.parse({ instances: instances.slice(1) }))
  t.same([...(await places())].sort(), all.slice(1), 'the others keep what is theirs')
  t.equal(faults(), before, 'and nobody else was disturbed')
  t.match(await router.process.stop(), { code: 0 })
  t.same(await places(), [])
  t.notMatch(await ip('link'), /vrrp/)
})

/** What `balancer check` warns of on a host. */
const warnings = async (lab: Lab, host: Host, address: object): Promise<string> => {
  const common = { name: 'VI_1', interface: 'eth0', virtual_router_id: 51, version: 3 }
  const file = join(lab.directory, 'balancer.yaml')
  const vrrp = { instances: [{ ...common, virtual_addresses: [address] }] }
  const servers = [{ name: 'db1', address: '198.18.0.11:3306' }]
  const listeners = [{ name: 'mysql', bind: '198.18.0.100:3306', servers }]
  writeFileSync(file, JSON.stringify({ router_id: 'lb1', vrrp, listeners }))
  return (await host.run(process.execPath, [balancer, 'check', '--config', file])).stderr
}

stage(
  'an address on lo is announced on the interface of the instance, where clients are',
  async (t, lab, lb1, client) => {
    const readCapture = await capture(lab, client)
    const router = startRouter(lb1, configuration({ virtual_addresses: [{ address: '198.18.0.100/32', dev: 'lo' }] }))
    await router.waitForState('master')
    t.match((await lb1.run('ip', ['address', 'show', 'dev', 'lo'])).stdout, '198.18.0.100/32')
    await waitFor('some advertisements', () => (router.lastFact()?.sent ?? 0) > 3)
    t.match(await client.run('ping', ['-c', '1', '-W', '5', '198.18.0.100']), { code: 0 })
    await router.process.stop()
    const announced = (await readCapture()).filter(
      ({ protocol, source }) => protocol === 'arp' && source === '198.18.0.100',
    )
    t.ok(announced.length > 4, `${announced.length} announcements`)
    t.same([...new Set(announced.map((frame) => frame.mac))], [await macOf(lb1)])

    const onLo = (address: string) => ({ address, dev: 'lo' })
    t.notMatch(await warnings(lab, lb1, onLo('198.18.0.100/32')), 'is on lo')
    t.match(await warnings(lab, lb1, onLo('198.18.0.100/24')), 'all of that network would be this host; write')
    t.match(await warnings(lab, lb1, onLo('2001:db8:18::100/128')), 'clients on eth0 do not find it; remove dev')
    t.match(await warnings(lab, lb1, { address: '198.18.0.9/32', dev: 'eth7' }), 'this host has no interface eth7')
    await lb1.run('sh', ['-c', 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore'])
    t.match(await warnings(lab, lb1, onLo('198.18.0.100/32')), 'arp_ignore is 1 on eth0: nobody who asks for it is')
  },
)
stage('one link-local address is held on two interfaces at once, and each goes with its own', async (t, _lab, lb1) => {
  await lb1.run('ip', ['link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'nobody'])
  for (const device of ['eth1', 'nobody']) await lb1.run('ip', ['link', 'set', device, 'up'])
  const like = { version: 3, advertisement_interval: '100ms', virtual_router_id: 51, track: { serving: false } }
  const vrrp = vrrpSchema.parse({
    instances: ['eth0', 'eth1'].map((device) => ({
      ...{ ...like, name: device, interface: device, virtual_addresses: ['fe80::100/64'] },
    })),
  })
  const router = startRouter(lb1, vrrp)
  const heldOn = async (device: string): Promise<boolean> =>
    (await lb1.run('ip', ['-oneline', 'address', 'show', 'dev', device])).stdout.includes(' fe80::100/64 ')
  for (const device of ['eth0', 'eth1']) await waitFor(`it on ${device}`, () => heldOn(device))
  const [first, ...others] = vrrp.instances
  await router.reconfigure({ ...vrrp, instances: first === undefined ? [] : [first] })
  await waitFor('it to leave eth1', async () => !(await heldOn('eth1')))
  t.equal(others.length, 1)
  t.ok(await heldOn('eth0'), 'the other interface keeps it')
  t.match(await router.process.stop(), { code: 0 })
  t.notOk(await heldOn('eth0'))
})
