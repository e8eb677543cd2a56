import fc from 'fast-check'
import t from 'tap'
import { limitLines } from '../../../balancer/bounded-log.ts'
import { createLineLimit, type LeftOut } from '../../../balancer/core/line-limit.ts'
import { millis } from '../../../balancer/core/time.ts'
import { waitFor } from '../../lab/wait-for.ts'

const bound = { lines: 2, window: millis(100) }

t.test('the first lines of a kind are written, the rest is counted and told once', async (t) => {
  const limit = createLineLimit<string>(bound)
  const at = (moment: number, kind: string, line: string): boolean => limit.admits(kind, line, millis(moment))
  t.same([at(0, 'a', 'one'), at(1, 'a', 'two'), at(2, 'a', 'three'), at(3, 'a', 'four')], [true, true, false, false])
  t.ok(at(4, 'b', 'other'), 'another kind does not wait')
  t.equal(limit.settlesAt(), 100)
  t.same(limit.settle(millis(99)), [])
  t.same(limit.settle(millis(100)), [{ line: 'four', count: 2 }])
  t.same(limit.settle(millis(1000)), [])
  t.equal(limit.settlesAt(), null)
  t.ok(at(1000, 'a', 'five'), 'and begins anew')
})

t.test('what goes on and on has a line in each window, and its first lines once more after a pause', async (t) => {
  const limit = createLineLimit<string>({ ...bound, isLasting: true })
  const at = (moment: number): readonly [number, boolean] => {
    const [told] = limit.settle(millis(moment))
    return [told?.count ?? 0, limit.admits('a', 'line', millis(moment))]
  }
  t.same(
    [at(0), at(1), at(2)],
    [
      [0, true],
      [0, true],
      [0, false],
    ],
  )
  t.same(
    [at(100), at(150), at(200)],
    [
      [1, false],
      [0, false],
      [2, false],
    ],
  )
  t.same([at(301)], [[1, false]], 'it is told as long as it goes on')
  t.same(
    [at(402), at(503)],
    [
      [1, false],
      [1, false],
    ],
  )
  t.same(limit.settle(millis(700)), [{ line: 'line', count: 1 }])
  t.same([limit.settle(millis(900)), at(901)], [[], [0, true]], 'and begins anew after a pause')
})

t.test('whoever makes each line another one is stopped all the same', async (t) => {
  const limit = createLineLimit<string>(bound)
  const written = Array.from({ length: 9000 }, (_, i) => limit.admits(`kind ${i}`, `line ${i}`, millis(1))).filter(
    Boolean,
  )
  t.equal(written.length, 5000)
  t.same(limit.settle(millis(101)), [{ line: 'line 8999', count: 4000 }])
  t.ok(limit.admits('kind 0', 'line', millis(102)), 'and begins anew')
})

t.test('of any lines none is forgotten, and no kind is written more often than allowed', async (t) => {
  const line = fc.record({ kind: fc.constantFrom('a', 'b', 'c'), pause: fc.integer({ min: 0, max: 60 }) })
  fc.assert(
    fc.property(fc.array(line, { maxLength: 200 }), (lines) => {
      const limit = createLineLimit<string>(bound)
      const written: { readonly kind: string; readonly at: number }[] = []
      let told = 0
      let now = 0
      const count = (leftOut: readonly LeftOut<string>[]): void => {
        for (const one of leftOut) told += one.count
      }
      for (const { kind, pause } of lines) {
        now += pause
        count(limit.settle(millis(now)))
        if (limit.admits(kind, kind, millis(now))) written.push({ kind, at: now })
      }
      count(limit.settle(millis(Number.POSITIVE_INFINITY)))
      t.equal(written.length + told, lines.length)
      for (const { kind, at } of written) {
        // Two windows that touch.
        const near = written.filter((one) => one.kind === kind && one.at >= at && one.at < at + bound.window)
        if (near.length > 2 * bound.lines) t.fail(`${near.length} of ${kind}`)
      }
    }),
  )
})

t.test('what was left out is told when its time is over, though nothing more happens', async (t) => {
  const told: LeftOut<string>[] = []
  const limited = limitLines<string>({ lines: 1, window: millis(20) }, (leftOut) => told.push(leftOut))
  t.same(
    ['one', 'two', 'three'].map((line) => limited.admits('kind', line)),
    [true, false, false],
  )
  // Its timer keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  await waitFor('the rest', () => told.length > 0)
  clearInterval(alive)
  t.same(told, [{ line: 'three', count: 2 }])
  t.ok(limited.admits('kind', 'four'))
  t.notOk(limited.admits('kind', 'five'))
  limited.end()
  t.same(told.at(-1), { line: 'five', count: 1 })
})
