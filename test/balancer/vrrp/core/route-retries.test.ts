import t from 'tap'
import { isForgiven, pauseAfter } from '../../../../balancer/vrrp/core/route-retries.ts'

t.test('what fails again is tried ever later, up to 30 s', async (t) => {
  t.same([1, 2, 3, 5, 6, 100].map(pauseAfter), [1000, 2000, 4000, 16_000, 30_000, 30_000])
})

t.test('a tracked failure counts for 10 s, and ever longer the more often it comes', async (t) => {
  t.notOk(isForgiven(1, 9999))
  t.ok(isForgiven(1, 10_000))
  t.notOk(isForgiven(3, 39_999))
  t.ok(isForgiven(3, 40_000))
  t.ok(isForgiven(1000, 300_000))
})
