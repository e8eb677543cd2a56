// Status documents of a balancer that knows nothing yet, and of one where everything has happened.

import { statusOf } from '../../../../../balancer/admin/core/model/status.ts'
import { balancerSchema } from '../../../../../balancer/config/schema.ts'
import { createAccounts } from '../../../../../balancer/pool/core/accounts.ts'
import type { Fact } from '../../../../../balancer/pool/core/facts.ts'
import { createPool } from '../../../../../balancer/pool/core/pool.ts'
import { failedCheck, healthFact } from '../../../pool/health-fact.ts'
import { listenerFact } from '../../../pool/listener-fact.ts'
import { routerFact } from '../../../pool/router-fact.ts'

const config = balancerSchema.parse({
  router_id: 'lb1',
  vrrp: {
    instances: [{ name: 'VI_1', interface: 'eth0', virtual_router_id: 51, virtual_addresses: ['198.18.0.100/32'] }],
  },
  listeners: [
    {
      name: 'mysql',
      bind: '198.18.0.100:3306',
      balance: 'single',
      slow_start: '1h',
      servers: [
        { name: 'db1', address: '198.18.0.11:3306' },
        { name: 'db2', address: '198.18.0.12:3306', backup: true, max_connections: 10 },
      ],
    },
    {
      ...{ name: 'read', bind: '198.18.0.100:3307', datapath: 'direct' },
      servers: [{ name: 'db1', address: '198.18.0.11:3307' }],
    },
  ],
})

/** The moment of all these documents, milliseconds since the epoch. */
const now = 1_700_000_100_000
const iso = (moment: number): string => new Date(moment).toISOString()

/** The status after these facts, each heard one second after the other. */
export const statusAfter = (facts: readonly Fact[]) => {
  const accounts = createAccounts()
  for (const [i, fact] of facts.entries()) accounts.hear(fact, now - (facts.length - i) * 1000)
  const clock = { version: '1.2', now, startedAt: now - 100_000, iso }
  return statusOf({ config, pool: createPool(facts), accounts, ...clock, refusals: { slow: 2 } })
}

/** Nobody has told anything. */
export const beginning = () => statusAfter([])

const at = now - 5000
const stranger = { from: '198.18.0.9', priority: 200, at }
const traffic = {
  ...{ sessions: 3, maximumSessions: 7, bytesIn: 1000, bytesOut: 5000 },
  ...{ connectFailures: 2, refusedConnects: 1, failuresInARow: 0 },
}
const listener = (totalSessions: number): Fact =>
  listenerFact({
    binds: [
      { address: '198.18.0.100:3306', open: true, why: null },
      { address: '198.18.0.101:3306', open: false, why: 'not here' },
    ],
    ...{ sessions: 3, maximumSessions: 7, totalSessions, ends: { closed: 30, denied: 2 } },
    servers: [{ server: 'db1', ...traffic, totalSessions, detail: { kind: 'userspace', retries: 1, redispatches: 0 } }],
    detail: { kind: 'userspace', queued: 5, maximumQueued: 8 },
    findings: [
      { server: null, text: 'nobody answers' },
      { server: 'db1', text: 'answers nobody' },
    ],
  })

/** All that can be told. */
export const eventful: readonly Fact[] = [
  listener(40),
  healthFact('db1', {
    since: now - 60_000,
    lastCheck: { ...failedCheck('ok'), passed: true, status: 'L7OK', code: 200, durationMs: 4, ageMs: 3 },
    found: { by: 'push', ageMs: 3 },
    watched: true,
  }),
  healthFact('db2', {
    ...{ up: false, backup: true, maximumSessions: 10, admin: 'maint', draining: true, drainingSince: at },
    orders: { admin: 'maint', weight: 5, adminSince: at, weightSince: at },
    agent: { at, since: at, admin: 'drain', down: false, percent: 50, maximumSessions: 9, text: 'busy' },
    agentCheck: { failures: 2, silent: true, reason: 'timeout', unknown: 1, lastUnknown: 'hm' },
    lastCheck: failedCheck('read-only'),
    malformedReports: { 'not-json': 1 },
    returned: { bytesOut: 77, connections: 4 },
  }),
  { fact: 'writer', listener: 'mysql', server: 'db1', since: at },
  routerFact({
    ...{ reason: 'no advertisement heard', syncGroup: 'G1', source: '198.18.0.1', peers: ['198.18.0.2'] },
    priorityParts: [
      { of: 'configured', value: 150 },
      { of: 'chk_disk', value: -50 },
    ],
    routes: [
      { route: '198.18.9.0/24 via 198.18.0.1', isThere: true, trouble: null },
      { route: '198.18.8.0/24 via 198.18.7.1', isThere: false, trouble: 'ENETUNREACH' },
    ],
    lastAdvertisement: { from: '198.18.0.2', priority: 100, at },
    otherMasters: { count: 2, last: { from: '198.18.0.2', at } },
    conflicts: {
      count: 3,
      last: {
        from: '198.18.0.2',
        differs: 'has other addresses',
        priority: 200,
        addresses: ['198.18.0.77'],
        at,
        isOver: false,
      },
    },
    dropped: { checksum: 1 },
  }),
  {
    ...{ fact: 'draining', worker: 4711, version: '1.1', since: at, until: now + 60_000, isOver: false },
    listeners: [{ listener: 'mysql', sessions: 2, servers: [{ server: 'db1', sessions: 2 }] }],
  },
  {
    ...{ fact: 'peers', listen: '198.18.0.1:9224', trouble: 'the port is taken', exceptions: 2, refused: { key: 1 } },
    peers: [
      {
        ...{ address: '198.18.0.2:9224', name: 'lb2', connected: false, since: at, why: 'refused' },
        ...{ told: 1, taken: 2, holds: ['198.18.0.100'], warnings: ['another seed'], malformed: { 'not-json': 1 } },
      },
    ],
  },
  {
    fact: 'host',
    of: 'rules',
    findings: [{ instance: 'VI_1', text: 'VI_1: a chain drops its advertisements; run: nft' }],
  },
  { fact: 'host', of: 'state file', findings: [{ instance: null, text: 'it cannot be written' }] },
  listener(44),
  listenerFact({ listener: 'read', datapath: 'direct', detail: { kind: 'direct', exceptions: 4 } }),
]

/** Everything has just begun: most of it has nothing to say. */
export const quiet: readonly Fact[] = [
  healthFact('db1', {
    agent: { at, admin: 'ready', down: true, percent: null, maximumSessions: null, text: '' },
    lastCheck: { ...failedCheck('timeout'), code: null, ageMs: null },
    orders: { admin: 'drain', weight: null },
    found: { by: 'check', ageMs: null },
  }),
  routerFact({
    lastAdvertisement: stranger,
    otherMasters: { count: 1, last: stranger },
    conflicts: { count: 1, last: { ...stranger, differs: 'has other addresses', addresses: [], isOver: true } },
  }),
  {
    ...{ fact: 'peers', listen: null, trouble: null, exceptions: null, refused: {} },
    peers: [
      {
        ...{ address: '198.18.0.2:9224', name: null, connected: true, since: at, why: null },
        ...{ told: 0, taken: 0, holds: [], warnings: [], malformed: {} },
      },
    ],
  },
]
