import t from 'tap'
import { statusOf } from '../../../../../balancer/admin/core/model/status.ts'
import { elsewhereLines } from '../../../../../balancer/admin/core/views/elsewhere-text.ts'
import { showServers, showSessions } from '../../../../../balancer/admin/core/views/show.ts'
import { balancerSchema } from '../../../../../balancer/config/schema.ts'
import { createAccounts } from '../../../../../balancer/pool/core/accounts.ts'
import type { VirtualRouterFact } from '../../../../../balancer/pool/core/facts.ts'
import { createPool } from '../../../../../balancer/pool/core/pool.ts'
import { listenerFact } from '../../../pool/listener-fact.ts'
import { routerFact } from '../../../pool/router-fact.ts'

const now = 1_800_000_000_000
const binds: Readonly<Record<string, readonly string[]>> = {
  mysql: ['198.18.0.100:3306', '[2001:2::100]:3306'],
  read: ['198.18.0.100:3307'],
  local: ['198.18.0.2:3306'],
  mixed: ['198.18.0.2:3308', '198.18.0.100:3308'],
}
const server = [{ name: 'db1', address: '198.18.0.11:3306' }]
const config = balancerSchema.parse({
  ...{
    router_id: 'lb1',
    vrrp: {
      instances: [{ name: 'VI_1', interface: 'eth0', virtual_router_id: 51, virtual_addresses: ['198.18.0.100/24'] }],
    },
  },
  listeners: Object.entries(binds).map(([name, bind]) => ({ name, bind, servers: server })),
})
const addresses = ['198.18.0.100', '2001:2::100']
const statusWith = (change: Partial<VirtualRouterFact>) => {
  const listeners = Object.entries(binds).map(([listener, bind]) =>
    listenerFact({ listener, binds: bind.map((address) => ({ address, open: true, why: null })) }),
  )
  const pool = createPool([routerFact({ addresses, ...change }), ...listeners])
  const clock = { version: '0', now, startedAt: now, iso: (moment: number) => `${moment}` }
  return statusOf({ config, pool, accounts: createAccounts(), ...clock, refusals: {} })
}

t.test('a backup says where the sessions are that it has none of', async (t) => {
  const lastAdvertisement = { from: '198.18.0.3', priority: 101, at: now }
  const status = statusWith({ state: 'backup', lastAdvertisement })
  const line = 'mysql, read: VI_1 is BACKUP here; sessions are on the master, 198.18.0.3: ask there'
  t.same(elsewhereLines(status), [line])
  t.match(showSessions(status, false), `\n\n${line}`)
  t.match(showServers(status, false), `\n\n${line}`)
})

t.test('who has heard no master names none, and a master has its sessions itself', async (t) => {
  const nobody = (state: string): string =>
    `mysql, read: VI_1 is ${state} here; sessions are on the balancer that is master: ask there`
  t.same(elsewhereLines(statusWith({ state: 'backup' })), [nobody('BACKUP')])
  t.same(elsewhereLines(statusWith({ state: 'fault' })), [nobody('FAULT')])
  for (const state of ['master', 'init'] as const) t.same(elsewhereLines(statusWith({ state })), [])
})
