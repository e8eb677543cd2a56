import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseWanted, repetitionsAt } from './arguments.ts'
import { type BenchRecord, openRecords } from './records.ts'
import type { RowName } from './rows.ts'
import type { SideName } from './side.ts'
import { missedTargets, restartLines, tableOf } from './verdict.ts'

const probeInterval = 5

const records = (
  side: SideName,
  row: RowName,
  gaps: readonly number[],
  others: Partial<BenchRecord> = {},
): readonly BenchRecord[] =>
  gaps.map((gapMs, repetition) => ({
    ...{
      key: 'k',
      row,
      interval: 100,
      side,
      repetition,
      phase: 0.5,
      gapMs,
      attempts: 100,
      failed: 1,
      slow: 2,
      movedMs: gapMs,
    },
    ...{ calmGapMs: 8, probeLateMs: 1, restarts: 0 },
    ...others,
  }))

t.test('a row that is slower than keepalived by more than the calm gap is missed', async (t) => {
  const theirs = records('keepalived', 'power-cut', [300, 310, 290])
  t.same(missedTargets([...theirs, ...records('balancer', 'power-cut', [308, 100, 900])], probeInterval), [])
  t.same(missedTargets([...theirs, ...records('balancer', 'power-cut', [309, 100, 900])], probeInterval), [
    'power cut, 100 ms: median gap 309 ms, keepalived + HAProxy 300 ms',
  ])
})

t.test('a clean stop has a median under 20 ms and a worst under 100 ms', async (t) => {
  t.same(missedTargets(records('balancer', 'clean-stop', [19, 19, 99]), probeInterval), [])
  t.same(missedTargets(records('balancer', 'clean-stop', [20, 20, 100]), probeInterval), [
    'clean stop, 100 ms: median gap 20 ms is not under 20 ms',
    'clean stop, 100 ms: worst gap 100 ms is not under 100 ms',
  ])
})

t.test('a weighted failure moves the address within two intervals', async (t) => {
  const moved = (movedMs: number | null) => records('balancer', 'weighted-failure', [5, 5], { movedMs })
  t.same(missedTargets(moved(200), probeInterval), [])
  t.match(missedTargets(moved(201), probeInterval), [/moved after 201 ms, not within 200 ms/])
  t.match(missedTargets(moved(null), probeInterval), [/never/])
})

t.test('the table has both sides, what all is well looks like, and the ratio of the medians', async (t) => {
  const all = [...records('balancer', 'kill-all', [10, 30]), ...records('keepalived', 'kill-all', [40, 40])]
  t.same(tableOf(all).slice(2), [
    '| (all is well) | 100 ms | keepalived + HAProxy | 2 | 8 | 8 |  |  |  |  |',
    '| (all is well) | 100 ms | balancer | 2 | 8 | 8 |  |  |  |  |',
    '| kill -9 of everything | 100 ms | keepalived + HAProxy | 2 | 40 | 40 | 2 | 4 | 40 |  |',
    '| kill -9 of everything | 100 ms | balancer | 2 | 20 | 30 | 2 | 4 | 20 | 0.50 |',
  ])
  t.same(restartLines(all), [])
  t.match(restartLines(records('balancer', 'kill-all', [1, 1], { restarts: 1 })), [/in 2 of 4 starts/])
})

t.test('a run goes on with what another one has measured of the same code', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'bench-records-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'state.jsonl')
  const [first, second] = records('balancer', 'power-cut', [1, 2])
  if (first === undefined || second === undefined) throw new Error('there are two records')
  openRecords(file, 'k', false).add(first)
  appendFileSync(file, '\n{"key":"k","row":"pow')
  openRecords(file, 'k', false).add(second)
  openRecords(file, 'other', false).add(second)
  t.same(openRecords(file, 'k', false).all(), [first, second])
  t.same(openRecords(file, 'k', true).all(), [])
})

t.test('the flags say what to measure, and a wrong one is refused', async (t) => {
  const usual = parseWanted([])
  t.match(usual, { intervals: [1000, 100, 10], repetitions: null, fresh: false })
  t.same(
    usual?.intervals.map((interval) => repetitionsAt(usual, interval)),
    [5, 10, 10],
  )
  const few = parseWanted(['--rows', 'kill-all,power-cut', '--intervals', '10ms,2s', '--repetitions', '2'])
  t.match(few, { rows: ['power-cut', 'kill-all'], intervals: [2000, 10], repetitions: 2 })
  t.throws(() => parseWanted(['--rows', 'flood']), /there is no row "flood"/)
  t.throws(() => parseWanted(['--intervals', '15ms']), /no interval/)
  t.throws(() => parseWanted(['--repetitions', '0']), /no number/)
})
