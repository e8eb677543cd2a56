import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import { withEvent } from '../../../balancer/pool/core/events.ts'
import { describeListenerChanges } from '../../../balancer/pool/core/listener-changes.ts'
import { createPool } from '../../../balancer/pool/core/pool.ts'
import { describeChange, describeWriter } from '../../../balancer/pool/core/server-change.ts'
import { parseServerOrder } from '../../../balancer/pool/core/server-order.ts'
import { statusWord, takesSessions } from '../../../balancer/pool/core/server-state.ts'
import { healthFact } from './health-fact.ts'

t.test('orders of an operator', async (t) => {
  const order = (text: string) => parseServerOrder(text.split(' '))
  const db1 = { ok: true, listener: 'mysql', server: 'db1' } as const
  t.same(order('mysql/db1 drain'), { ...db1, words: 'drain', orders: { admin: 'drain' } })
  t.same(order('mysql/db1 weight 0'), { ...db1, words: 'weight 0', orders: { weight: 0 } })
  t.same(order('mysql/db1 weight 256'), { ...db1, words: 'weight 256', orders: { weight: 256 } })
  t.same(order('mysql/db1 weight initial'), { ...db1, words: 'weight initial', orders: { weight: null } })
  const wrong = ['', 'mysql', 'mysql/db1', 'mysql/db1 stop', 'mysql/db1 drain 5', 'a/b/c drain', 'mysql/db1 weight 1 2']
  for (const text of wrong)
    t.match(order(text), { ok: false, text: /(?:^|^stop is no order; )write: server LISTENER\/SERVER/ }, text)
  for (const [word, meant] of Object.entries({
    drian: 'drain',
    maintenance: 'maint',
    up: undefined,
    wieght: 'weight',
  })) {
    const near = meant === undefined ? '; write' : `; did you mean ${meant}?; write`
    t.match(order(`mysql/db1 ${word}`), { ok: false, text: `${word} is no order${near}` }, word)
  }
  for (const weight of ['257', '-1', 'x', '1.5']) {
    t.match(order(`mysql/db1 weight ${weight}`), { ok: false, text: /from 0 to 256/ }, weight)
  }
})

t.test('the status words of HAProxy for every state', async (t) => {
  const table = [
    [{}, 'UP', true],
    [{ health: { value: 3, rise: 2, fall: 3 } }, 'UP 2/3', true],
    [{ up: false }, 'DOWN', false],
    [{ up: false, health: { value: 1, rise: 2, fall: 3 } }, 'DOWN 1/2', false],
    [{ admin: 'drain' }, 'DRAIN', false],
    [{ admin: 'drain', up: false }, 'DOWN', false],
    [{ weight: 0 }, 'UP', false],
    [{ draining: true }, 'NOLB', false],
    [{ admin: 'maint', up: false }, 'MAINT', false],
  ] as const
  for (const [change, word, takes] of table) {
    const fact = healthFact('db1', change)
    t.equal(statusWord(fact), word, JSON.stringify(change))
    t.equal(takesSessions(fact), takes, JSON.stringify(change))
  }
})

t.test('each change of a server has one line, and no change has none', async (t) => {
  const up = healthFact('db1')
  const other = healthFact('db2')
  const line = (before: Parameters<typeof healthFact>[1], after: Parameters<typeof healthFact>[1]) => {
    const fact = healthFact('db1', after)
    return describeChange(createPool([fact, other]), healthFact('db1', before), fact)?.text
  }
  const byOrder = (admin: 'drain' | 'maint') => ({ admin, orders: { admin, weight: null } }) as const
  t.match(line({}, byOrder('maint')), /^Server mysql\/db1 is going DOWN for maintenance by order\. 1 active/)
  t.match(
    line({ admin: 'maint', up: false }, { up: false, counters: [null] }),
    /leaves maintenance and is checked first/,
  )
  t.match(line({ up: false, counters: [null] }, {}), /^Server mysql\/db1 is UP, reason/)
  t.match(line({}, byOrder('drain')), /enters drain state by order/)
  t.match(line(byOrder('drain'), {}), /is UP \(leaving drain\)/)
  t.match(line({}, { draining: true }), /enters drain state, the check answered 404/)
  const said = { at: 1, admin: 'ready', down: true, percent: null, maximumSessions: null, text: 'disk full' } as const
  t.match(line({}, { up: false, agent: said }), /is DOWN, reason: agent says "disk full"/)
  t.match(line({}, { weight: 0 }), /^Server mysql\/db1 has weight 0 \(it was 1\)\. 1 active/)
  t.equal(line({}, {}), undefined)
  t.equal(line({ up: false, counters: [null] }, { up: false, counters: [null] }), undefined, 'not checked yet: no line')
  t.match(line({ up: false, counters: [null] }, { up: false }), /is DOWN/, 'the first result is news')
  t.match(describeChange(createPool([up]), undefined, up)?.text, /is UP/)
})

t.test('a change of the writer names both', async (t) => {
  const fact = { fact: 'writer', listener: 'mysql', since: 1 } as const
  const line = (before: string | null, now: string | null) =>
    describeWriter(before === null ? undefined : { ...fact, server: before }, { ...fact, server: now }).text
  t.equal(line(null, 'db1'), 'Listener mysql: the writer is db1')
  t.equal(line('db1', 'db2'), 'Listener mysql: the writer is db2 (it was db1)')
  t.equal(line('db1', null), 'Listener mysql has no writer (it was db1)')
})

t.test('the list of events forgets the oldest', async (t) => {
  const event = (at: number) => ({ at, level: 'info', text: `${at}`, fields: {} }) as const
  const all = Array.from({ length: 1500 }, (_, i) => event(i)).reduce(withEvent, [])
  t.equal(all.length, 1000)
  t.equal(all[0]?.at, 500)
  t.equal(all.at(-1)?.at, 1499)
})

t.test('a reload says what it changed, a line each', async (t) => {
  const listeners = (...list: readonly object[]) =>
    balancerSchema.parse({
      router_id: 'lb',
      listeners: list.map((keys, i) => ({
        name: `l${i}`,
        bind: `127.0.0.1:${3306 + i}`,
        servers: [{ name: 'db1', address: '198.18.0.11:3306' }],
        ...keys,
      })),
    }).listeners
  const changes = (before: object[], after: object[]) =>
    describeListenerChanges(listeners(...before), listeners(...after), isDeepStrictEqual)
  t.same(changes([{}], [{}]), [])
  t.same(changes([{}, {}], [{}]), ['listener l1 removed; its sessions end'])
  t.same(changes([{}], [{ balance: 'leastconn', agent_check: { port: 1 } }]), [
    'listener l0: changed balance, agent_check',
  ])
  const servers = [
    { name: 'db1', address: '198.18.0.11:3306', weight: 5 },
    { name: 'db2', address: '198.18.0.12:3306' },
  ]
  t.same(changes([{}], [{ servers }]), ['listener l0: server db1 changed', 'listener l0: server db2 added'])
  t.same(changes([{ servers }], [{ servers: [servers[1]] }]), ['listener l0: server db1 removed'])
})
