// Slots: the right shares, taken in turn, whatever the order; few of them change hands.

import fc from 'fast-check'
import t from 'tap'
import { consistent, slotCount, turns, type Weighted } from '../../../../balancer/datapath/rules/core/slots.ts'

const countsOf = (slots: readonly string[]): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const slot of slots) counts.set(slot, (counts.get(slot) ?? 0) + 1)
  return counts
}

const movedBetween = (before: readonly string[], after: readonly string[]): number =>
  before.filter((server, slot) => server !== after[slot]).length

const anyServers = (weight: fc.Arbitrary<number>, most: number): fc.Arbitrary<readonly Weighted[]> =>
  fc
    .array(weight, { minLength: 1, maxLength: most })
    .map((weights) => weights.map((one, i) => ({ name: `db${i}`, weight: one })))

t.test('small whole weights get exactly their shares, spread over the round', async (t) => {
  t.same(
    turns(
      [
        { name: 'a', weight: 5 },
        { name: 'b', weight: 1 },
        { name: 'c', weight: 1 },
      ],
      3,
    ).join(''),
    'aabacaa',
  )
  t.same(
    turns(
      [
        { name: 'a', weight: 256 },
        { name: 'b', weight: 256 },
      ],
      2,
    ),
    ['a', 'b'],
  )
  fc.assert(
    fc.property(anyServers(fc.integer({ min: 1, max: 16 }), 8), (servers) => {
      const slots = turns(servers, servers.length)
      const counts = countsOf(slots)
      const sum = servers.reduce((all, { weight }) => all + weight, 0)
      for (const { name, weight } of servers) {
        t.equal((counts.get(name) ?? 0) * sum, weight * slots.length)
        // Never more than one session ahead of its share: that is what interleaved means.
        let had = 0
        for (const [i, slot] of slots.entries()) {
          had += slot === name ? 1 : 0
          t.ok(Math.abs(had - ((i + 1) * weight) / sum) < servers.length)
        }
      }
    }),
    { numRuns: 50 },
  )
})

t.test('any weights get their shares to within two slots, and every server at least one', async (t) => {
  const weight = fc.oneof(fc.integer({ min: 1, max: 256 }), fc.double({ min: 0.01, max: 256, noNaN: true }))
  fc.assert(
    fc.property(anyServers(weight, 40), (servers) => {
      const size = slotCount(servers.length)
      const counts = countsOf(consistent(servers, size))
      const sum = servers.reduce((all, one) => all + one.weight, 0)
      const shares = servers.map((one) => (size * one.weight) / sum)
      // What is lifted to one slot is taken from others.
      const lifted = shares.filter((share) => share < 1).length
      t.equal(counts.size, servers.length)
      for (const [i, { name }] of servers.entries()) {
        t.ok(Math.abs((counts.get(name) ?? 0) - (shares[i] ?? 0)) <= 2 + lifted, `${name} has its share`)
      }
    }),
    { numRuns: 100 },
  )
})

t.test('the order of servers in the configuration does not matter', async (t) => {
  fc.assert(
    fc.property(anyServers(fc.integer({ min: 1, max: 256 }), 12), (servers) => {
      t.same(consistent([...servers].reverse(), 256), consistent(servers, 256))
    }),
    { numRuns: 50 },
  )
})

t.test('a server that leaves takes few others along', async (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 60 }), fc.nat(), (count, gone) => {
      const servers = Array.from({ length: count }, (_, i) => ({ name: `db${i}`, weight: 1 }))
      const size = slotCount(count)
      const before = consistent(servers, size)
      const left = `db${gone % count}`
      const after = consistent(
        servers.filter(({ name }) => name !== left),
        size,
      )
      const own = before.filter((name) => name === left).length
      t.notOk(after.includes(left))
      t.ok(
        movedBetween(before, after) <= own + size * 0.05,
        `${movedBetween(before, after)} of ${size} moved, ${own} had to`,
      )
    }),
    { numRuns: 60 },
  )
})

t.test('with 1,000 servers a change of one touches a few dozen slots of 16,384', async (t) => {
  const servers = Array.from({ length: 1000 }, (_, i) => ({ name: `db${i}`, weight: 1 + (i % 256) }))
  const before = turns(servers, 1000)
  t.equal(before.length, 16_384)
  const after = turns(
    servers.filter(({ name }) => name !== 'db500'),
    1000,
  )
  t.ok(movedBetween(before, after) < 200, `${movedBetween(before, after)} moved`)
})
