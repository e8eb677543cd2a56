// `npm run bench:datapath`: who forwards between clients and two MariaDB servers, and what it costs: nobody, ours, nftlb and
// HAProxy, in one lab, in turn. Prints tables, and ends with 1 when a target is missed or something
// could not be measured.

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import { help, parseWanted, type Wanted } from './datapath/arguments.ts'
import { measureChanges, probeInterval } from './datapath/change.ts'
import type { Contestant, Running, Site } from './datapath/contestant.ts'
import { contestants } from './datapath/contestants.ts'
import { addContestantHost, buildField, type Crowd, type Field, siteOn } from './datapath/field.ts'
import {
  type ChangeRecord,
  type Column,
  changeTable,
  type LoadRecord,
  loadTables,
  type ThousandRecord,
  thousandTable,
  verdict,
} from './datapath/figures.ts'
import { prepareLoads, runLoad } from './datapath/load.ts'
import { loadNames, loads } from './datapath/loads.ts'
import { listenForOthers } from './datapath/machine-cpu.ts'
import { messageOf, print, runInLab, wantedOrExit } from './run.ts'

/** Enough for what differs less from round to round, and takes longer. */
const changeRounds = 3
const thousandRounds = 2
const minuteMillis = 60_000

type Entrant = { readonly name: string; readonly contestant: Contestant; readonly host: Host }

type Found = {
  readonly loads: LoadRecord[]
  readonly changes: ChangeRecord[]
  readonly thousand: ThousandRecord[]
  readonly thousandChanges: ChangeRecord[]
  /** Sentences about what could not be measured, or not well. */
  readonly missing: string[]
}

const isThere = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

const reasonAgainst = async ({ contestant }: Entrant, site: Site): Promise<string | null> => {
  const { needs } = contestant
  if (needs !== null && !isThere(needs.program))
    return `${needs.program} is not installed: apt-get install ${needs.debianPackage}`
  return contestant.refuses(site)
}

const entrantsIn = async (field: Field, wanted: Wanted, missing: string[]): Promise<readonly Entrant[]> => {
  const entrants: Entrant[] = []
  for (const [number, name] of wanted.contestants.entries()) {
    const contestant = contestants[name]
    if (contestant === undefined) continue
    const entrant = { name, contestant, host: await addContestantHost(field, name, number) }
    const reason = await reasonAgainst(entrant, siteOn(field, entrant.host, 'two'))
    if (reason === null) entrants.push(entrant)
    else missing.push(`${contestant.title} does not take part: ${reason}`)
  }
  return entrants
}

/** Each round begins with another one, and every other goes backwards, so that nobody always follows the same one. */
const turned = <T>(list: readonly T[], by: number): readonly T[] => {
  const start = list.length === 0 ? 0 : by % list.length
  const round = [...list.slice(start), ...list.slice(0, start)]
  return by % 2 === 0 ? round : round.reverse()
}

/** Of what a program said when it failed, as much as tells why. */

const sayIdle = async (missing: string[]): Promise<void> => {
  const { line, isQuiet } = await listenForOthers()
  print(line)
  if (!isQuiet) missing.push(`NOT QUIET: ${line}; nothing here can be relied on.`)
}

