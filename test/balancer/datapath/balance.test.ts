import fc from 'fast-check'
import t from 'tap'
import type { Balance } from '../../../balancer/config/schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import type { RoundRobin } from '../../../balancer/datapath/core/round-robin.ts'
import { type Asking, type ChoosableServer, chooseServer } from '../../../balancer/datapath/userspace/core/choice.ts'
import { nextStep, slowStartShare } from '../../../balancer/pool/core/slow-start.ts'
import { createRandom } from '../../sim/random.ts'

const server = (name: string, change: Partial<ChoosableServer> = {}): ChoosableServer => ({
  name,
  weight: 1,
  sessions: 0,
  maximumSessions: 0,
  ...change,
})

const asking = (change: Partial<Asking> = {}): Asking => ({
  client: '198.18.0.200',
  tried: new Set(),
  only: null,
  random: () => 0,
  ...change,
})

const chosen = (servers: readonly ChoosableServer[], by: Balance, who: Asking = asking()): string => {
  const choice = chooseServer(new Map(), servers, by, who)
  return choice.kind === 'server' ? choice.server.name : choice.kind
}

/** Sessions that come and stay: how many each server has after `count`. */
const fill = (names: readonly [string, number][], count: number, by: Balance, random = () => 0.5) => {
  const sessions = new Map(names.map(([name]) => [name, 0]))
  let state: RoundRobin = new Map()
  for (let i = 0; i < count; i += 1) {
    const views = names.map(([name, weight]) => server(name, { weight, sessions: sessions.get(name) ?? 0 }))
    const choice = chooseServer(state, views, by, asking({ client: `client-${i}`, random }))
    if (choice.kind !== 'server') throw new Error(choice.kind)
    state = choice.state
    sessions.set(choice.server.name, (sessions.get(choice.server.name) ?? 0) + 1)
  }
  return Object.fromEntries(sessions)
}

const clients = Array.from({ length: 4000 }, (_, i) => `198.18.${i >> 8}.${i & 255}`)
const homes = (servers: readonly ChoosableServer[]): ReadonlyMap<string, string> =>
  new Map(clients.map((client) => [client, chosen(servers, 'source', asking({ client }))]))

t.test('leastconn keeps sessions in proportion to the weights, and equals take turns', async (t) => {
  t.same(
    fill(
      [
        ['a', 1],
        ['b', 1],
        ['c', 2],
      ],
      400,
      'leastconn',
    ),
    { a: 100, b: 100, c: 200 },
  )
  t.equal(chosen([server('a', { sessions: 3 }), server('b', { sessions: 2 })], 'leastconn'), 'b')
  const busyButHeavy = server('b', { sessions: 4, weight: 3 })
  t.equal(chosen([server('a', { sessions: 2 }), busyButHeavy], 'leastconn'), 'b')
  const weights = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(weights, (list) => {
      const total = list.reduce((sum, weight) => sum + weight, 0)
      const names = list.map((weight, i): [string, number] => [`s${i}`, weight])
      const filled = fill(names, total * 3, 'leastconn')
      return names.every(([name, weight]) => Math.abs((filled[name] ?? 0) - weight * 3) <= 1)
    }),
  )
})

t.test('first fills the servers in the order of the file', async (t) => {
  const full = server('a', { sessions: 2, maximumSessions: 2 })
  t.equal(chosen([server('a'), server('b')], 'first'), 'a')
  t.equal(chosen([full, server('b', { sessions: 9 })], 'first'), 'b')
  t.equal(chosen([full], 'first'), 'full')
})

t.test('random of two spreads by weight and avoids the busier one', async (t) => {
  const spread = fill(
    [
      ['a', 1],
      ['b', 1],
      ['c', 2],
    ],
    4000,
    'random',
    createRandom(7).next,
  )
  t.ok(Math.abs((spread['c'] ?? 0) - 2000) < 100, JSON.stringify(spread))
  t.ok(Math.abs((spread['a'] ?? 0) - (spread['b'] ?? 0)) < 100, JSON.stringify(spread))
  const draws = [0.1, 0.9]
  const random = () => draws.shift() ?? 0
  t.equal(chosen([server('a', { sessions: 5 }), server('b')], 'random', asking({ random })), 'b')
})

t.test('source: a client keeps its server, and clients are spread by weight', async (t) => {
  const homesOf = homes([server('a'), server('b'), server('c', { weight: 2 })])
  const count = (name: string) => [...homesOf.values()].filter((home) => home === name).length
  t.ok(Math.abs(count('c') - 2000) < 150, `c has ${count('c')}`)
  t.ok(Math.abs(count('a') - 1000) < 150, `a has ${count('a')}`)
  t.same(homes([server('c', { weight: 2 }), server('b'), server('a')]), homesOf, 'the order in the file plays no part')
})

t.test('source: when a server leaves only its clients move, when its weight grows it only gains', async (t) => {
  const before = homes([server('a'), server('b'), server('c')])
  const without = homes([server('a'), server('c')])
  const heavier = homes([server('a'), server('b', { weight: 2 }), server('c')])
  t.ok(clients.every((client) => before.get(client) === 'b' || before.get(client) === without.get(client)))
  t.ok(clients.every((client) => heavier.get(client) === 'b' || before.get(client) === heavier.get(client)))
  t.notSame(without, before)
})

t.test('source: a client waits for its own server rather than go elsewhere', async (t) => {
  const by = 'source'
  const home = chosen([server('a'), server('b')], by)
  const full = ['a', 'b'].map((name) => server(name, name === home ? { sessions: 1, maximumSessions: 1 } : {}))
  t.equal(chosen(full, by), 'full')
  t.not(chosen(full, by, asking({ tried: new Set([home]) })), 'full', 'unless it cannot be connected to')
})

t.test('slow start: a small share at first, all of it in the end, in twentieths', async (t) => {
  const share = (since: number) => slowStartShare(millis(10_000), millis(since))
  t.same([0, 1000, 1400, 5000, 10_000, 60_000].map(share), [0.05, 0.1, 0.1, 0.5, 1, 1])
  t.equal(slowStartShare(millis(0), millis(0)), 1)
  const picks = fill(
    [
      ['old', 1],
      ['new', share(1000)],
    ],
    110,
    'roundrobin',
  )
  t.same(picks, { old: 100, new: 10 })
})

t.test('slow start: the share grows at its steps and at no other moment', async (t) => {
  const next = (since: number) => nextStep(millis(10_000), millis(since))
  t.same([0, 400, 500, 1000, 9500, 9999, 10_000, 60_000].map(next), [
    1000,
    1000,
    1000,
    1500,
    10_000,
    10_000,
    null,
    null,
  ])
  t.equal(nextStep(millis(0), millis(0)), null)
  const moments = fc.record({
    slowStart: fc.integer({ min: 1, max: 3_600_000 }),
    since: fc.integer({ min: 0, max: 4_000_000 }),
  })
  fc.assert(
    fc.property(moments, ({ slowStart, since }) => {
      const share = (moment: number) => slowStartShare(millis(slowStart), millis(moment))
      const step = nextStep(millis(slowStart), millis(since))
      if (step === null) return share(since) === 1
      return (
        step > since && share(step - slowStart / 1000) === share(since) && share(step + slowStart / 1000) > share(since)
      )
    }),
  )
})
