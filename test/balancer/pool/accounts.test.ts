import fc from 'fast-check'
import t from 'tap'
import { createAccounts } from '../../../balancer/pool/core/accounts.ts'
import type { ListenerFact, ServerTraffic } from '../../../balancer/pool/core/facts.ts'
import { emptySeries, noteSample, peaksOf, sampleCount, sampleMillis } from '../../../balancer/pool/core/series.ts'
import { failedCheck, healthFact } from './health-fact.ts'
import { listenerFact } from './listener-fact.ts'

const traffic = (totalSessions: number | null): ServerTraffic => ({
  server: 'db1',
  sessions: 0,
  maximumSessions: 0,
  totalSessions,
  bytesIn: 0,
  bytesOut: 0,
  connectFailures: 0,
  refusedConnects: 0,
  failuresInARow: 0,
  detail: null,
})

const report = (total: number | null, sessions: number | null = 0): ListenerFact =>
  listenerFact({ totalSessions: total, sessions, servers: [traffic(total)] })

const check = (at: number, passed: boolean) => ({ ...failedCheck(), at, passed })

t.test('checks and failures are counted once each, and the time that a server was down adds up', async (t) => {
  const accounts = createAccounts()
  const hear = (up: boolean, checkedAt: number, now: number): void =>
    accounts.hear(healthFact('db1', { up, since: now, lastCheck: check(checkedAt, up) }), now)
  hear(true, 1000, 1000)
  hear(false, 2000, 2000)
  hear(false, 2000, 2500)
  hear(false, 3000, 3000)
  t.match(accounts.server('mysql/db1'), { checks: 3, failedChecks: 2, downs: 1, downMillis: 0, downSince: 2000 })
  hear(true, 5000, 5000)
  t.match(accounts.server('mysql/db1'), { checks: 4, failedChecks: 2, downs: 1, downMillis: 3000, downSince: null })
})

t.test('before its first check a server is not down', async (t) => {
  const accounts = createAccounts()
  accounts.hear(healthFact('db1', { up: false, counters: [null] }), 1000)
  t.match(accounts.server('mysql/db1'), { checks: 0, downs: 0, downSince: null })
})

t.test('a rate is what came between two reports; a forwarder that counts anew makes no rate below zero', async (t) => {
  const accounts = createAccounts()
  const rate = () => accounts.listener('mysql')?.traffic
  accounts.hear(report(100), 1000)
  t.match(rate(), { rate: null, lastSessionAt: null })
  accounts.hear(report(130), 2000)
  t.match(rate(), { rate: 30, maximumRate: 30, lastSessionAt: 2000 })
  accounts.hear(report(131), 2100)
  t.match(rate(), { rate: 30 }, 'too soon to tell')
  accounts.hear(report(135), 3000)
  t.match(rate(), { rate: 5, maximumRate: 30, lastSessionAt: 3000 })
  accounts.hear(report(2), 4000)
  accounts.hear(report(null), 4500)
  accounts.hear(report(3), 5000)
  t.match(rate(), { rate: 1, maximumRate: 30 })
  t.match(accounts.server('mysql/db1')?.traffic, { rate: 1, maximumRate: 30 })
})

t.test('what a reload took away is forgotten', async (t) => {
  const accounts = createAccounts()
  accounts.hear(report(1), 1000)
  accounts.keep(new Set(['mysql']))
  t.ok(accounts.listener('mysql'))
  t.equal(accounts.server('mysql/db1'), undefined)
})

t.test('a series has the highest of each ten seconds of the last hour, and nothing else', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ after: fc.integer({ min: 0, max: 5000 }), value: fc.integer({ min: 0, max: 1000 }) })),
      fc.integer({ min: 0, max: 7_200_000 }),
      (notes, wait) => {
        const series = emptySeries()
        const highest = new Map<number, number>()
        let at = 1_700_000_000_000
        for (const { after, value } of notes) {
          at += after * 10
          noteSample(series, value, at)
          const n = Math.floor(at / sampleMillis)
          highest.set(n, Math.max(value, highest.get(n) ?? 0))
        }
        const now = Math.floor((at + wait) / sampleMillis)
        const wanted = Array.from({ length: sampleCount }, (_, i) => highest.get(now - sampleCount + 1 + i) ?? null)
        t.same(peaksOf([series], at + wait, sampleCount), wanted)
        const four = Array.from({ length: sampleCount / 4 }, (_, i) => wanted.slice(4 * i, 4 * i + 4))
        const highestOfFour = four.map((some) =>
          some.reduce((one, other) => (other === null ? one : Math.max(one ?? 0, other))),
        )
        t.same(peaksOf([emptySeries(), series], at + wait, sampleCount / 4), highestOfFour)
      },
    ),
    { numRuns: 200 },
  )
})

