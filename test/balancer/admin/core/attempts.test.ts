import fc from 'fast-check'
import t from 'tap'
import { afterAttempt, afterSuccess, noAttempts, sourceOf } from '../../../../balancer/admin/core/attempts.ts'

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
      return made <= 25 + now / 500 + now / 1000 && attempts.sources.size <= 4096
    }),
    { numRuns: 20 },
  )
  t.pass()
})

t.test('however many guess without a pause, one who comes anew is looked at after minutes', async (t) => {
  const guessers = Array.from({ length: 300 }, (_, i) => `guesser ${i}`)
  let [attempts, now, turn] = [noAttempts, 0, 0]
  const attempt = (source: string): boolean => {
    const after = afterAttempt(attempts, source, now)
    attempts = after ?? attempts
    return after !== undefined
  }
  // A hundred guesses a second; the operator tries each ten seconds.
  let waited: number | null = null
  while (waited === null && now < 3_600_000) {
    for (let i = 0; i < 1000; i += 1) {
      now += 10
      turn += 1
      attempt(guessers[turn % guessers.length] ?? '')
    }
    if (now > 60_000 && attempt('operator')) waited = now
  }
  t.ok(waited !== null && waited < 15 * 60_000, `${waited}`)
  attempts = afterSuccess(attempts, 'operator')
  for (let i = 0; i < 1000; i += 1) attempt(guessers[i % guessers.length] ?? '')
  now += 1000
  t.ok(attempt('operator'), 'and at once when it was right before')
})

t.test('a network of IPv6 is one source: a host in it has all addresses that it likes', async (t) => {
  t.equal(sourceOf('2001:db8:1:2::1'), '2001:db8:1:2::/64')
  t.equal(sourceOf('2001:db8:1:2:ffff::9'), '2001:db8:1:2::/64')
  t.equal(sourceOf('198.18.0.9'), '198.18.0.9')
})
