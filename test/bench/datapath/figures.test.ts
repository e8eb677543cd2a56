import t from 'tap'
import { parseWanted, sectionNames } from './arguments.ts'
import { actedAfter } from './change.ts'
import { contestantNames } from './contestants.ts'
import {
  type ChangeRecord,
  changeTable,
  cpuBeyondNone,
  type LoadRecord,
  loadTables,
  ratioTo,
  thousandTable,
  verdict,
} from './figures.ts'
import { readReport } from './loads.ts'
import { busyMillisIn } from './machine-cpu.ts'

const record = (contestant: string, round: number, perSecond: number, cpuMicros = 0): LoadRecord => ({
  contestant,
  load: 'select16',
  round,
  perSecond,
  p99: 1.5,
  cpuMicros,
})

const columns = [
  { name: 'none', title: 'no balancer' },
  { name: 'kernel', title: 'kernel' },
]

t.test('a ratio is to the other one of the same round, and the median of the rounds that have both', async (t) => {
  // The machine was half as fast in the second round: that is no ratio.
  const records = [
    ...[record('none', 1, 1000, 100), record('none', 2, 500, 200), record('none', 3, 1000, 100)],
    ...[record('kernel', 1, 800, 120), record('kernel', 2, 400, 240), record('kernel', 3, 900, 130)],
    record('kernel', 4, 9000, 5),
  ]
  t.equal(ratioTo(records, 'select16', 'kernel', 'none'), 0.8)
  t.equal(cpuBeyondNone(records, 'select16', 'kernel'), 30)
  t.equal(ratioTo(records.slice(0, 5), 'select16', 'kernel', 'none'), 0.8, 'between the two of an even number')
  t.equal(ratioTo(records, 'select1', 'kernel', 'none'), null)
  t.equal(ratioTo(records, 'select16', 'nftlb', 'none'), null)
})

t.test('the tables have a row for each load and a column for each contestant', async (t) => {
  const records = [record('none', 1, 1000, 100), record('kernel', 1, 840.4, 117.6)]
  t.same(loadTables(columns, records), [
    '| transactions a second (by no balancer) | no balancer | kernel |',
    '| --- | ---: | ---: |',
    '| point selects, 16 sessions | 1000 | 840 (0.84) |',
    '',
    '| 99 % took at most, ms | no balancer | kernel |',
    '| --- | ---: | ---: |',
    '| point selects, 16 sessions | 1.50 | 1.50 |',
    '',
    '| CPU µs of the machine per transaction (beyond no balancer) | no balancer | kernel |',
    '| --- | ---: | ---: |',
    '| point selects, 16 sessions | 100 | 118 (18) |',
    '',
  ])
  t.same(loadTables(columns, []), [])
  const thousand = [{ contestant: 'kernel', startMillis: 812.3, perSecond: 798.4 }]
  t.same(thousandTable(columns, thousand, records).slice(2), ['| kernel | 798 | 0.95 | 812 |', ''])
})

t.test('an order that did not act is told, and so are connections that failed', async (t) => {
  const change = (millis: number | null, failed = 0): ChangeRecord => ({
    contestant: 'kernel',
    order: 'drain',
    millis,
    failed,
  })
  t.same(changeTable('orders', columns, [change(3), change(9), change(4)]), [
    '| orders | kernel |',
    '| --- | ---: |',
    '| drain | 4 (9) |',
    '',
  ])
  t.equal(changeTable('orders', columns, [change(3), change(null, 2)])[2], '| drain | 3 (3), 1 of 2 never, 2 failed |')
})

