// What was measured, as tables and as a verdict on the targets.

import { median, rounded } from '../agent-figures.ts'
import { type LoadName, loadNames, loads, type Sample } from './loads.ts'

/** One load on one contestant in one round. */
export type LoadRecord = Sample & { readonly contestant: string; readonly load: LoadName; readonly round: number }

/** One order; `millis` null when it did not act. */
export type ChangeRecord = {
  readonly contestant: string
  readonly order: string
  readonly millis: number | null
  readonly failed: number
}

/** One start with a thousand servers. */
export type ThousandRecord = {
  readonly contestant: string
  /** Until it served and knew all of them to be up. */
  readonly startMillis: number
  /** Point selects a second of 16 sessions. */
  readonly perSecond: number
}

/** A contestant as the tables name it. */
export type Column = { readonly name: string; readonly title: string }

const reference = 'none'

/** A figure by the reference's of the same round: the median of the rounds that have both; null without any. */
export const ratioTo = (
  records: readonly LoadRecord[],
  load: LoadName,
  contestant: string,
  other: string,
  pick: (sample: Sample) => number = ({ perSecond }) => perSecond,
): number | null => perRound(records, load, contestant, other, (a, b) => pick(a) / pick(b))

/** Microseconds of processor time for a transaction more than without anybody in between; null where not known. */
export const cpuBeyondNone = (records: readonly LoadRecord[], load: LoadName, contestant: string): number | null =>
  perRound(records, load, contestant, reference, (a, b) => a.cpuMicros - b.cpuMicros)

const perRound = (
  records: readonly LoadRecord[],
  load: LoadName,
  contestant: string,
  other: string,
  combine: (sample: Sample, reference: Sample) => number,
): number | null => {
  const of = (name: string): readonly LoadRecord[] =>
    records.filter((record) => record.load === load && record.contestant === name)
  const values = of(contestant).flatMap((record) => {
    const there = of(other).find(({ round }) => round === record.round)
    return there === undefined ? [] : [combine(record, there)]
  })
  return values.length === 0 ? null : median(values)
}

const figure = (
  records: readonly LoadRecord[],
  load: LoadName,
  contestant: string,
  pick: (sample: Sample) => number,
): number | null => {
  const values = records.filter((record) => record.load === load && record.contestant === contestant).map(pick)
  return values.length === 0 ? null : median(values)
}

const shown = (value: number | null, digits: number): string => (value === null ? '' : value.toFixed(digits))

const beside = (text: string, remark: string): string => (text === '' || remark === '' ? text : `${text} (${remark})`)

