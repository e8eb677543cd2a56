// `npm run bench:failover`: keepalived + HAProxy and the balancer suffer the same failures in one lab, in turn. Prints a
// table, and ends with 1 when a target is missed.

import type { Probe } from '../lab/gap-probe.ts'
import type { Lab } from '../lab/lab.ts'
import { help, parseWanted, repetitionsAt, type Wanted } from './failover/arguments.ts'
import { balancerSide } from './failover/balancer-side.ts'
import { buildField, type Field, startClient } from './failover/field.ts'
import { keepalivedSide } from './failover/keepalived-side.ts'
import { type Finding, measure, optionsFor, probeInterval, probeTimeout, writeSwitches } from './failover/measure.ts'
import { keyOf, openRecords, type Records } from './failover/records.ts'
import { type RowName, rows } from './failover/rows.ts'
import { type Side, type SideName, sideNames } from './failover/side.ts'
import { allowanceOf, intervalText, missedTargets, restartLines, tableOf } from './failover/verdict.ts'
import { print, runInLab, wantedOrExit } from './run.ts'

const mostRestarts = 2

type Job = {
  readonly row: RowName
  readonly interval: number
  readonly side: SideName
  readonly repetition: number
  /** See `Task`. Spread over the repetitions, so that no side is lucky. */
  readonly phase: number
}

const isSame = (job: Job, other: Job): boolean =>
  job.row === other.row &&
  job.interval === other.interval &&
  job.side === other.side &&
  job.repetition === other.repetition

/** Any number of steps of the golden ratio is spread evenly over 0 to 1. */
const goldenRatio = 0.618034
const phaseOf = (repetition: number): number => ((repetition + 1) * goldenRatio) % 1

/** Both sides of a repetition follow each other, so that noise hits both alike; each goes first every other time. */
const jobsOf = (wanted: Wanted): readonly Job[] =>
  wanted.intervals.flatMap((interval) =>
    wanted.rows.flatMap((row) =>
      Array.from({ length: repetitionsAt(wanted, interval) }, (_, repetition) => {
        const order = repetition % 2 === 0 ? sideNames : sideNames.toReversed()
        const phase = phaseOf(repetition)
        return order.map((side) => ({ row, interval, side, repetition, phase }))
      }).flat(),
    ),
  )

/** What a build cannot do yet is said once, and missed. */
const refusals = async (
  field: Field,
  sides: readonly Side[],
  wanted: Wanted,
): Promise<ReadonlyMap<RowName, string>> => {
  const refused = new Map<RowName, string>()
  const [script] = writeSwitches(field)
  const [interval = 1000] = wanted.intervals
  for (const row of wanted.rows) {
    for (const side of sides) {
      const reason = await side.refuses(optionsFor(field, row, interval, script, 0))
      if (reason !== null) refused.set(row, `${side.title} refuses the configuration: ${reason.split('\n')[0]}`)
    }
  }
  return refused
}

type Persisted = Finding & { readonly restarts: number }

const persist = async (field: Field, probe: Probe, side: Side, job: Job): Promise<Persisted> => {
  for (let restarts = 0; ; restarts += 1) {
    try {
      return { ...(await measure(field, probe, side, job)), restarts }
    } catch (error) {
      print(`  could not be measured: ${error instanceof Error ? error.message : error}`)
      if (restarts === mostRestarts) throw error
    }
  }
}

const minutes = (millis: number): string => `${(millis / 60_000).toFixed(1)} min`

/** Seconds of a repetition before the first one was measured. */
const guess = (interval: number): number => 5000 + 9 * interval

const describe = ({ gapMs, failed, slow, movedMs, calmGapMs }: Finding): string =>
  `gap ${gapMs} ms, ${failed} failed, ${slow} slow, ${movedMs === null ? 'the address stayed' : `moved after ${Math.round(movedMs)} ms`} (all well: gap ${calmGapMs} ms)`

const runJobs = async (field: Field, sides: readonly Side[], jobs: readonly Job[], records: Records): Promise<void> => {
  const spent = new Map<number, { readonly millis: number; readonly count: number }>()
  const expected = (interval: number): number => {
    const { millis, count } = spent.get(interval) ?? { millis: guess(interval), count: 1 }
    return millis / count
  }
  let probe: Probe | undefined
  let probed: number | undefined
  for (const [i, job] of jobs.entries()) {
    const { row, interval, side: name, repetition } = job
    const side = sides.find((candidate) => candidate.name === name)
    if (side === undefined) throw new Error(`there is no side ${name}`)
    if (probe === undefined || probed !== interval) {
      await probe?.stop()
      probe = await startClient(field, probeInterval, probeTimeout(interval))
      probed = interval
    }
    const left = jobs.slice(i).reduce((sum, { interval: each }) => sum + expected(each), 0)
    print(
      `[${i + 1} of ${jobs.length}, ${minutes(left)} left] ${rows[row].title}, ${intervalText(interval)}, ${side.title}, no. ${repetition + 1}`,
    )
    const begun = performance.now()
    const finding = await persist(field, probe, side, job)
    const before = spent.get(interval) ?? { millis: 0, count: 0 }
    spent.set(interval, { millis: before.millis + performance.now() - begun, count: before.count + 1 })
    records.add({ ...job, ...finding })
    print(`  ${describe(finding)}`)
  }
}

const bench = async (lab: Lab, wanted: Wanted): Promise<boolean> => {
  const records = openRecords(wanted.state, keyOf(), wanted.fresh)
  const field = await buildField(lab)
  const sides = [keepalivedSide(field), balancerSide(field)]
  const refused = await refusals(field, sides, wanted)
  const isWanted = ({ row, side }: Job): boolean => !(refused.has(row) && side === 'balancer')
  const jobs = jobsOf(wanted).filter(isWanted)
  const open = jobs.filter((job) => !records.all().some((record) => isSame(job, record)))
  print(`${jobs.length} repetitions, ${jobs.length - open.length} of them in ${wanted.state} already`)
  await runJobs(field, sides, open, records)

  const measured = records.all().filter((record) => jobs.some((job) => isSame(job, record)))
  print('')
  for (const line of tableOf(measured)) print(line)
  print('')
  print(`gap: the longest time without a successful new connection; one is tried every ${probeInterval} ms.`)
  print('failed, slow (more than 500 ms): of all repetitions together. ratio: of the medians.')
  print(`Up to ${Math.round(allowanceOf(measured, probeInterval))} ms count as equal: the gap while nothing happens.`)
  const missed = [
    ...missedTargets(measured, probeInterval),
    ...[...refused].map(([row, reason]) => `${rows[row].title}: ${reason}`),
  ]
  for (const line of restartLines(measured)) print(line)
  for (const line of missed) print(`MISSED: ${line}`)
  if (missed.length === 0) print('Every target is met.')
  return missed.length === 0
}

const wanted = wantedOrExit(parseWanted, help)
await runInLab('bench-failover', (lab) => bench(lab, wanted))
