import fc from 'fast-check'
import t from 'tap'
import {
  largestNumber,
  numberServers,
  type ServerNumbers,
} from '../../../../../balancer/datapath/direct/core/server-numbers.ts'

const places = (names: readonly string[], firstId = 0) => names.map((server, i) => ({ id: firstId + i, server }))
const nobody = (): boolean => false
const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 40 })

t.test('every server has a number of its own, from 1 to the largest', (t) => {
  fc.assert(
    fc.property(names, (all) => {
      const numbers = [...numberServers(places(all), new Map(), nobody).values()]
      return (
        new Set(numbers).size === all.length &&
        numbers.every((number) => Number.isInteger(number) && number >= 1 && number <= largestNumber)
      )
    }),
  )
  t.end()
})

t.test('a new start finds the same numbers', (t) => {
  const [first] = numberServers(places(['db1', 'db2']), new Map(), nobody).values()
  const [again] = numberServers(places(['db1', 'db2'], 7), new Map(), nobody).values()
  t.equal(again, first)
  t.end()
})

t.test('what has a number keeps it under another name, and nobody gets one that was just given up', (t) => {
  const before = numberServers(places(['db1', 'db2']), new Map(), nobody)
  const renamed = numberServers([{ id: 0, server: 'primary' }], before, nobody)
  t.equal(renamed.get(0), before.get(0))
  const replaced = numberServers([{ id: 5, server: 'db2' }], before, nobody)
  t.not(replaced.get(5), before.get(1))
  t.end()
})

t.test('a number that sessions still have is no new server’s', (t) => {
  const [number] = numberServers(places(['db1']), new Map(), nobody).values()
  const other: ServerNumbers = numberServers(places(['db1'], 9), new Map(), (taken) => taken === number)
  t.not(other.get(9), number)
  t.end()
})
