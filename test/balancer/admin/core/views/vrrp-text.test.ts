import t from 'tap'
import { statusOf } from '../../../../../balancer/admin/core/model/status.ts'
import { describeRouters } from '../../../../../balancer/admin/core/views/vrrp-text.ts'
import { balancerSchema } from '../../../../../balancer/config/schema.ts'
import { millis } from '../../../../../balancer/core/time.ts'
import { createAccounts } from '../../../../../balancer/pool/core/accounts.ts'
import type { VirtualRouterFact } from '../../../../../balancer/pool/core/facts.ts'
import { createPool } from '../../../../../balancer/pool/core/pool.ts'
import { routerFact } from '../../../pool/router-fact.ts'

const now = 1_700_000_000_000
const master = routerFact({
  interface: 'eth1',
  version: 2,
  since: now - 3_600_000,
  reason: 'no advertisement heard',
  syncGroup: 'G1',
  source: '198.18.0.1',
  priority: 101,
  priorityParts: [{ of: 'configured', value: 101 }],
  advertisementInterval: millis(1000),
  lastAdvertisement: { from: '198.18.0.2', priority: 100, at: now - 5000 },
  otherMasters: { count: 2, last: { from: '198.18.0.2', at: now - 5000 } },
  conflicts: {
    count: 3,
    last: {
      from: '198.18.0.9',
      differs: 'is another group',
      priority: 200,
      addresses: ['198.18.0.77'],
      at: now - 5000,
      isOver: false,
    },
  },
  transitions: 2,
  sent: 3600,
  received: 2,
  dropped: { checksum: 1, vrid: 7 },
})
const fault: VirtualRouterFact = {
  ...master,
  name: 'VI_6',
  family: 'ipv6',
  version: 3,
  state: 'fault',
  reason: 'eth1 is down',
  syncGroup: null,
  source: null,
  peers: ['fe80::2'],
  priority: 100,
  priorityParts: [
    { of: 'configured', value: 150 },
    { of: 'chk_disk', value: -50 },
  ],
  advertisementInterval: millis(100),
  addresses: ['fe80::100', '2001:db8::100'],
  lastAdvertisement: null,
  otherMasters: { count: 0, last: null },
  conflicts: { count: 0, last: null },
  dropped: {},
}

const described = (facts: readonly VirtualRouterFact[], names = facts.map(({ name }) => name)): string => {
  const config = balancerSchema.parse({
    router_id: 'lb1',
    vrrp: {
      instances: names.map((name, i) => ({
        ...{ name, interface: 'eth0', virtual_router_id: i + 1, virtual_addresses: ['198.18.0.100/24'] },
      })),
    },
    listeners: [{ name: 'mysql', bind: '198.18.0.100:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] }],
  })
  const clock = { version: '0', now, startedAt: now, iso: (moment: number) => `${moment}` }
  return describeRouters(
    statusOf({ config, pool: createPool(facts), accounts: createAccounts(), ...clock, refusals: {} }).vrrp,
  )
}

t.test('show vrrp tells who is master, since when, why, and what was counted', async (t) => {
  t.equal(
    described([master, fault]),
    `INSTANCE  STATE   SINCE  PRIORITY                            INTERFACE/VRID  PROTOCOL  INTERVAL  ADDRESSES
VI_1      MASTER  1h     101                                 eth1/51         v2 IPv4   1s        198.18.0.100
VI_6      FAULT   1h     100 = configured 150, chk_disk -50  eth1/51         v3 IPv6   100ms     fe80::100 2001:db8::100

VI_1
  MASTER because: no advertisement heard
  sends from 198.18.0.1 to the multicast group
  last advertisement from 198.18.0.2, priority 100, 5s ago
  2 transitions, 3600 sent, 2 received, dropped: checksum 1, vrid 7
  in sync group G1
  2 advertisements of another master: 198.18.0.2, 5s ago
    it does not hear this host: "balancer check" there names the rule that drops IP protocol 112
  CONFIGURATION ERROR: 198.18.0.9 is another group (3 advertisements, the last 5s ago)

VI_6
  FAULT because: eth1 is down
  no source address
  no advertisement heard
  2 transitions, 3600 sent, 2 received, dropped: none`,
  )
  t.equal(described([]), 'no VRRP instance is configured')
  t.match(described([], ['VI_1']), /^VI_1 +INIT +- .*\n\nVI_1\n {2}the vrrp process has not told of it yet$/m)
})

t.test('an error of a configuration that is over is told as one that was', async (t) => {
  const last = {
    from: '198.18.0.9',
    differs: 'speaks version 2, ours is 3',
    priority: 200,
    addresses: [],
    isOver: false,
  }
  const shown = (change: Partial<typeof last & { at: number }>): string =>
    described([routerFact({ conflicts: { count: 3, last: { ...last, at: now - 5000, ...change } } })])
  t.match(
    shown({}),
    '\n  CONFIGURATION ERROR: 198.18.0.9 speaks version 2, ours is 3 (3 advertisements, the last 5s ago)',
  )
  const was = (ago: string, since: string): string =>
    `\n  no configuration error now; the last was heard ${ago} ago, ${since} since: 198.18.0.9 speaks version 2, ours is 3 (3 advertisements)`
  t.match(shown({ isOver: true }), was('5s', 'over'), 'it was mended')
  t.match(shown({ at: now - 120_000 }), was('2m', 'not repeated'), 'it is silent')
  t.notMatch(shown({ isOver: true }), 'CONFIGURATION ERROR')
})

t.test('a route is told where it is there, and where it should be and cannot', async (t) => {
  const text = described([
    routerFact({
      routes: [
        { route: '198.18.8.0/24 via 198.18.0.9 dev eth0', isThere: true, trouble: null },
        { route: '198.18.9.0/24 dev eth0', isThere: false, trouble: 'its interface is down (ENETDOWN)' },
        { route: '198.18.10.0/24 dev eth0', isThere: false, trouble: null },
      ],
    }),
  ])
  t.match(text, '\n  route 198.18.8.0/24 via 198.18.0.9 dev eth0 is there\n')
  t.match(text, '\n  route 198.18.9.0/24 dev eth0 cannot be added: its interface is down (ENETDOWN)')
  t.notMatch(text, '198.18.10.0')
})
