// Where a server is on the network segment, from what a host knows.

import t from 'tap'
import {
  listeningDevices,
  ownAddresses,
  type SegmentView,
  type ServerWay,
  wayToServer,
} from '../../../../../balancer/datapath/direct/core/segment.ts'

const macs = {
  eth0: '02:00:00:00:00:01',
  'vrrp.51': '00:00:5e:00:01:33',
  db1: '02:00:00:00:00:11',
  gw: '02:00:00:00:00:fe',
}
const links: SegmentView['links'] = [
  { name: 'lo', index: 1, mac: null, isUp: true },
  { name: 'eth0', index: 2, mac: macs.eth0, isUp: true },
  { name: 'vrrp.51', index: 3, mac: macs['vrrp.51'], isUp: true },
  { name: 'tun0', index: 4, mac: null, isUp: true },
]
const on = (device: string, network: string, prefixLength: number, via: string | null = null, metric = 0) => ({
  ...{ family: network.includes(':') ? ('ipv6' as const) : ('ipv4' as const), network, prefixLength },
  ...{ device, metric, via },
})
const view = (
  known: Readonly<Record<string, string | null>> = {},
  changes: Partial<SegmentView> = {},
  isFixed = true,
): SegmentView => ({
  links,
  addresses: [
    { address: '198.18.0.1', device: 'eth0', prefixLength: 24 },
    { address: '198.18.0.100', device: 'lo', prefixLength: 32 },
  ],
  routes: [
    on('eth0', '198.18.0.0', 24),
    on('eth0', 'fd00::', 64),
    on('eth0', '0.0.0.0', 0, '198.18.0.254'),
    on('tun0', '198.19.1.0', 24),
    on('eth7', '198.19.2.0', 24),
  ],
  neighbours: (address) => {
    const mac = known[address]
    return mac === undefined
      ? []
      : [
          { interfaceIndex: 9, mac: 'ff', isFixed },
          { interfaceIndex: 2, mac, isFixed },
        ]
  },
  ...changes,
})
const link = (mac: string) => ({ kind: 'link' as const, device: 'eth0', mac })

t.test('a server is on this host, or behind the MAC address that answers on the interface of its route', async (t) => {
  t.same(wayToServer('198.18.0.1', view(), undefined).path, { kind: 'here' })
  t.same(wayToServer('198.18.0.11', view({ '198.18.0.11': macs.db1 }), undefined), {
    ...{ path: link(macs.db1), why: null, lookFor: null, isElsewhere: false },
  })
  t.same(wayToServer('fd00::11', view({ 'fd00::11': macs.db1 }), undefined).path, link(macs.db1))
})

t.test('a MAC address that nobody has fixed is confirmed from time to time', async (t) => {
  const way = wayToServer('198.18.0.11', view({ '198.18.0.11': macs.db1 }, {}, false), undefined)
  t.same(way.path, link(macs.db1))
  t.same(way.lookFor, { interfaceIndex: 2, mac: macs.db1 })
})

t.test('while nobody answers the last MAC address stays in use; another one is taken at once', async (t) => {
  const first = wayToServer('198.18.0.11', view({ '198.18.0.11': macs.db1 }), undefined)
  const silent = wayToServer('198.18.0.11', view({ '198.18.0.11': null }), first)
  t.same(silent.path, link(macs.db1))
  t.equal(
    silent.why,
    'nobody answers for it on eth0 (ARP): its frames go to the MAC address that it had last, 02:00:00:00:00:11',
  )
  t.same(silent.lookFor, { interfaceIndex: 2, mac: null })
  const stillSilent = wayToServer('198.18.0.11', view(), silent)
  t.same(stillSilent.path, link(macs.db1))
  t.same(
    wayToServer('198.18.0.11', view({ '198.18.0.11': '02:00:00:00:00:22' }), stillSilent).path,
    link('02:00:00:00:00:22'),
  )
})

