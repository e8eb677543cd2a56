// `npm run bench:survive`: what happens to sessions when something happens to the balancer or to a server, with keepalived and
// HAProxy and with each datapath of ours, in one lab, in turn. Prints tables, and ends with 1 when a session was lost that
// should not have been, or something could not be measured.

import { writeFileSync } from 'node:fs'
import type { Lab } from '../lab/lab.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { waitFor } from '../lab/wait-for.ts'
import { listenForOthers } from './datapath/machine-cpu.ts'
import { buildField, type Field, holdsAddress, reset, servicePort, virtualAddress } from './failover/field.ts'
import type { Router, Side } from './failover/side.ts'
import { messageOf, print, runInLab, wantedOrExit } from './run.ts'
import { help, parseWanted, type Wanted } from './survive/arguments.ts'
import { type Clients, startClients } from './survive/clients.ts'
import { type ContestantName, contestants, createSides, prepareServers } from './survive/contestants.ts'
import { cutServer, type EventName, events } from './survive/events.ts'
import { broken, type SurviveRecord, summed, tablesOf } from './survive/figures.ts'

const minuteMillis = 60_000
const advertisementInterval = 100
const settlePatience = { limit: 40_000, interval: 50 }
const sessions = { idle: 8, waiting: 8, busy: 8 }
/** Longer than any event takes but the power cut of a server, whose clients are told. */
const waitMillis = 2500
const patienceMillis = 2500

type Found = { readonly records: SurviveRecord[]; readonly missing: string[] }

type Finding = ReturnType<typeof summed>

/** Two routers of a side, one of which holds the address; who does changes from event to event. */
type Stage = { readonly active: Router; readonly other: Router }

const routerOn = (field: Field, side: Side, index: 0 | 1): Promise<Router> =>
  side.start({
    host: field.balancers[index],
    priority: 101 - index,
    interval: advertisementInterval,
    preempt: false,
    script: null,
  })

const untilReady = async (router: Router): Promise<void> => {
  await waitFor(`${router.host.name} to know all servers up`, () => router.knowsServers(), settlePatience)
}

/** The host comes back as after a boot, and is backup. */
const startAgain = async (field: Field, side: Side, gone: Router): Promise<Router> => {
  await reset(gone.host)
  const router = await routerOn(field, side, gone.host === field.balancers[0] ? 0 : 1)
  await waitFor(`${router.host.name} to be backup`, () => router.isBackup(), settlePatience)
  await untilReady(router)
  return router
}

const setStage = async (field: Field, side: Side): Promise<Stage> => {
  await Promise.all(field.balancers.map(reset))
  const active = await routerOn(field, side, 0)
  await waitFor(`${active.host.name} to hold the address`, () => holdsAddress(active.host), settlePatience)
  const other = await routerOn(field, side, 1)
  await waitFor(`${other.host.name} to be backup`, () => other.isBackup(), settlePatience)
  await Promise.all([active, other].map(untilReady))
  return { active, other }
}

const happen = async (
  field: Field,
  side: Side,
  stage: Stage,
  clients: Clients,
  name: EventName,
): Promise<{ readonly finding: Finding; readonly after: Stage }> => {
  const event = events[name]
  await clients.begin()
  const at = Date.now()
  const scene = { field, clients, ...stage }
  const downAt = await event.act(scene)
  const stretch = await clients.judge()
  await event.undo(scene)
  const after = event.moves ? { active: stage.other, other: await startAgain(field, side, stage.active) } : stage
  await Promise.all([after.active, after.other].map(untilReady))
  const dead = downAt === null ? null : { server: cutServer(field).name, at, downAt }
  return { finding: summed(stretch, dead), after }
}

