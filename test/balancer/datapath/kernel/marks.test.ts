// Numbers of servers: never two of one, found again after a start, kept through every reload.

import fc from 'fast-check'
import t from 'tap'
import {
  assignNumbers,
  listenerMask,
  numberKey,
  ownMark,
  ownMask,
} from '../../../../balancer/datapath/kernel/core/marks.ts'

const named = (listener: number, server: number) => ({ listener: `l${listener}`, server: `db${server}` })
const anyNames = fc
  .uniqueArray(fc.tuple(fc.nat(60), fc.nat(60)), { selector: ([l, s]) => `${l}/${s}`, maxLength: 150 })
  .map((pairs) => pairs.map(([l, s]) => named(l, s)))

t.test('no two servers share a mark, whatever came and went, and whoever stays keeps his', async (t) => {
  fc.assert(
    fc.property(fc.array(anyNames, { minLength: 1, maxLength: 5 }), (reloads) => {
      let before: ReadonlyMap<string, number> = new Map()
      for (const names of reloads) {
        const numbering = assignNumbers(names, before, () => false)
        t.equal(numbering.size, names.length)
        t.equal(new Set(numbering.values()).size, names.length, 'no two are equal')
        const listeners = new Map(
          names.map((name) => [name.listener, ((numbering.get(numberKey(name)) ?? 0) & listenerMask) >>> 0]),
        )
        t.equal(new Set(listeners.values()).size, listeners.size, 'no two listeners share their bits')
        for (const [key, mark] of numbering) {
          t.equal((mark & ownMask) >>> 0, ownMark)
          if (before.has(key)) t.equal(mark, before.get(key), 'kept')
          const listener = key.split('/')[0] ?? ''
          t.equal((mark & listenerMask) >>> 0, listeners.get(listener), 'the bits of its listener')
        }
        before = numbering
      }
    }),
    { numRuns: 50 },
  )
})

t.test('50 listeners with 1,000 servers each find room, the same in every new start', async (t) => {
  const names = Array.from({ length: 50_000 }, (_, i) => named(Math.floor(i / 1000), i % 1000))
  const numbering = assignNumbers(names, new Map(), () => false)
  t.equal(new Set(numbering.values()).size, 50_000)
  t.same([...assignNumbers(names, new Map(), () => false)].slice(0, 100), [...numbering].slice(0, 100))
})

t.test('a server that was removed keeps its number while sessions have it, and nobody else gets it', async (t) => {
  const before = assignNumbers([named(1, 1), named(1, 2), named(2, 1)], new Map(), () => false)
  const [first] = before.values()
  const after = assignNumbers([named(1, 2), named(3, 1)], before, (mark) => mark === first)
  t.same([...after.keys()], ['l1/db1', 'l1/db2', 'l3/db1'])
  t.equal(after.get('l1/db1'), first)
})

t.test('numbers that somebody has garbled are not believed', async (t) => {
  const sound = assignNumbers([named(1, 1)], new Map(), () => false)
  const [mark = 0] = sound.values()
  const garbled = new Map([...sound, ['l1/db2', mark], ['l2/db1', mark + 1], ['l1/db3', 7]])
  const names = [named(1, 1), named(1, 2), named(2, 1), named(1, 3)]
  const numbering = assignNumbers(names, garbled, () => true)
  t.equal(numbering.get('l1/db1'), mark)
  t.equal(new Set(numbering.values()).size, names.length)
  t.ok([...numbering.values()].every((one) => (one & ownMask) >>> 0 === ownMark))
  t.not(((numbering.get('l2/db1') ?? 0) & listenerMask) >>> 0, (mark & listenerMask) >>> 0)
})
