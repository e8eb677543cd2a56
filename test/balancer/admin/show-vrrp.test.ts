import t from 'tap'
import { showRouters } from '../../../balancer/admin/core/show.ts'
import { statusOf } from '../../../balancer/admin/core/status.ts'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import type { VirtualRouterFact } from '../../../balancer/pool/core/facts.ts'
import { createPool } from '../../../balancer/pool/core/pool.ts'

const config = balancerSchema.parse({
  router_id: 'lb1',
  vrrp: {
    instances: [{ name: 'VI_1', interface: 'eth0', virtual_router_id: 51, virtual_addresses: ['198.18.0.100/24'] }],
  },
  listeners: [{ name: 'mysql', bind: '198.18.0.100:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] }],
})

const fact: VirtualRouterFact = {
  fact: 'virtual-router',
  name: 'VI_1',
  interface: 'eth0',
  family: 'ipv4',
  virtualRouterId: 51,
  version: 3,
  state: 'backup',
  since: 1000,
  reason: 'started',
  syncGroup: null,
  source: '198.18.0.2',
  peers: null,
  priority: 100,
  priorityParts: [{ of: 'configured', value: 100 }],
  advertisementInterval: millis(100),
  addresses: ['198.18.0.100'],
  lastAdvertisement: { from: '198.18.0.3', priority: 101, at: 4900 },
  otherMasters: { count: 2, last: { from: '198.18.0.3', at: 3000 } },
  transitions: 3,
  sent: 5,
  received: 50,
  dropped: { checksum: 1 },
}

const show = (pool: Parameters<typeof statusOf>[0]['pool'], json: boolean): string =>
  showRouters(
    statusOf({ config, pool, version: '0', now: 5000, iso: (moment) => `${moment}`, startedAt: 0, refusals: {} }),
    json,
  )

t.test('show vrrp tells the state, since when and why, whom it heard and what it dropped', async (t) => {
  const [head, row] = show(createPool([fact]), false).split('\n')
  t.match(head, /^INSTANCE +STATE +SINCE +PRIORITY +ADDRESSES +HEARD +TRANSITIONS +OTHER MASTERS +DROPPED +REASON$/)
  t.match(
    row,
    /^VI_1 +BACKUP +4s +100 +198\.18\.0\.100 +198\.18\.0\.3 priority 101, 100ms ago +3 +2 +checksum 1 +started$/,
  )
})

t.test('show vrrp --json is what the status document says', async (t) => {
  t.match(JSON.parse(show(createPool([fact]), true)), [
    { name: 'VI_1', state: 'backup', family: 'ipv4', other_masters: { count: 2 }, dropped: { checksum: 1 } },
  ])
})

t.test('an instance that has not reported yet is init', async (t) => {
  t.match(show(createPool(), false).split('\n')[1], /^VI_1 +INIT +- +-/)
})
