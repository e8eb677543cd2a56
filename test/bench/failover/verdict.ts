// From repetitions to the table, and to the targets that were missed. PURE.

import type { BenchRecord } from './records.ts'
import { type RowName, rowNames, rows } from './rows.ts'
import { type SideName, sideNames } from './side.ts'

/** The targets of a clean stop, in milliseconds. */
const cleanStop = { median: 20, worst: 100 }
/** A weighted failure has to move the address within so many advertisement intervals. */
const weightedIntervals = 2

/** How an operator writes an interval. */
export const intervalText = (interval: number): string => (interval >= 1000 ? `${interval / 1000} s` : `${interval} ms`)

const titles: Readonly<Record<SideName, string>> = { keepalived: 'keepalived + HAProxy', balancer: 'balancer' }

const median = (numbers: readonly number[]): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle - 0.5)] ?? 0) + (sorted[Math.floor(middle)] ?? 0)) / 2
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)

type Cell = {
  readonly repetitions: number
  readonly median: number
  readonly worst: number
  readonly failed: number
  readonly slow: number
  readonly moved: number | null
}

const cellOf = (records: readonly BenchRecord[]): Cell | null => {
  if (records.length === 0) return null
  const gaps = records.map(({ gapMs }) => gapMs)
  const moved = records.flatMap(({ movedMs }) => (movedMs === null ? [] : [movedMs]))
  return {
    repetitions: records.length,
    median: median(gaps),
    worst: Math.max(...gaps),
    failed: sum(records.map(({ failed }) => failed)),
    slow: sum(records.map(({ slow }) => slow)),
    // An address that moved in a part of the repetitions only has no one time.
    moved: moved.length * 2 > records.length ? median(moved) : null,
  }
}

const pick = (all: readonly BenchRecord[], row: RowName, interval: number, side: SideName): Cell | null =>
  cellOf(all.filter((record) => record.row === row && record.interval === interval && record.side === side))

const intervalsOf = (all: readonly BenchRecord[]): readonly number[] =>
  [...new Set(all.map(({ interval }) => interval))].toSorted((a, b) => b - a)

const round = (number: number): string => String(Math.round(number))

/**
 * By how much a median may be above the other one and still be the same: the gap that clients of keepalived and HAProxy
 * saw while nothing happened (its median), or the probe's interval if that is more.
 */
export const allowanceOf = (all: readonly BenchRecord[], probeInterval: number): number =>
  Math.max(probeInterval, median(calmGaps(all.filter(({ side }) => side === 'keepalived'))))

const calmGaps = (records: readonly BenchRecord[]): readonly number[] => records.map(({ calmGapMs }) => calmGapMs)

/** The table in Markdown, line by line. */
export const tableOf = (all: readonly BenchRecord[]): readonly string[] => [
  '| failure | advert | side | n | median gap ms | worst gap ms | failed | slow | moved after ms | ratio |',
  '| --- | --- | --- | --: | --: | --: | --: | --: | --: | --: |',
  ...intervalsOf(all).flatMap((interval) => [
    ...sideNames.flatMap((side) => calmLine(all, interval, side)),
    ...rowNames.flatMap((row) => sideNames.flatMap((side) => line(all, row, interval, side))),
  ]),
]

const calmLine = (all: readonly BenchRecord[], interval: number, side: SideName): readonly string[] => {
  const records = all.filter((record) => record.interval === interval && record.side === side)
  if (records.length === 0) return []
  const gaps = calmGaps(records)
  const cells = ['(all is well)', intervalText(interval), titles[side], records.length, round(median(gaps))]
  return [`| ${[...cells, Math.max(...gaps), '', '', '', ''].join(' | ')} |`]
}

const line = (all: readonly BenchRecord[], row: RowName, interval: number, side: SideName): readonly string[] => {
  const cell = pick(all, row, interval, side)
  if (cell === null) return []
  const theirs = side === 'balancer' ? pick(all, row, interval, 'keepalived') : null
  const ratio = theirs === null || theirs.median === 0 ? '' : (cell.median / theirs.median).toFixed(2)
  const moved = cell.moved === null ? 'stays' : round(cell.moved)
  const figures = [cell.repetitions, round(cell.median), cell.worst, cell.failed, cell.slow, moved, ratio]
  return [`| ${[rows[row].title, intervalText(interval), titles[side], ...figures].join(' | ')} |`]
}

/** One sentence for each side and interval at which something happened before anything was done. */
export const restartLines = (all: readonly BenchRecord[]): readonly string[] =>
  intervalsOf(all).flatMap((interval) =>
    sideNames.flatMap((side) => {
      const records = all.filter((record) => record.interval === interval && record.side === side)
      const restarts = sum(records.map((record) => record.restarts))
      const text = `${titles[side]}, ${intervalText(interval)}: the service was not steady before the failure in ${restarts} of ${records.length + restarts} starts; these were begun again`
      return restarts === 0 ? [] : [text]
    }),
  )

/** One sentence for each target that was missed. */
export const missedTargets = (all: readonly BenchRecord[], probeInterval: number): readonly string[] => {
  const allowance = allowanceOf(all, probeInterval)
  return intervalsOf(all).flatMap((interval) =>
    rowNames.flatMap((row) => {
      const ours = pick(all, row, interval, 'balancer')
      if (ours === null) return []
      const theirs = pick(all, row, interval, 'keepalived')
      const missed = [...againstKeepalived(ours, theirs, allowance), ...ownTargets(ours, row, interval)]
      return missed.map((text) => `${rows[row].title}, ${intervalText(interval)}: ${text}`)
    }),
  )
}

const againstKeepalived = (ours: Cell, theirs: Cell | null, allowance: number): readonly string[] =>
  theirs !== null && ours.median > theirs.median + allowance
    ? [`median gap ${round(ours.median)} ms, keepalived + HAProxy ${round(theirs.median)} ms`]
    : []

const ownTargets = (ours: Cell, row: RowName, interval: number): readonly string[] => {
  if (row === 'clean-stop') {
    return [
      ...(ours.median < cleanStop.median
        ? []
        : [`median gap ${round(ours.median)} ms is not under ${cleanStop.median} ms`]),
      ...(ours.worst < cleanStop.worst ? [] : [`worst gap ${ours.worst} ms is not under ${cleanStop.worst} ms`]),
    ]
  }
  const limit = weightedIntervals * interval
  if (row === 'weighted-failure' && (ours.moved === null || ours.moved > limit)) {
    return [
      `the address moved after ${ours.moved === null ? 'never' : `${round(ours.moved)} ms`}, not within ${limit} ms`,
    ]
  }
  return []
}
