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
        const numbering = assignNumbers(names, before)
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
  const numbering = assignNumbers(names, new Map())
  t.equal(new Set(numbering.values()).size, 50_000)
  t.same([...assignNumbers(names, new Map())].slice(0, 100), [...numbering].slice(0, 100))
})
