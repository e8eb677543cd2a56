import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import { nextCheckAt, secondCheckAt } from '../../../balancer/health/core/schedule.ts'

t.test('second checks of many servers are spread evenly over one interval', async (t) => {
  const at = Array.from({ length: 4 }, (_, i) => secondCheckAt(millis(1000), millis(2000), i, 4))
  t.same(at, [2000, 2500, 3000, 3500])
})

t.test('a check keeps its place in the round', async (t) => {
  t.equal(nextCheckAt(millis(1000), millis(1003), millis(500)), 1500)
  t.equal(nextCheckAt(millis(1000), millis(1499), millis(500)), 1500)
})

t.test('rounds missed during a stall are dropped, not made up for', async (t) => {
  t.equal(nextCheckAt(millis(1000), millis(9100), millis(500)), 9500)
})

t.test('the next check is always later than now and at most one interval away', async (t) => {
  const moment = fc.integer({ min: 0, max: 1_000_000 })
  const held = fc.property(moment, moment, fc.integer({ min: 1, max: 100_000 }), (due, late, interval) => {
    const now = due + late
    const next = nextCheckAt(millis(due), millis(now), millis(interval))
    return next > now && next <= now + interval && (next - due) % interval === 0
  })
  fc.assert(held)
  t.pass('held for all generated moments')
})
