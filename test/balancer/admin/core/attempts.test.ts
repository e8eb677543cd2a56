import fc from 'fast-check'
import t from 'tap'
import { afterAttempt, afterSuccess, noAttempts } from '../../../../balancer/admin/core/attempts.ts'

t.test('ten tries of a source in a row, then one every six seconds; what was right costs nothing', async (t) => {
  let attempts = noAttempts
  const attempt = (source: string, now: number): boolean => {
    const after = afterAttempt(attempts, source, now)
    attempts = after ?? attempts
    return after !== undefined
  }
  t.same(
    Array.from({ length: 12 }, () => attempt('a', 1000)),
    [...Array(10).fill(true), false, false],
  )
  t.ok(attempt('b', 1000), 'another one is another one')
  t.notOk(attempt('a', 6000))
  t.ok(attempt('a', 7000))
  t.notOk(attempt('a', 7001))
  attempts = afterSuccess(attempts, 'a')
  t.ok(attempt('a', 7001))
})

t.test('however many sources there are: a bounded number of tries, and a bounded memory', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2000), fc.nat(50)), { maxLength: 3000, minLength: 100 }), (tries) => {
      let [attempts, now, made] = [noAttempts, 0, 0]
      for (const [source, wait] of tries) {
        now += wait
        const after = afterAttempt(attempts, `${source}`, now)
        if (after !== undefined) made += 1
        attempts = after ?? attempts
      }
      return made <= 20 + now / 500 && attempts.sources.size <= 1024
    }),
    { numRuns: 20 },
  )
  t.pass()
})