const table = (head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`)

const loadTable = (
  title: string,
  columns: readonly Column[],
  records: readonly LoadRecord[],
  cell: (load: LoadName, contestant: string) => string,
): readonly string[] => {
  const measured = loadNames.filter((load) => records.some((record) => record.load === load))
  if (measured.length === 0) return []
  const rows = measured.map((load) => [loads[load].title, ...columns.map(({ name }) => cell(load, name))])
  return [...table([title, ...columns.map((column) => column.title)], rows), '']
}

/** The tables of the loads: rates, 99 %, and what they cost. */
export const loadTables = (columns: readonly Column[], records: readonly LoadRecord[]): readonly string[] => [
  ...loadTable('transactions a second (by no balancer)', columns, records, (load, name) =>
    beside(
      shown(
        figure(records, load, name, ({ perSecond }) => perSecond),
        0,
      ),
      name === reference ? '' : shown(ratioTo(records, load, name, reference), 2),
    ),
  ),
  ...loadTable('99 % took at most, ms', columns, records, (load, name) =>
    shown(
      figure(records, load, name, ({ p99 }) => p99),
      2,
    ),
  ),
  ...loadTable('CPU µs of the machine per transaction (beyond no balancer)', columns, records, (load, name) =>
    beside(
      shown(
        figure(records, load, name, ({ cpuMicros }) => cpuMicros),
        0,
      ),
      name === reference ? '' : shown(cpuBeyondNone(records, load, name), 0),
    ),
  ),
]

/** The table of the orders: median, and the most of all. */
export const changeTable = (
  title: string,
  columns: readonly Column[],
  records: readonly ChangeRecord[],
): readonly string[] => {
  const taking = columns.filter(({ name }) => records.some(({ contestant }) => contestant === name))
  if (taking.length === 0) return []
  const orders = [...new Set(records.map(({ order }) => order))]
  const cell = (order: string, name: string): string => {
    const own = records.filter((record) => record.order === order && record.contestant === name)
    const known = own.flatMap(({ millis }) => (millis === null ? [] : [millis]))
    const never = own.length - known.length
    const failed = own.reduce((sum, record) => sum + record.failed, 0)
    const remarks = [
      ...(never === 0 ? [] : [`${never} of ${own.length} never`]),
      ...(failed === 0 ? [] : [`${failed} failed`]),
    ]
    const times = known.length === 0 ? '' : `${shown(median(known), 0)} (${shown(Math.max(...known), 0)})`
    return [times, ...remarks].filter((text) => text !== '').join(', ')
  }
  const rows = orders.map((order) => [order, ...taking.map(({ name }) => cell(order, name))])
  return [...table([title, ...taking.map((column) => column.title)], rows), '']
}

/** The table of a thousand servers; `records` of two are the ones to compare with. */
export const thousandTable = (
  columns: readonly Column[],
  thousand: readonly ThousandRecord[],
  records: readonly LoadRecord[],
): readonly string[] => {
  const rows = columns.flatMap(({ name, title }) => {
    const own = thousand.filter(({ contestant }) => contestant === name)
    if (own.length === 0) return []
    const two = figure(records, 'select16', name, ({ perSecond }) => perSecond)
    const rate = median(own.map(({ perSecond }) => perSecond))
    const byTwo = two === null ? '' : shown(rate / two, 2)
    return [[title, shown(rate, 0), byTwo, shown(median(own.map(({ startMillis }) => startMillis)), 0)]]
  })
  return rows.length === 0
    ? []
    : [
        ...table(['1,000 servers', 'point selects a second, 16 sessions', 'by two servers', 'started after ms'], rows),
        '',
      ]
}

type Target =
  | { readonly by: string; readonly title: string; readonly least: number | null; readonly load?: LoadName }
  | { readonly cpuBy: string; readonly title: string; readonly most: number | null }

const [oneThread, defaults] = ['HAProxy with one thread', 'HAProxy with its defaults']

/** What must hold, at 16 sessions where no other load is named; null is told without a target. */
const targets: Readonly<Record<string, readonly Target[]>> = {
  direct: [
    { by: reference, title: 'no balancer', least: 0.87 },
    // What is nearer than this cannot be told apart.
    { by: reference, title: 'no balancer', least: 0.95, load: 'bulk' },
    { by: 'haproxy1', title: oneThread, least: null },
    { by: 'nftlb-dsr', title: 'nftlb, dsr', least: null },
    { cpuBy: 'haproxy1', title: oneThread, most: 0.25 },
    { cpuBy: 'nftlb-dsr', title: 'nftlb, dsr', most: null },
  ],
  kernel: [
    { by: 'haproxy1', title: oneThread, least: 1.3 },
    { by: 'haproxy', title: defaults, least: null },
    { by: reference, title: 'no balancer', least: 0.8 },
    // Not below it, as far as it can be told.
    { by: 'nftlb', title: 'nftlb, snat', least: 1 - 0.02 },
    { cpuBy: 'haproxy1', title: oneThread, most: 0.4 },
    { cpuBy: 'haproxy', title: defaults, most: null },
  ],
}

type Finding = { readonly text: string; readonly isMet: boolean }

/** Each target that can be judged from what was measured; HAProxy means the one with one thread, as far as it goes. */
export const verdict = (records: readonly LoadRecord[]): readonly Finding[] => {
  const rate = (name: string, target: Extract<Target, { by: string }>): readonly Finding[] => {
    const { by, title, least, load = 'select16' } = target
    const ratio = ratioTo(records, load, name, by)
    if (ratio === null) return []
    const what = load === 'select16' ? '' : `${loads[load].title}, `
    const text = `${what}${name} by ${title}: ${shown(ratio, 3)} (${least === null ? 'no target' : `target ${least}`})`
    return [{ text, isMet: least === null || ratio >= least }]
  }
  const cost = (name: string, { cpuBy, title, most }: Extract<Target, { cpuBy: string }>): readonly Finding[] => {
    const ours = cpuBeyondNone(records, 'select16', name)
    const theirs = cpuBeyondNone(records, 'select16', cpuBy)
    if (ours === null || theirs === null) return []
    const ratio = rounded(ours / theirs, 3)
    const target = most === null ? 'no target' : `target at most ${most}`
    const text = `CPU beyond no balancer, ${name} by ${title}: ${ratio} (${target})`
    return [{ text, isMet: most === null || (theirs > 0 && ratio <= most) }]
  }
  return Object.entries(targets).flatMap(([name, list]) =>
    list.flatMap((target) => ('by' in target ? rate(name, target) : cost(name, target))),
  )
}
