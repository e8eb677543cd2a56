import t from 'tap'
import { serviceIn } from './gap.ts'
import type { Attempt } from './probe-messages.ts'

const success = (begun: number, ended: number, server = 'db1'): Attempt => ({ begun, ended, server, reason: '' })
const failure = (begun: number, ended: number, reason: string): Attempt => ({ begun, ended, server: null, reason })

t.test('the gap is the longest time between two successes, whatever order they came in', async (t) => {
  const attempts = [success(0, 10), success(300, 310), success(10, 20), success(310, 320)]
  t.equal(serviceIn({ from: 0, to: 330 }, attempts, []).longestGapMs, 290)
})

t.test('the edges of the stretch count as well', async (t) => {
  const attempts = [success(490, 500)]
  t.equal(serviceIn({ from: 0, to: 600 }, attempts, []).longestGapMs, 500)
  t.equal(serviceIn({ from: 450, to: 2000 }, attempts, []).longestGapMs, 1500)
  t.equal(serviceIn({ from: 0, to: 700 }, [], []).longestGapMs, 700, 'no success at all')
})

t.test('an attempt that hung through an outage ends it only when it succeeds', async (t) => {
  const attempts = [success(0, 5), success(10, 1000), success(995, 1001)]
  const { longestGapMs, slow } = serviceIn({ from: 0, to: 1005 }, attempts, [])
  t.equal(longestGapMs, 995)
  t.equal(slow, 1)
})

t.test('attempts in flight at either edge are counted, others are not', async (t) => {
  const attempts = [
    success(0, 90),
    failure(95, 105, 'ECONNREFUSED'),
    success(110, 120, 'db2'),
    failure(195, 9000, 'timeout'),
    success(205, 210),
  ]
  t.match(serviceIn({ from: 100, to: 200 }, attempts, [99, 100, 150, 201]), {
    attempts: 3,
    failed: 2,
    failedNewcomers: 1,
    reasons: { ECONNREFUSED: 1, timeout: 1 },
    servers: { db2: 1 },
    lostSessions: 2,
  })
})