const sentence = ({ sessions: all, lost, reasons, pauseMs, dead }: Finding): string => {
  const { idle, waiting, busy } = lost
  const why = reasons.length === 0 ? '' : ` (${reasons.join(', ')})`
  const told =
    dead === null
      ? ''
      : `; ${dead.sessions} on the dead one, found down after ${dead.downMs} ms, the last client told after ${dead.toldMs ?? 'never'} ms more`
  return `lost ${idle} idle, ${waiting} waiting, ${busy} busy of ${all}${why}, longest pause ${pauseMs} ms${told}`
}

/** All wanted events, once, in turn on one contestant; throws where one cannot be measured. */
const runContestant = async (
  field: Field,
  side: Side,
  name: ContestantName,
  names: readonly EventName[],
  isTime: () => boolean,
  tell: (event: EventName, finding: Finding) => void,
): Promise<void> => {
  const undo = await prepareServers(name, field)
  const order = { address: virtualAddress, port: servicePort, ...appUser, sessions, waitMillis, patienceMillis }
  const clients = startClients(field.client, order)
  let stage: Stage | undefined
  try {
    stage = await setStage(field, side)
    for (const event of names) {
      if (!isTime()) throw new Error('the time is over: what is left was not measured')
      const { finding, after } = await happen(field, side, stage, clients, event)
      stage = after
      tell(event, finding)
    }
  } catch (error) {
    const words = stage === undefined ? [] : [stage.active, stage.other].map(({ lastWords }) => lastWords())
    throw new Error([messageOf(error), ...words].join('\n'))
  } finally {
    await cutServer(field).restoreLink()
    await clients.stop()
    await Promise.all(field.balancers.map(({ killAll }) => killAll()))
    await undo()
  }
}

const bench = async (lab: Lab, wanted: Wanted, found: Found): Promise<void> => {
  const endsAt = performance.now() + wanted.minutes * minuteMillis
  const isTime = (): boolean => performance.now() < endsAt
  print('starting two MariaDB servers')
  const field = await buildField(lab)
  for (const server of field.servers) {
    await server.query('CREATE TABLE app.orders (id INT AUTO_INCREMENT PRIMARY KEY, n INT) ENGINE=InnoDB')
  }
  const sides = createSides(field)
  const { line, isQuiet } = await listenForOthers()
  print(line)
  if (!isQuiet) found.missing.push(`NOT QUIET: ${line}; the times here cannot be relied on.`)
  for (let round = 1; round <= wanted.rounds; round += 1) {
    for (const name of wanted.contestants) {
      if (!isTime()) {
        found.missing.push(`${wanted.minutes} minutes were over: what is left was not measured.`)
        return
      }
      const { title } = contestants[name]
      print(`round ${round} of ${wanted.rounds}: ${title}`)
      try {
        await runContestant(field, sides[name], name, wanted.events, isTime, (event, finding) => {
          found.records.push({ contestant: name, event, round, ...finding })
          print(`  ${events[event].title}: ${sentence(finding)}`)
        })
      } catch (error) {
        print(`  ${messageOf(error)}`)
        found.missing.push(`${title}, round ${round}: ${messageOf(error).split('\n')[0]}`)
      }
    }
  }
}

/** Prints it all; whether everything was measured, and nothing was lost that should not be. */
const tell = ({ records, missing }: Found): boolean => {
  print('')
  for (const line of tablesOf(records)) print(line)
  const rate = sessions.idle + sessions.waiting + sessions.busy
  print(
    `Of ${rate} sessions a third each is idle, waits inside a query, and runs transactions. Pauses are of the last third,`,
  )
  print('until a new session had an answer where one was lost; 20 ms are the clients’ own.')
  const findings = [...broken(records).map((text) => `MISSED: ${text}`), ...missing]
  for (const line of findings) print(line)
  return findings.length === 0
}

const wanted = wantedOrExit(parseWanted, help)
await runInLab('bench-survive', async (lab) => {
  const found: Found = { records: [], missing: [] }
  await bench(lab, wanted, found)
  if (wanted.json !== null) writeFileSync(wanted.json, `${JSON.stringify({ wanted, ...found }, null, 1)}\n`)
  return tell(found)
})
