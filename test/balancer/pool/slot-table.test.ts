// The slot table of direct listeners: two balancers with the same servers have the same. UPDATE_GOLDEN=1 writes the golden file anew.

import { readFileSync, writeFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { hashOf } from '../../../balancer/core/hash.ts'
import { type SlotTable, type SlotTarget, slotsOf, slotTable } from '../../../balancer/pool/core/slot-table.ts'

const names = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `db${i + 1}`)
const equal = (servers: readonly string[]): readonly SlotTarget[] => servers.map((server) => ({ server, weight: 1 }))
const tableOf = (targets: readonly SlotTarget[], configured?: readonly string[]): SlotTable =>
  slotTable('mysql', 'session', configured ?? targets.map(({ server }) => server), targets)

const countsOf = (table: SlotTable): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const server of slotsOf(table)) counts.set(server, (counts.get(server) ?? 0) + 1)
  return counts
}

const described = (table: SlotTable): string => {
  const slots = slotsOf(table)
  const seed = `0x${table.seed.toString(16).padStart(8, '0')}`
  return [
    `${table.listener}: ${table.hash}, seed ${seed}, ${table.slotCount} slots, all of them ${hashOf(slots.join()).toString(16)}`,
    ...table.targets.map(({ server, weight }) => `  ${server} weight ${weight}: ${countsOf(table).get(server) ?? 0}`),
    `  ${slots.slice(0, 32).join(' ')}`,
    '',
  ].join('\n')
}

t.test(
  'golden: tables are the same in every version, as balancers of two versions stand beside each other',
  async (t) => {
    const text = [
      tableOf(equal(names(2))),
      tableOf(equal(names(3))),
      tableOf(equal(['db1', 'db3']), names(3)),
      tableOf([
        { server: 'db1', weight: 5 },
        { server: 'db2', weight: 1 },
        { server: 'db3', weight: 0.25 },
      ]),
      slotTable('mysql:read', 'source', names(100), equal(names(3))),
      tableOf([]),
    ]
      .map(described)
      .join('\n')
    const file = new URL('../../../../test/balancer/pool/golden/slot-tables.txt', import.meta.url)
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
    t.equal(text, readFileSync(file, 'utf8'))
  },
)

const anyWeight = fc.oneof(fc.integer({ min: 1, max: 256 }), fc.double({ min: 0.01, max: 256, noNaN: true }))
const anyTargets = fc
  .array(anyWeight, { minLength: 1, maxLength: 12 })
  .map((weights) => weights.map((weight, i) => ({ server: `db${i + 1}`, weight })))

t.test(
  'a server that leaves gives its slots away, no other slot moves, and one that returns has the same again',
  async (t) => {
    fc.assert(
      fc.property(anyTargets, fc.nat(), (targets, gone) => {
        const configured = targets.map(({ server }) => server)
        const left = configured[gone % configured.length] ?? ''
        const before = slotsOf(tableOf(targets, configured))
        const without = slotsOf(
          tableOf(
            targets.filter(({ server }) => server !== left),
            configured,
          ),
        )
        if (targets.length > 1) t.ok(before.every((server, slot) => server === left || without[slot] === server))
        else t.same(without, [])
        t.same(slotsOf(tableOf(targets, configured)), before)
      }),
      { numRuns: 40 },
    )
  },
)

t.test('another weight moves slots to or from its server alone', async (t) => {
  fc.assert(
    fc.property(anyTargets, fc.nat(), anyWeight, (targets, which, weight) => {
      const { server: changed, weight: old } = targets[which % targets.length] ?? { server: '', weight: 0 }
      const before = slotsOf(tableOf(targets))
      const after = slotsOf(
        tableOf(targets.map((target) => (target.server === changed ? { server: changed, weight } : target))),
      )
      t.ok(before.every((server, slot) => after[slot] === server || (weight > old ? after[slot] : server) === changed))
    }),
    { numRuns: 40 },
  )
})

t.test('neither the order of servers nor what was before matters', async (t) => {
  fc.assert(
    fc.property(anyTargets, fc.nat(), (targets, turn) => {
      const turned = [...targets.slice(turn % targets.length), ...targets.slice(0, turn % targets.length)].reverse()
      const [one, other] = [tableOf(targets), tableOf(turned)]
      t.same(one, other)
      t.same(slotsOf(one), slotsOf(other))
    }),
    { numRuns: 40 },
  )
})

t.test('shares are those of the weights, to within what chance does: six standard deviations', async (t) => {
  fc.assert(
    fc.property(anyTargets, (targets) => {
      const table = tableOf(targets)
      const counts = countsOf(table)
      const sum = targets.reduce((all, { weight }) => all + weight, 0)
      for (const { server, weight } of targets) {
        const share = weight / sum
        const deviation = Math.sqrt(table.slotCount * share * (1 - share))
        const [had, due] = [counts.get(server) ?? 0, share * table.slotCount]
        t.ok(Math.abs(had - due) <= 6 * deviation + 4, `${server}: ${had} of ${due}`)
      }
    }),
    { numRuns: 40 },
  )
  for (const count of [2, 3, 5]) {
    const [least, most] = [...countsOf(tableOf(equal(names(count)))).values()].reduce(
      ([low, high], slots) => [Math.min(low, slots), Math.max(high, slots)],
      [Number.POSITIVE_INFINITY, 0],
    )
    t.ok(most / least < 1.1, `${count} servers of one weight: from ${least} to ${most} slots`)
  }
})

t.test('seed and number of slots follow from the configuration, not from who is up', async (t) => {
  const [all, one] = [tableOf(equal(names(3))), tableOf(equal(['db2']), names(3))]
  t.same([one.seed, one.slotCount], [all.seed, all.slotCount])
  t.same(new Set(slotsOf(one)), new Set(['db2']))
  t.not(slotTable('other', 'session', names(3), []).seed, all.seed)
  t.same(
    [1, 2, 3, 5, 64, 16_383].map((count) => tableOf([], names(count)).slotCount),
    [512, 512, 1024, 2048, 16_384, 16_384],
  )
  t.same(tableOf([{ server: 'db1', weight: 0 }]).targets, [], 'a server without a weight takes nothing')
})

t.test('a thousand servers all have slots, and few move when one leaves', async (t) => {
  const all = names(1000)
  const before = slotsOf(tableOf(equal(all)))
  const after = slotsOf(tableOf(equal(all.filter((name) => name !== 'db500')), all))
  t.equal(before.length, 16_384)
  t.equal(new Set(before).size, 1000)
  const moved = before.filter((server, slot) => server !== after[slot])
  t.same(new Set(moved), new Set(['db500']))
  t.ok(moved.length < 40, `${moved.length} moved`)
})
