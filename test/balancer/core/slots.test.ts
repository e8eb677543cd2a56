// Slots: the right shares, taken in turn, whatever the order; few of them change hands.

import fc from 'fast-check'
import t from 'tap'
import {
  consistent,
  type StickySlots,
  sticky,
  stickySlotCount,
  turns,
  type Weighted,
} from '../../../balancer/core/slots.ts'

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
      const size = 1024
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

t.test('clients of a server that leaves go to others, and no other client moves; so when it comes back', async (t) => {
  const weight = fc.oneof(fc.integer({ min: 1, max: 256 }), fc.double({ min: 0.01, max: 256, noNaN: true }))
  fc.assert(
    fc.property(anyServers(weight, 20), fc.nat(), (servers, gone) => {
      const left = `db${gone % servers.length}`
      const others = servers.filter(({ name }) => name !== left)
      if (others.length === 0) return
      const [before, after] = [
        sticky(servers, stickySlotCount(servers.length)).slots,
        sticky(others, stickySlotCount(servers.length)).slots,
      ]
      t.ok(before.every((name, slot) => name === left || after[slot] === name))
    }),
    { numRuns: 60 },
  )
})

t.test('slots for hashes that follow from those before are the same as without, whatever changed', async (t) => {
  const weights = fc.array(fc.constantFrom(0, 0, 1, 1, 2, 0.37), { minLength: 12, maxLength: 12 })
  fc.assert(
    fc.property(fc.array(weights, { minLength: 2, maxLength: 6 }), (steps) => {
      let last: StickySlots | undefined
      for (const step of steps) {
        const servers = step.map((weight, i) => ({ name: `db${i}`, weight })).filter(({ weight }) => weight > 0)
        if (servers.length === 0) continue
        last = sticky(servers, stickySlotCount(step.length), last)
        t.same(last, sticky(servers, stickySlotCount(step.length)))
      }
    }),
    { numRuns: 60 },
  )
})

t.test('clients spread by weights, as far as chance has it', async (t) => {
  const servers = [
    { name: 'db1', weight: 3 },
    { name: 'db2', weight: 1 },
  ]
  const share = (countsOf(sticky(servers, stickySlotCount(2)).slots).get('db1') ?? 0) / 1024
  t.ok(Math.abs(share - 0.75) < 0.05, `${share}`)
})

t.test('equal servers have shares that are nearer to right than by chance', async (t) => {
  const spreads = Array.from({ length: 60 }, (_, i) => {
    const servers = [`left${i}`, `right${i}`].map((name) => ({ name, weight: 1 }))
    return Math.abs((countsOf(sticky(servers, 1024).slots).get(`left${i}`) ?? 0) - 512)
  })
  const mean = spreads.reduce((sum, spread) => sum + spread, 0) / spreads.length
  // By chance it would be 1024 ** 0.5 / 2 * (2 / pi) ** 0.5.
  t.ok(mean < 10, `${mean} slots, by chance 12.8`)
})

t.test('with 1,000 servers a change of one touches a few hundred slots of 16,384 at most', async (t) => {
  const servers = Array.from({ length: 1000 }, (_, i) => ({ name: `db${i}`, weight: 1 + (i % 256) }))
  const before = turns(servers, 1000)
  t.equal(before.length, 16_384)
  const after = turns(
    servers.filter(({ name }) => name !== 'db500'),
    1000,
  )
  t.ok(movedBetween(before, after) < 600, `${movedBetween(before, after)} moved`)
})
