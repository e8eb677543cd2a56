// A site in which much is to be seen: what the pictures of the README show.

import { historyOf } from '../../balancer/admin/core/model/history.ts'
import { type PageRefusals, statusOf } from '../../balancer/admin/core/model/status.ts'
import type { Scene } from '../../balancer/admin/core/views/page/parts.ts'
import { balancerSchema } from '../../balancer/config/schema.ts'
import { createAccounts } from '../../balancer/pool/core/accounts.ts'
import type { Events } from '../../balancer/pool/core/events.ts'
import type { Fact, ListenerFact, ServerHealthFact } from '../../balancer/pool/core/facts.ts'
import { createPool, serverKey } from '../../balancer/pool/core/pool.ts'
import { noteSample, sampleMillis } from '../../balancer/pool/core/series.ts'
import { version } from '../../balancer/version.ts'
import { healthFact } from '../balancer/pool/health-fact.ts'
import { listenerFact } from '../balancer/pool/listener-fact.ts'
import { routerFact } from '../balancer/pool/router-fact.ts'

const minute = 60_000
const hour = 60 * minute

const check = (durationMs: number): ServerHealthFact['lastCheck'] => ({
  at: Date.now(),
  passed: true,
  ...{ status: 'L7OK', code: 200, durationMs, reason: 'ok', text: 'Synced, 3 nodes', by: 'check', ageMs: null },
})

/** A report of a while before. */
const earlier = (fact: ListenerFact): ListenerFact => {
  const less = (count: number | null): number => Math.max(0, (count ?? 0) - 100)
  const servers = fact.servers.map((one) => ({ ...one, totalSessions: less(one.totalSessions) }))
  return { ...fact, totalSessions: less(fact.totalSessions), servers }
}