t.test('a clock that is set back leaves no samples of the future', async (t) => {
  const series = emptySeries()
  noteSample(series, 1, 10_000_000)
  noteSample(series, 2, 9_000_000)
  t.same(
    peaksOf([series], 10_000_000, sampleCount).filter((value) => value !== null),
    [2],
  )
})

t.test('counters are cleared: the highest, or all; what comes later is counted from there', async (t) => {
  const accounts = createAccounts()
  accounts.hear(report(100), 1000)
  accounts.hear(report(130), 2000)
  accounts.hear(healthFact('db1', { up: false, since: 1500, lastCheck: check(1500, false) }), 2000)
  accounts.clear(false)
  t.match(accounts.listener('mysql'), {
    traffic: { rate: 30, maximumRate: null },
    totals: { totalSessions: { sum: 130 } },
  })
  t.match(accounts.server('mysql/db1'), { failedChecks: 1, totals: { totalSessions: { sum: 130 } } })
  accounts.clear(true)
  t.match(accounts.listener('mysql'), { totals: { totalSessions: { sum: 0 } } })
  t.match(accounts.server('mysql/db1'), { checks: 0, failedChecks: 0, downs: 0, downMillis: 0 })
  accounts.hear(report(135), 3000)
  t.match(accounts.listener('mysql'), { traffic: { maximumRate: 5 }, totals: { totalSessions: { sum: 5 } } })
  t.match(accounts.server('mysql/db1'), { totals: { totalSessions: { sum: 5 } } })
})

t.test(
  'the most there were at once, ends and retries outlive a forwarder, and begin anew when they are cleared',
  async (t) => {
    const accounts = createAccounts()
    const hear = (sessions: number, most: number, closed: number, retries: number): void => {
      const detail = { kind: 'userspace', retries, redispatches: 0 } as const
      const server = { ...traffic(0), sessions, maximumSessions: most, detail }
      const queue = { kind: 'userspace', queued: sessions, maximumQueued: most } as const
      const numbers = { sessions, maximumSessions: most, ends: { closed }, detail: queue }
      accounts.hear(listenerFact({ ...numbers, servers: [server] }), 1000)
    }
    const shown = () => {
      const [listener, server] = [accounts.listener('mysql'), accounts.server('mysql/db1')]
      return {
        most: [listener?.sessionPeak.most, listener?.queuePeak.most, server?.sessionPeak.most],
        counts: [listener?.ends['closed']?.sum, server?.totals.retries?.sum],
      }
    }
    hear(2, 9, 5, 3)
    t.same(shown(), { most: [9, 9, 9], counts: [5, 3] })
    hear(1, 4, 2, 1)
    t.same(shown(), { most: [9, 9, 9], counts: [7, 4] }, 'another forwarder')
    accounts.clear(false)
    t.same(shown(), { most: [0, 0, 0], counts: [7, 4] })
    hear(3, 4, 2, 1)
    t.same(shown(), { most: [3, 3, 3], counts: [7, 4] }, 'the four were before')
    hear(0, 6, 2, 1)
    t.same(shown(), { most: [6, 6, 6], counts: [7, 4] })
    accounts.clear(true)
    t.same(shown(), { most: [0, 0, 0], counts: [0, 0] })
    const later = createAccounts()
    later.restore(accounts.saved(2000))
    const [before, after] = [accounts.listener('mysql'), later.listener('mysql')]
    t.same(after?.ends, before?.ends)
    t.same(after?.queuePeak, before?.queuePeak)
    t.same(later.server('mysql/db1')?.sessionPeak, before?.sessionPeak, 'what was cleared stays so over a restart')
    hear(1, 1, 4, 2)
    t.same(shown(), { most: [1, 1, 1], counts: [2, 1] }, 'a forwarder that begins anew is believed again')
  },
)
