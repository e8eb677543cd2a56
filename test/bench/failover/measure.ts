// One repetition: both routers start and settle, a quiet stretch is measured, the failure is made and watched.

import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Probe, ProbeWindow } from '../../lab/gap-probe.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { type Arrivals, watchArrivals } from './arrival.ts'
import { directoryOf, type Field, holdsAddress, reset } from './field.ts'
import { listenToRhythm, type Rhythm } from './rhythm.ts'
import { type RowName, rows, type Switch, writeSwitch } from './rows.ts'
import type { Router, RouterOptions, Side } from './side.ts'

/** What one repetition found. `movedMs` is null where the address stayed; the `calm` figures are of the stretch before. */
export type Finding = {
  readonly gapMs: number
  readonly attempts: number
  readonly failed: number
  readonly slow: number
  readonly movedMs: number | null
  readonly calmGapMs: number
  readonly probeLateMs: number
}

/** What to do; `phase` (0 to 1) is when, between two advertisements. */
export type Task = { readonly row: RowName; readonly interval: number; readonly phase: number }

/** How often the client opens a connection, in milliseconds. */
export const probeInterval = 5
/** A connection has failed when it is not there by then; the kernel repeats a lost SYN after 1 s and 3 s. */
export const probeTimeout = (interval: number): number => 1500 + 3.5 * interval

/** Every host's priority while nothing fails: the first is master. */
const priorities = [101, 100] as const
const scriptWeight = -50
/** The shortest that keepalived knows. */
const scriptInterval = 1000
const calmMillis = 500
const recoveredMillis = 300
const calmGapLimit = 150
const lookEvery = { interval: 20, limit: 30_000 }

/** How the routers of a row are configured; index 0 is the one that becomes master. */
export const optionsFor = (
  field: Field,
  row: RowName,
  interval: number,
  script: Switch,
  index: 0 | 1,
): RouterOptions => ({
  host: field.balancers[index],
  priority: priorities[index],
  interval,
  preempt: rows[row].preempt,
  script: rows[row].usesScript ? { command: script.command, interval: scriptInterval, weight: scriptWeight } : null,
})

/** The scripts of both hosts, all well. */
export const writeSwitches = ({ lab, balancers: [first, second] }: Field): readonly [Switch, Switch] => [
  writeSwitch(directoryOf(lab, first, 'script')),
  writeSwitch(directoryOf(lab, second, 'script')),
]

/** Makes one failure and measures it. Ends with hosts on which nothing runs. */
export const measure = async (
  field: Field,
  probe: Probe,
  side: Side,
  { row, interval, phase }: Task,
): Promise<Finding> => {
  const [first, second] = field.balancers
  await Promise.all([reset(first), reset(second)])
  const scripts = writeSwitches(field)
  const routers: Router[] = []
  let arrivals: Arrivals | undefined
  let rhythm: Rhythm | undefined
  try {
    const master = await side.start(optionsFor(field, row, interval, scripts[0], 0))
    routers.push(master)
    await waitFor(`${first.name} to hold the address`, () => holdsAddress(first), lookEvery)
    const backup = await side.start(optionsFor(field, row, interval, scripts[1], 1))
    routers.push(backup)
    await waitFor(`${second.name} to be backup`, () => backup.isBackup(), lookEvery)
    arrivals = watchArrivals(second)
    rhythm = listenToRhythm(field.client, interval)
    const calm = await calmStretch(probe, Math.max(calmMillis, 3 * interval))
    if (!(await holdsAddress(first)) || (await holdsAddress(second))) throw new Error('the address is not where it was')
    const moment = await rhythm.next(phase)
    await sleep(moment - Date.now())
    const { window, movedMs } = await watch(probe, arrivals, master, row, interval, scripts[0])
    const { longestGapMs: gapMs, attempts, failed, slow } = window
    const probeLateMs = Math.max(window.probeLateMs, calm.probeLateMs)
    return { gapMs, attempts, failed, slow, movedMs, calmGapMs: calm.longestGapMs, probeLateMs }
  } catch (error) {
    const words = routers.map(({ lastWords }) => lastWords()).join('\n')
    throw new Error(`${error instanceof Error ? error.message : error}\n${words}`)
  } finally {
    await Promise.all([arrivals?.stop(), rhythm?.stop()])
    await Promise.all([first.killAll(), second.killAll()])
  }
}

const watch = async (
  probe: Probe,
  arrivals: Arrivals,
  master: Router,
  row: RowName,
  interval: number,
  script: Switch,
): Promise<{ readonly window: ProbeWindow; readonly movedMs: number | null }> => {
  const { act, moves, usesScript, watchFor } = rows[row]
  // The probe's clock and that of the kernel's notices, of the same moment.
  const from = probe.mark()
  const begun = Date.now()
  await act(master, script)
  if (usesScript) await waitFor('the script to fail', () => existsSync(script.failures), { interval: 2 })
  const failing = usesScript ? firstFailure(script) : begun
  if (moves) await waitFor('the address to move', () => arrivals.firstAfter(failing) !== null, lookEvery)
  await sleep(Math.max(recoveredMillis, begun + watchFor(interval) - Date.now()))
  await calmStretch(probe, recoveredMillis)
  const to = probe.mark()
  await probe.settled()
  const moved = arrivals.firstAfter(failing)
  return { window: probe.since(from, to), movedMs: moved === null ? null : moved - failing }
}

const firstFailure = ({ failures }: Switch): number => {
  const [first = ''] = readFileSync(failures, 'utf8').split('\n')
  return Number(first) * 1000
}

/** Waits for a stretch in which every new connection succeeded at once, and returns it. */
const calmStretch = (probe: Probe, length: number): Promise<ProbeWindow> =>
  waitFor('a stretch in which every connection succeeds', async () => {
    const from = probe.mark()
    await sleep(length)
    const to = probe.mark()
    await probe.settled()
    const window = probe.since(from, to)
    const { attempts, failed, slow, longestGapMs } = window
    return attempts > 0 && failed === 0 && slow === 0 && longestGapMs < calmGapLimit ? window : undefined
  })
