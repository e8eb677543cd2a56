// What the page says at one look: the verdict, the events of the day, and the charts.

import t from 'tap'
import { statusOf } from '../../../../../../balancer/admin/core/model/status.ts'
import { writtenAge } from '../../../../../../balancer/admin/core/views/page/age.ts'
import { charts } from '../../../../../../balancer/admin/core/views/page/chart.ts'
import { timelineMarkup } from '../../../../../../balancer/admin/core/views/page/timeline.ts'
import { verdictOf } from '../../../../../../balancer/admin/core/views/page/verdict.ts'
import { balancerSchema } from '../../../../../../balancer/config/schema.ts'
import { createAccounts } from '../../../../../../balancer/pool/core/accounts.ts'
import type { Events } from '../../../../../../balancer/pool/core/events.ts'
import type { Fact, PeersFact } from '../../../../../../balancer/pool/core/facts.ts'
import { createPool } from '../../../../../../balancer/pool/core/pool.ts'
import { failedCheck, healthFact } from '../../../../pool/health-fact.ts'
import { listenerFact } from '../../../../pool/listener-fact.ts'
import { routerFact } from '../../../../pool/router-fact.ts'

const config = balancerSchema.parse({
  router_id: 'lb1',
  vrrp: {
    instances: [{ name: 'VI_1', interface: 'eth0', virtual_router_id: 51, virtual_addresses: ['198.18.0.100/32'] }],
  },
  listeners: [
    {
      name: 'mysql',
      bind: '198.18.0.100:3306',
      servers: Array.from({ length: 12 }, (_, i) => ({ name: `db${i + 1}`, address: `198.18.0.${11 + i}:3306` })),
    },
  ],
})
const now = 1_700_000_100_000
const open = { address: '198.18.0.100:3306', open: true, why: null }
const well: readonly Fact[] = [
  routerFact(),
  ...config.listeners.flatMap(({ servers }) => servers.map(({ name }) => healthFact(name))),
  listenerFact({ binds: [open] }),
]
const verdict = (...more: readonly Fact[]) => {
  const pool = createPool([...well, ...more])
  const rest = { accounts: createAccounts(), version: '0', now, iso: String, startedAt: 0, refusals: {} }
  return verdictOf(statusOf({ config, pool, ...rest }))
}

type Peer = PeersFact['peers'][number]
const peersWith = (change: Partial<Peer>): PeersFact => ({
  ...{ fact: 'peers', listen: '198.18.0.2:9224', trouble: null, exceptions: 0, refused: {} },
  peers: [
    {
      ...{ address: '198.18.0.3:9224', name: 'lb2', connected: true, since: now - 1000, why: null },
      ...{ told: 0, taken: 0, holds: [], warnings: [], malformed: {}, ...change },
    },
  ],
})