const bench = async (lab: Lab, wanted: Wanted, found: Found): Promise<void> => {
  const endsAt = performance.now() + wanted.minutes * minuteMillis
  const isTime = (): boolean => performance.now() < endsAt
  const sayLate = (): void =>
    void found.missing.push(`${wanted.minutes} minutes were over: what is left was not measured.`)
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      print(`  ${what}: ${messageOf(error)}`)
      found.missing.push(`${what}: ${messageOf(error)}`)
    }
  }

  if (!isThere('sysbench')) throw new Error('sysbench is not installed: apt-get install sysbench')
  print('starting two MariaDB servers')
  const field = await buildField(lab)
  await prepareLoads(field)
  const entrants = await entrantsIn(field, wanted, found.missing)
  for (const line of found.missing) print(line)

  const startOn = async ({ contestant, host }: Entrant, crowd: Crowd): Promise<{ site: Site; running: Running }> => {
    const site = siteOn(field, host, crowd)
    try {
      return { site, running: await contestant.start(site) }
    } catch (error) {
      // What was begun must not stand in the way of the next start.
      await host.killAll()
      throw error
    }
  }

  const withTwo = async (): Promise<void> => {
    const started = new Map<Entrant, { site: Site; running: Running }>()
    for (const entrant of entrants) {
      await attempt(entrant.contestant.title, async () => void started.set(entrant, await startOn(entrant, 'two')))
    }
    await sayIdle(found.missing)
    const wantedLoads = loadNames.filter((load) => wanted.sections.includes(load))
    for (let round = 1; round <= wanted.rounds; round += 1) {
      for (const load of wantedLoads) {
        print(`round ${round} of ${wanted.rounds}: ${loads[load].title}`)
        for (const [{ name, contestant }, { running }] of turned([...started], round)) {
          if (!isTime()) return sayLate()
          await attempt(`${contestant.title}, ${loads[load].title}`, async () => {
            const sample = await runLoad(field, load, running.addresses, wanted.seconds)
            found.loads.push({ contestant: name, load, round, ...sample })
            const { perSecond, p99, cpuMicros } = sample
            print(`  ${contestant.title}: ${perSecond.toFixed(0)}/s, 99 % ${p99} ms, ${cpuMicros.toFixed(0)} µs`)
          })
        }
      }
      if (wanted.sections.includes('change') && round <= changeRounds) {
        print(`round ${round} of ${Math.min(wanted.rounds, changeRounds)}: orders`)
        for (const [{ name, contestant }, { site, running }] of turned([...started], round)) {
          if (!isTime()) return sayLate()
          if (!contestant.isBalancer) continue
          await attempt(`${contestant.title}, orders`, () => orders(name, site, running, found.changes))
        }
      }
    }
    for (const { running } of started.values()) await running.stop()
  }

  const orders = async (name: string, site: Site, running: Running, records: ChangeRecord[]): Promise<void> => {
    for (const change of await measureChanges(field, site, running)) records.push({ contestant: name, ...change })
  }

  const withThousand = async (): Promise<void> => {
    for (let round = 1; round <= thousandRounds; round += 1) {
      print(`1,000 servers, round ${round} of ${thousandRounds}`)
      for (const entrant of turned(
        entrants.filter(({ contestant }) => contestant.isBalancer && contestant.reaches === 'anywhere'),
        round,
      )) {
        if (!isTime()) return sayLate()
        const { name, contestant } = entrant
        await attempt(`${contestant.title}, 1,000 servers`, async () => {
          const begun = performance.now()
          const { site, running } = await startOn(entrant, 'thousand')
          const startMillis = performance.now() - begun
          try {
            const { perSecond } = await runLoad(field, 'select16', running.addresses, wanted.seconds)
            found.thousand.push({ contestant: name, startMillis, perSecond })
            print(`  ${contestant.title}: ${perSecond.toFixed(0)}/s, started after ${startMillis.toFixed(0)} ms`)
            await orders(name, site, running, found.thousandChanges)
          } finally {
            await running.stop()
          }
        })
      }
    }
  }

  await withTwo()
  if (wanted.sections.includes('thousand')) await withThousand()
}

/** Prints it all; whether everything was measured, and every target is met. */
const tell = (found: Found): boolean => {
  const columns: readonly Column[] = Object.entries(contestants).flatMap(([name, { title }]) =>
    [...found.loads, ...found.thousand].some(({ contestant }) => contestant === name) ? [{ name, title }] : [],
  )
  print('')
  for (const line of loadTables(columns, found.loads)) print(line)
  for (const line of changeTable('until an order acts, ms: median (most)', columns, found.changes)) print(line)
  for (const line of thousandTable(columns, found.thousand, found.loads)) print(line)
  for (const line of changeTable('1,000 servers, until an order acts, ms', columns, found.thousandChanges)) print(line)
  print(`Medians of the rounds. A client opens a session every ${probeInterval} ms to see when an order acts.`)
  const findings = verdict(found.loads)
  for (const { text, isMet } of findings) print(isMet ? text : `MISSED: ${text}`)
  for (const line of found.missing) print(line)
  return findings.every(({ isMet }) => isMet) && found.missing.length === 0
}

const wanted = wantedOrExit(parseWanted, help)
const found: Found = { loads: [], changes: [], thousand: [], thousandChanges: [], missing: [] }
await runInLab('bench-datapath', async (lab) => {
  await bench(lab, wanted, found)
  const machine = { processors: cpus().length, model: cpus()[0]?.model ?? '' }
  if (wanted.json !== null) writeFileSync(wanted.json, `${JSON.stringify({ wanted, machine, ...found }, null, 1)}\n`)
  return tell(found)
})
