import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { leaseSeconds, masterDownInterval, renewalInterval, skewTime } from '../../../../balancer/vrrp/core/timers.ts'

t.test('skew and master down interval of version 3 scale with the interval', async (t) => {
  for (const [interval, skew, down] of [
    [1000, 609.375, 3609.375],
    [100, 60.9375, 360.9375],
    [10, 6.09375, 36.09375],
  ] as const) {
    t.equal(skewTime(3, 100, millis(interval)), skew)
    t.equal(masterDownInterval(3, 100, millis(interval)), down)
  }
})

t.test('the skew of version 2 is a part of a second, whatever the interval', async (t) => {
  t.equal(skewTime(2, 100, millis(1000)), 609.375)
  t.equal(skewTime(2, 100, millis(60_000)), 609.375)
  t.equal(masterDownInterval(2, 1, millis(255_000)), 765_996.09375)
  t.equal(masterDownInterval(2, 255, millis(1000)), 3003.90625)
})

t.test('a lease outlives the master down interval by little and is renewed long before its end', async (t) => {
  for (const interval of [10, 100, 1000, 5000, 40_000, 255_000]) {
    for (const priority of [1, 100, 254]) {
      const down = masterDownInterval(3, priority, millis(interval))
      const lease = leaseSeconds(down)
      t.ok(Number.isInteger(lease) && lease >= 2 && lease * 1000 > down, `${interval} ms`)
      t.ok(lease === 2 || lease * 1000 < down + 1300, `${interval} ms: ${lease} s`)
      const renewal = renewalInterval(lease, down)
      t.ok(renewal > 0 && lease * 1000 - renewal >= down, `${interval} ms: a lease not renewed outlives the master`)
    }
  }
})