t.test('the verdict: well, attention, or trouble, and why, the worst first', async (t) => {
  t.same(verdict(), {
    mood: 'well',
    headline: 'All is well: holds 198.18.0.100, 12 of 12 servers up',
    findings: [],
  })
  t.match(verdict(routerFact({ state: 'backup' })), { mood: 'well', headline: /stands by/ })
  t.match(verdict(routerFact({ state: 'fault' })), { mood: 'trouble', headline: /^Trouble: VI_1 in FAULT, 12 of 12/ })
  t.same(verdict(peersWith({})).findings, [])
  const cases = [
    ['attention', 'mysql/db2 is DOWN: timeout', healthFact('db2', { up: false, lastCheck: failedCheck('timeout') })],
    [
      'attention',
      'mysql/db2 is in maintenance by operator',
      healthFact('db2', { admin: 'maint', orders: { admin: 'maint', weight: null } }),
    ],
    [
      'attention',
      'mysql/db2 gets no new sessions: drain by operator',
      healthFact('db2', { admin: 'drain', orders: { admin: 'drain', weight: null } }),
    ],
    [
      'attention',
      'mysql/db2 gets no new sessions: weight 0 by operator',
      healthFact('db2', { weight: 0, orders: { admin: 'ready', weight: 0 } }),
    ],
    [
      'attention',
      'mysql/db2 gets no new sessions: drain (404) by check',
      healthFact('db2', { draining: true, weight: 5, orders: { admin: 'ready', weight: 5 } }),
    ],
    ['attention', 'mysql/db2 gets no new sessions: weight 0', healthFact('db2', { weight: 0 })],
    [
      'attention',
      'VRRP instance VI_1 is in maintenance by order',
      routerFact({ inMaintenance: true, state: 'fault', reason: 'in maintenance by order' }),
    ],
    [
      'attention',
      'mysql/db2 is DOWN: not-ready (wsrep: Joining)',
      healthFact('db2', { up: false, lastCheck: { ...failedCheck('not-ready'), text: 'wsrep: Joining' } }),
    ],
    [
      'attention',
      'mysql/db2 does not answer for 198.18.0.100:3306; run there: …',
      listenerFact({
        binds: [open],
        findings: [{ server: 'db2', text: 'does not answer for 198.18.0.100:3306; run there: …' }],
      }),
    ],
    [
      'attention',
      'mysql: a rule drops it',
      listenerFact({ binds: [open], findings: [{ server: null, text: 'a rule drops it' }] }),
    ],
    [
      'attention',
      'Balancer lb2 is not connected: connection refused',
      peersWith({ connected: false, why: 'connection refused' }),
    ],
    [
      'trouble',
      'VRRP instance VI_1: chain input of the table inet filter drops the advertisements of other balancers; run: nft …',
      {
        fact: 'host',
        of: 'rules',
        findings: [
          {
            instance: 'VI_1',
            text: 'VI_1: chain input of the table inet filter drops the advertisements of other balancers; run: nft …',
          },
        ],
      },
    ],
    [
      'attention',
      'The state file cannot be written',
      { fact: 'host', of: 'state file', findings: [{ instance: null, text: 'The state file cannot be written' }] },
    ],
    ['attention', 'Balancer lb2: balance differs', peersWith({ warnings: ['balance differs'] })],
    [
      'attention',
      'A fail-over now would end 3 sessions older than the last change of servers (no other balancer is configured in peers)',
      { ...peersWith({}), listen: null, exceptions: 3, peers: [] },
    ],
    ['attention', 'Listener mysql has 3900 of at most 4000 sessions', listenerFact({ binds: [open], sessions: 3900 })],
    ['trouble', 'VRRP instance VI_1 is in FAULT: eth0 is down', routerFact({ state: 'fault', reason: 'eth0 is down' })],
    [
      'trouble',
      'VRRP instance VI_1: 198.18.0.3 says that it is master too',
      routerFact({ otherMasters: { count: 1, last: { from: '198.18.0.3', at: now - 1000 } } }),
    ],
    [
      'trouble',
      'Listener mysql: so few servers pass that all are used',
      listenerFact({ binds: [open], panicking: true }),
    ],
    [
      'trouble',
      'Listener mysql is not open on 198.18.0.100:3306: the port is in use',
      listenerFact({ binds: [{ ...open, open: false, why: 'the port is in use' }] }),
    ],
  ] as const
  for (const [mood, text, fact] of cases) t.same(verdict(fact).findings, [{ mood, text }], text)
  t.same(
    verdict(routerFact({ otherMasters: { count: 1, last: { from: '198.18.0.3', at: now - 100_000 } } })).findings,
    [],
  )
  const many = verdict(
    ...Array.from({ length: 11 }, (_, i) => healthFact(`db${i + 1}`, { admin: 'maint' })),
    routerFact({ state: 'fault' }),
  )
  t.equal(many.mood, 'trouble')
  t.equal(many.findings[0]?.mood, 'trouble')
  t.equal(many.findings.length, 1 + 8 + 1)
  t.match(many.findings.at(-1)?.text, 'and 3 more about servers')
  const alike = verdict(...Array.from({ length: 11 }, (_, i) => healthFact(`db${i + 1}`, { up: false })))
  t.same(
    alike.findings.map(({ text }) => text),
    ['mysql: 11 servers are DOWN: not checked yet (db1, db2, db3 and 8 more)'],
  )
})

t.test('the events of a day, newest first, with the reason of a router, and no older ones', async (t) => {
  const iso = (moment: number): string => new Date(moment).toISOString()
  const event = (ago: number, text: string, fields = {}): Events[number] => ({
    at: now - ago,
    level: 'warn',
    text,
    fields,
  })
  const shown = (events: Events) => timelineMarkup({ events, now, iso }, writtenAge).text
  t.match(shown([event(86_400_001, 'old')]), 'Nothing has changed')
  const text = shown([event(2000, 'first'), event(1000, '(VI_1) Entering MASTER STATE', { reason: 'it is <alone>' })])
  t.match(text, /Entering MASTER STATE, because: it is &lt;alone&gt;.*first/)
  t.match(text, 'aria-label="The last 24 hours: 2 warnings"')
  const many = shown(Array.from({ length: 130 }, (_, i) => event(1000 * (129 - i), `event ${i};`)))
  t.match(many, 'event 30;')
  t.notMatch(many, 'event 29;')
  t.match(many, '30 older ones of this day')
  t.equal(many.match(/class="warn" d=/g)?.length, 2, 'marks in one place are one')
})

t.test('charts say their numbers in words, and have gaps where nothing is known', async (t) => {
  const nothing = [null, null, null]
  const text = charts({ sessions: [1, null, 2, 4, 3], rate: nothing, check: [0, 0, 0] }).text
  t.match(text, 'Sessions: <b>3 now, at most 4</b>')
  t.match(text, 'aria-label="Sessions over the last hour: 3 now, at most 4"')
  t.match(text, 'd="M0 29.5h1M90 20h1L134 1L179 10.5"')
  t.match(text, 'New sessions: nothing known of the last hour')
  t.match(text, 'd="M0 39h1L90 39L179 39"')
})
