// A balancer through reloads and orders, with sessions open: what a reload does not take away stays.

import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { freePort } from '../lab/mariadb.ts'
import { waitFor } from '../lab/wait-for.ts'
import { actorPorts, startActor } from './actor.ts'
import { openSession, startOurs } from './sides.ts'

t.setTimeout(120_000)
const lab = await createLab({ name: 'e2e-reload' })
t.teardown(() => lab.destroy())

const network = `127.${randomInt(100, 250)}.77`
const actors = [await startActor('db1', `${network}.1`), await startActor('db2', `${network}.2`)] as const
t.teardown(() => {
  for (const actor of actors) actor.close()
})

const port = await freePort()
const http = { port: actorPorts.checks, interval: '200ms', timeout: '1s', rise: 2, fall: 3 }
const listeners = (keys: object) => [
  {
    name: 'mysql',
    bind: `127.0.0.1:${port}`,
    check: http,
    servers: actors.map(({ name, address }) => ({ name, address: `${address}:${actorPorts.sessions}` })),
    ...keys,
  },
]
const ours = await startOurs({ directory: lab.directory, spawn: lab.spawn }, listeners({}), new Map())

const states = () => ours.states('mysql')
const untilStates = (...wanted: readonly string[]) =>
  waitFor(`the servers to be ${wanted}`, async () => Object.values(await states()).join() === wanted.join())
const checkedAt = async (): Promise<number> => {
  const { servers } = await ours.show('mysql')
  return Math.min(...servers.map(({ last_check: check }) => Date.parse(check?.at ?? '1970-01-01')))
}
const events = (): Promise<string> => ours.ask('show events')

await untilStates('UP', 'UP')

await t.test('no key of a check that a reload changes ends a session or refuses a client', async (t) => {
  const sessions = await Promise.all([1, 2].map(() => openSession(port)))
  t.teardown(() => {
    for (const session of sessions) session.close()
  })
  const changes: Readonly<Record<string, object>> = {
    interval: { check: { ...http, interval: '300ms' } },
    timeout: { check: { ...http, timeout: '2s' } },
    rise: { check: { ...http, rise: 5 } },
    fall: { check: { ...http, fall: 1 } },
    path: { check: { ...http, path: '/primary' } },
    type: { check: { ...http, type: 'tcp' } },
    port: { check: { ...http, port: actorPorts.lines, type: 'tcp' } },
    'a second check': { check: [http, { ...http, type: 'tcp' }] },
    'one of two checks taken away': { check: [{ ...http, type: 'tcp' }] },
    agent_check: { agent_check: { port: actorPorts.lines, interval: '200ms' } },
    'agent_check.interval': { agent_check: { port: actorPorts.lines, interval: '300ms' } },
    'agent_check taken away': {},
  }
  for (const [name, keys] of Object.entries(changes)) {
    const answer = await ours.reload(listeners(keys))
    t.match(answer, 'listener mysql: changed', name)
    const reloaded = Date.now()
    const fresh = await Promise.all([1, 2, 3].map(() => openSession(port)))
    for (const session of fresh) session.close()
    t.notOk(
      fresh.some(({ server }) => server === '-'),
      `${name}: new clients are served`,
    )
    t.same(await states(), { db1: 'UP', db2: 'UP' }, name)
    await waitFor(`the changed check to be made: ${name}`, async () => (await checkedAt()) > reloaded)
    t.same(await states(), { db1: 'UP', db2: 'UP' }, name)
    t.ok(
      sessions.every((session) => session.isOpen()),
      `${name}: sessions stay`,
    )
  }
  t.notMatch(await events(), /DOWN/)
})

await t.test(
  'a check that a reload adds and that fails takes a server down when it has failed often enough',
  async (t) => {
    const session = await openSession(port)
    const failing = { ...http, port: await freePort(), type: 'tcp', interval: '500ms', fall: 2 }
    await ours.reload(listeners({ check: [http, failing] }))
    t.ok(session.isOpen())
    await waitFor('half way', async () => /UP 1\/2/.test(await ours.ask('show servers')))
    t.ok(session.isOpen())
    await untilStates('DOWN', 'DOWN')
    await waitFor('the session to end', () => !session.isOpen())
    await ours.reload(listeners({}))
    t.same(await states(), { db1: 'UP', db2: 'UP' }, 'its failure goes with it')
  },
)

/** A server that tells one line, as an agent does. */
const startLines = async (address: string, line: () => string, at: number): Promise<Server> => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(`${line()}\n`)
  })
  await new Promise<void>((resolve) => server.listen(at, address, resolve))
  return server
}

await t.test('an agent that said drain and dies loses its say, and what it said is told', async (t) => {
  const at = await freePort()
  let line = 'drain # disk is full'
  let agent = await startLines(actors[0].address, () => line, at)
  const other = await startLines(actors[1].address, () => 'up 100% wobble', at)
  t.teardown(() => other.close())
  const check = { port: at, interval: '200ms', timeout: '200ms' }
  await ours.reload(listeners({ agent_check: { ...check, fall: 5 } }))
  await untilStates('DRAIN', 'UP')

  t.match(
    await ours.ask('server mysql/db1 ready'),
    /^mysql\/db1: ready, but the agent says drain since \d{4}-.*Z \("disk is full"\)\n$/,
  )
  t.match(await ours.ask('show servers'), /mysql\/db1: drain by agent "disk is full" for /)
  t.match(await ours.ask('show servers'), /mysql\/db2: agent: \d+ lines with unknown words, last "wobble"/)
  t.match(await events(), /Agent of server mysql\/db2 says what nobody knows: "wobble" \(1 such lines so far\)/)

  agent.close()
  await untilStates('UP', 'UP')
  t.match(
    await events(),
    /Agent of server mysql\/db1 has not answered 5 checks in a row \(nothing listens on port \d+\): what it said no longer counts: "disk is full"/,
  )
  agent = await startLines(actors[0].address, () => line, at)
  await untilStates('DRAIN', 'UP')
  t.match(await events(), /Agent of server mysql\/db1 answers again/)

  // With a long patience an operator need not wait for it.
  await ours.reload(listeners({ agent_check: { ...check, fall: 1000 } }))
  agent.close()
  await waitFor('its silence to be told', async () => /agent silent for/.test(await ours.ask('show servers')))
  t.same(await states(), { db1: 'DRAIN', db2: 'UP' }, 'a few lost answers change nothing')
  t.equal(await ours.ask('server mysql/db1 ready'), 'mysql/db1: ready\n')
  await untilStates('UP', 'UP')
  line = 'up'
  await ours.reload(listeners({}))
})

await t.test('an order of an operator stands in log and events with its words, and shows since when', async (t) => {
  t.equal(await ours.ask('server mysql/db1 drain'), 'mysql/db1: drain\n')
  const told = 'Server mysql/db1: an operator ordered drain'
  t.match(await events(), told)
  await waitFor('the log', () => ours.process.lines().some((one) => one.includes(told)))
  t.match(await ours.ask('show servers'), /mysql\/db1: drain by operator for /)
  t.match(JSON.parse(await ours.ask('show servers --json')), [
    { servers: [{ held_by: [{ by: 'operator', wants: 'drain' }], orders: { admin: 'drain', admin_since: {} } }, {}] },
  ])
  t.match(await ours.ask('server mysql/db1 weight 7'), /weight 7, but an operator ordered drain since /)
  t.match(await ours.ask('server mysql/db1 ready'), /^mysql\/db1: ready, but an operator ordered weight 7 since /)
  t.equal(await ours.ask('server mysql/db1 weight initial'), 'mysql/db1: weight initial\n')
})