t.test('the verdict holds each target against what was measured', async (t) => {
  const all = (kernel: number, cpu: number): readonly LoadRecord[] => [
    ...[record('none', 1, 1000, 100), record('nftlb', 1, 800, 125)],
    ...[record('haproxy1', 1, 600, 150), record('haproxy', 1, 800, 130), record('kernel', 1, kernel, cpu)],
  ]
  const missed = (records: readonly LoadRecord[]): readonly string[] =>
    verdict(records).flatMap(({ isMet, text }) => (isMet ? [] : [text]))
  t.same(missed(all(840, 120)), [])
  t.same(missed(all(779, 121)), [
    'kernel by HAProxy with one thread: 1.298 (target 1.3)',
    'kernel by no balancer: 0.779 (target 0.8)',
    'kernel by nftlb, snat: 0.974 (target 0.98)',
    'CPU beyond no balancer, kernel by HAProxy with one thread: 0.42 (target at most 0.4)',
  ])
  t.match(
    verdict(all(840, 120)).map(({ text }) => text),
    [
      /one thread: 1.4/,
      /its defaults: 1.050 \(no target\)/,
      /no balancer: 0.84/,
      /snat: 1.05/,
      /0.4 \(target/,
      /0.667/,
    ],
  )
  const direct = (perSecond: number, cpu: number, bulk: number): readonly LoadRecord[] => [
    ...all(840, 120),
    record('direct', 1, perSecond, cpu),
    ...[record('none', 1, 100), record('direct', 1, bulk)].map((one) => ({ ...one, load: 'bulk' as const })),
  ]
  t.same(missed(direct(870, 112, 96)), [])
  t.same(missed(direct(869, 113, 94)), [
    'direct by no balancer: 0.869 (target 0.87)',
    'results of 1 MiB, 4 sessions, direct by no balancer: 0.940 (target 0.95)',
    'CPU beyond no balancer, direct by HAProxy with one thread: 0.26 (target at most 0.25)',
  ])
  t.same(verdict([record('none', 1, 1000)]), [])
})

t.test(
  'an order acts with the last session that came before it was quiet, or the first that comes again',
  async (t) => {
    const attempt = (begun: number, server: string | null) => ({ begun, ended: begun + 1, server, reason: '' })
    const attempts = [attempt(90, 'db2'), attempt(101, 'db2'), attempt(104, 'db1'), attempt(107, 'db2')]
    const seen = (until: number, comes: boolean, at = 100): number | null =>
      actedAfter(attempts, { at, until, comes, hostName: 'db2' })
    t.equal(seen(500, false), 7)
    t.equal(seen(400, false), null, 'not quiet for long enough')
    t.equal(seen(500, false, 108), 0)
    t.equal(seen(110, true), 1)
    t.equal(seen(110, true, 108), null)
  },
)

t.test('the report of sysbench is read, and one without a transaction is refused', async (t) => {
  const report = `General statistics:
    total time:                          2.0011s
    total number of events:              40022

Latency (ms):
         99th percentile:                        1.93
`
  t.same(readReport(report, 4000), { perSecond: 40022 / 2.0011, p99: 1.93, cpuMicros: 4_000_000 / 40022 })
  t.throws(() => readReport(report.replace('40022', '0'), 4000), /no transaction/)
  t.throws(() => readReport('FATAL: cannot connect', 4000), /no transaction/)
})

t.test('the processors are busy with everything but waiting and what is stolen', async (t) => {
  const stat = 'cpu  10 2 30 4000 500 6 7 800 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n'
  t.equal(busyMillisIn(stat), (10 + 2 + 30 + 6 + 7) * 10)
  t.throws(() => busyMillisIn('intr 1 2 3\n'))
})

t.test('the flags say what to measure, and a wrong one is refused', async (t) => {
  t.match(parseWanted([]), { contestants: contestantNames, sections: sectionNames, rounds: 8, minutes: 15, json: null })
  const few = parseWanted(['--contestants', 'haproxy1,none', '--sections', 'change,select16', '--rounds', '2'])
  t.match(few, { contestants: ['none', 'haproxy1'], sections: ['select16', 'change'], rounds: 2 })
  t.equal(parseWanted(['--help']), null)
  t.throws(
    () => parseWanted(['--contestants', 'lvs']),
    /there is no contestant "lvs"; there are none, direct, nftlb-dsr/,
  )
  t.throws(() => parseWanted(['--rounds', '0']), /--rounds takes a number from 1 to 100/)
})