t.test('a MAC address of another interface says nothing about this one', async (t) => {
  const before: ServerWay = {
    ...{ path: { kind: 'link', device: 'eth1', mac: macs.db1 }, why: null, lookFor: null, isElsewhere: false },
  }
  t.match(wayToServer('fd00::11', view(), before), {
    path: null,
    why: 'its MAC address is not known: nobody answers for it on eth0 (neighbour discovery)',
    lookFor: { interfaceIndex: 2, mac: null },
  })
})

t.test('with its interface down nobody is asked', async (t) => {
  const down = view({}, { links: links.map((one) => ({ ...one, isUp: false })) })
  const before = wayToServer('198.18.0.11', view({ '198.18.0.11': macs.db1 }), undefined)
  t.match(wayToServer('198.18.0.11', down, before), {
    path: link(macs.db1),
    why: /^its interface eth0 is down: its frames go to/,
    lookFor: null,
  })
})

t.test('who is on no segment of this host is not looked for, and the reason is said', async (t) => {
  const why = (address: string, seen = view()): string | null => {
    const way = wayToServer(address, seen, undefined)
    t.same([way.path, way.lookFor, way.isElsewhere], [null, null, true], address)
    return way.why
  }
  t.equal(
    why('203.0.113.7'),
    'it is behind the router 198.18.0.254 (eth0), and frames go no further than this network segment',
  )
  t.equal(why('fd01::1'), 'this host has no route to it')
  t.equal(why('198.19.1.7'), 'its interface tun0 has no Ethernet addresses')
  t.equal(why('198.19.2.7'), 'its interface eth7 is not there')
})

t.test('a router that answers for a server of another segment is seen', async (t) => {
  const way = wayToServer('198.18.0.11', view({ '198.18.0.11': macs.gw, '198.18.0.254': macs.gw }), undefined)
  t.match(way, { path: link(macs.gw), isElsewhere: true, why: /that of the router 198\.18\.0\.254: .*proxy ARP/ })
})

t.test('the smallest metric decides between two routes', async (t) => {
  const routes = [on('tun0', '198.18.0.0', 24, null, 50), on('eth0', '198.18.0.0', 24, null, 20)]
  t.equal(wayToServer('198.18.0.11', view({ '198.18.0.11': macs.db1 }, { routes }), undefined).why, null)
})

t.test('rules hear where clients come in and where servers are, and nothing that is not there', async (t) => {
  const way = wayToServer('198.18.0.11', view({ '198.18.0.11': macs.db1 }), undefined)
  const names = (binds: readonly string[], places: Parameters<typeof listeningDevices>[2], ways = [way]) =>
    listeningDevices(binds, ways, places, view()).map(({ name }) => name)
  t.same(names(['198.18.0.100'], [{ address: '198.18.0.100', devices: ['eth0', 'vrrp.51', 'eth9'] }]), [
    'eth0',
    'vrrp.51',
  ])
  t.same(names(['198.18.0.100'], [], []), ['eth0'], 'an address on lo is reached through the network')
  t.same(names(['203.0.113.80'], [], []), ['eth0'], 'one that a router sends here comes in where the router is')
  t.same(names([], [], []), [])
})

t.test('this host speaks to a server as addresses of its own, those of the same network first', async (t) => {
  const on = (address: string, prefixLength: number, device = 'eth0') => ({ address, prefixLength, device })
  const addresses = [
    on('fe80::1', 64),
    on('10.0.0.1', 24),
    on('198.18.0.100', 24),
    on('198.18.0.1', 24),
    on('10.1.1.1', 8, 'eth1'),
  ]
  const spoken = (server: string, device = 'eth0') =>
    ownAddresses(server, device, new Set(['198.18.0.100']), { addresses })
  t.same(spoken('198.18.0.11'), ['198.18.0.1', '10.0.0.1'])
  t.same(spoken('203.0.113.9'), ['10.0.0.1', '198.18.0.1'])
  t.same(spoken('10.0.0.9', 'eth1'), ['10.1.1.1'])
  t.same(spoken('fd00::11'), [])
})