/** The site: a page's configuration, and what the page shows at the moment when it is asked for. */
export const madeUpSite = (bind: string, passwordFile: string) => {
  const servers = (...names: readonly string[]) =>
    names.map((name) => ({ name, address: `10.1.6.${20 + Number(name.slice(-1))}:3306`, backup: name === 'db4' }))
  const config = balancerSchema.parse({
    router_id: 'lb1',
    vrrp: {
      instances: [
        { name: 'VI_1', interface: 'eth1', virtual_router_id: 51, priority: 101, virtual_addresses: ['10.1.6.173/24'] },
        { name: 'VI_2', interface: 'eth1', virtual_router_id: 52, priority: 100, virtual_addresses: ['10.1.6.174/24'] },
      ],
    },
    listeners: [
      { name: 'mysql', bind: '10.1.6.173:3306', servers: servers('db1', 'db2', 'db3', 'db4') },
      { name: 'writer', bind: '10.1.6.173:3307', balance: 'single', servers: servers('db1', 'db2', 'db3') },
    ],
    admin: { http: { bind, users: [{ name: 'admin', password_file: passwordFile, role: 'operator' }] } },
  })
  const now = Date.now()
  const since = now - 26 * hour
  const health = (listener: string, server: string, change: Partial<ServerHealthFact> = {}): Fact => ({
    ...healthFact(server, { since, role: 'primary', watched: true, lastCheck: check(3), ...change }),
    listener,
  })
  const down: Partial<ServerHealthFact> = {
    up: false,
    since: now - 4 * minute,
    role: 'unknown',
    lastCheck: {
      ...check(1),
      passed: false,
      ...{ status: 'L7STS', code: 503 },
      reason: 'not-ready',
      text: 'wsrep: Joining',
      by: 'push',
      ageMs: 2,
    } as ServerHealthFact['lastCheck'],
    found: { by: 'push', ageMs: 2 },
  }
  const drained: Partial<ServerHealthFact> = {
    admin: 'drain',
    orders: { admin: 'drain', weight: null, adminSince: now - 12 * minute },
  }
  const traffic = (server: string, sessions: number, gigabytes: number) => ({
    server,
    ...{ sessions, maximumSessions: sessions * 3, totalSessions: sessions * 977 },
    ...{ bytesIn: gigabytes * 1.1e9, bytesOut: gigabytes * 7.3e9, connectFailures: server === 'db3' ? 17 : 0 },
    ...{ refusedConnects: 0, failuresInARow: 0, detail: { kind: 'userspace' as const, retries: 2, redispatches: 1 } },
  })
  const router = { version: 2 as const, interface: 'eth1', source: '10.1.6.203', peers: ['10.1.6.205'] }
  const facts: readonly Fact[] = [
    routerFact({
      ...router,
      state: 'master',
      since: now - 3 * hour,
      reason: 'no advertisement of a better router within 3.6 s',
      priority: 101,
      addresses: ['10.1.6.173/24'],
      lastAdvertisement: { from: '10.1.6.205', priority: 100, at: now - 3 * hour },
    }),
    routerFact({
      ...router,
      name: 'VI_2',
      virtualRouterId: 52,
      state: 'backup',
      since,
      reason: '10.1.6.205 advertises priority 101',
      priority: 98,
      priorityParts: [
        { of: 'configured', value: 100 },
        { of: 'chk_disk', value: -2 },
      ],
      addresses: ['10.1.6.174/24'],
      lastAdvertisement: { from: '10.1.6.205', priority: 101, at: now - 300 },
      received: 93_412,
    }),
    ...['db1', 'db2', 'db3', 'db4'].map((name) =>
      health('mysql', name, name === 'db2' ? drained : name === 'db3' ? down : { backup: name === 'db4' }),
    ),
    ...['db1', 'db2', 'db3'].map((name) => health('writer', name, name === 'db3' ? down : {})),
    { fact: 'writer', listener: 'writer', server: 'db1', since },
    listenerFact({
      binds: [{ address: '10.1.6.173:3306', open: true, why: null }],
      ...{ sessions: 213, maximumSessions: 640, totalSessions: 211_009, ends: { closed: 210_611, 'client-left': 185 } },
      servers: [traffic('db1', 171, 41), traffic('db2', 42, 12), traffic('db3', 0, 33), traffic('db4', 0, 0)],
      detail: { kind: 'userspace', queued: 0, maximumQueued: 0 },
    }),
    {
      ...listenerFact({
        binds: [{ address: '10.1.6.173:3307', open: true, why: null }],
        ...{ sessions: 38, maximumSessions: 61, totalSessions: 40_233, ends: { closed: 40_195 } },
        servers: [traffic('db1', 38, 9), traffic('db2', 0, 0), traffic('db3', 0, 0)],
        detail: { kind: 'userspace', queued: 0, maximumQueued: 0 },
      }),
      listener: 'writer',
    },
  ]
  const accounts = createAccounts()
  // Two reports make a rate.
  for (const fact of facts) {
    if (fact.fact === 'listener') accounts.hear(earlier(fact), now - 10_000)
    accounts.hear(fact, now)
  }
  for (const { name, servers: all } of config.listeners) {
    const one = accounts.listener(name)
    for (let i = 0; i < 360; i += 1) {
      const at = now - (359 - i) * sampleMillis
      const wave = 1 + 0.3 * Math.sin(i / 40) + 0.12 * Math.sin(i / 5) + (i > 300 && i < 330 ? 0.5 : 0)
      if (one !== undefined) {
        noteSample(one.sessions, Math.round((name === 'mysql' ? 213 : 38) * wave), at)
        noteSample(one.rate, (name === 'mysql' ? 12 : 3) * wave, at)
      }
      for (const { name: server } of all) {
        const account = accounts.server(serverKey(name, server))
        if (account !== undefined) noteSample(account.checkDuration, 3 + (i % 37 === 0 ? 9 : 0) + (i % 5) / 2, at)
      }
    }
  }
  const event = (ago: number, level: Events[number]['level'], text: string, reason?: string): Events[number] => ({
    at: now - ago,
    level,
    text,
    fields: reason === undefined ? {} : { reason },
  })
  const events: Events = [
    event(20 * hour, 'info', '(VI_1) Entering BACKUP STATE', '10.1.6.205 advertises priority 102'),
    event(9 * hour, 'info', 'Another configuration was applied'),
    event(
      3 * hour + 6_000,
      'warn',
      'Server mysql/db1 is DOWN, reason: Layer4 connection problem, info: "connection-refused: connect ECONNREFUSED", check duration: 1ms. 2 active and 1 backup servers left. 140 sessions active.',
    ),
    event(3 * hour, 'info', '(VI_1) Entering MASTER STATE', 'no advertisement of a better router within 3.6 s'),
    event(
      3 * hour - 40_000,
      'info',
      'Server mysql/db1 is UP, reason: Layer7 check passed, code: 200. 3 active and 1 backup servers online. 0 sessions active.',
    ),
    event(12 * minute, 'warn', 'Server mysql/db2: user admin of the status page ordered drain'),
    event(
      4 * minute,
      'warn',
      'Server mysql/db3 is DOWN, reason: Layer7 wrong status, code: 503, info: "not-ready: wsrep: Joining", check duration: 1ms, found by: push, news: 2ms old. 1 active and 1 backup servers left. 0 sessions active.',
    ),
  ]
  const pool = createPool(facts)
  const iso = (moment: number): string => new Date(moment).toISOString()
  const scene = (refusals: PageRefusals): Scene => ({
    status: statusOf({ config, pool, accounts, version, now: Date.now(), iso, startedAt: since, refusals }),
    timeline: { events, now: Date.now(), iso },
    history: ({ name, servers: all }) =>
      historyOf(
        name,
        all.map((one) => one.name),
        accounts,
        now,
      ),
  })
  return { http: config.admin.http, scene }
}
