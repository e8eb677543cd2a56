// A balancer through reloads and orders, with sessions open: what a reload does not take away stays.

import { randomInt } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { hashPassword } from '../../balancer/config/password-file.ts'
import { createLab } from '../lab/lab.ts'
import { freePort } from '../lab/mariadb.ts'
import { balancerProgram as program } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'
import { actorPorts, startActor } from './actor.ts'
import { ask, openSession, startOurs } from './sides.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-reload' })
t.teardown(() => lab.destroy())

const network = `127.${randomInt(100, 250)}.77`
const actors = [await startActor('db1', `${network}.1`), await startActor('db2', `${network}.2`)] as const
t.teardown(() => {
  for (const actor of actors) actor.close()
})

const port = await freePort()
const http = { port: actorPorts.checks, interval: '200ms', timeout: '5s', rise: 2, fall: 3 }
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
    timeout: { check: { ...http, timeout: '6s' } },
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

await t.test('another name for a listener or a server is no other listener or server', async (t) => {
  const servers = (names: readonly string[]) =>
    actors.map(({ address }, i) => ({ name: names[i], address: `${address}:${actorPorts.sessions}` }))
  const single = { balance: 'single', fail_back: false }
  await ours.reload(listeners(single))
  const writing = async (listener: string, server: string) =>
    waitFor(`${server} to be the writer`, async () => (await ours.show(listener)).writer === server)
  await writing('mysql', 'db1')
  await ours.ask('server mysql/db1 drain')
  await writing('mysql', 'db2')
  await ours.ask('server mysql/db1 ready')
  const written = await openSession(port)
  t.equal(written.server, 'db2')

  const renamed = { ...single, name: 'data', servers: servers(['north', 'south']) }
  const answer = await ours.reload(listeners(renamed))
  t.equal(
    answer,
    'listener mysql: now named data\nlistener data: server db1: now named north\nlistener data: server db2: now named south\n',
  )
  const fresh = await openSession(port)
  t.equal(fresh.server, 'db2', 'it is still the writer')
  await writing('data', 'south')
  const { servers: shown } = await waitFor('the sessions to be counted', async () => {
    const seen = await ours.show('data')
    return seen.servers[1]?.sessions === 2 ? seen : null
  })
  t.match(shown, [
    { name: 'north', status: 'UP' },
    { name: 'south', status: 'UP' },
  ])
  await ours.reload(listeners({}))
  t.ok(written.isOpen(), 'its session is still there')
  for (const one of [written, fresh]) one.close()
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
  const check = { port: at, interval: '200ms', timeout: '5s' }
  await ours.reload(listeners({ agent_check: { ...check, fall: 5 } }))
  await untilStates('DRAIN', 'UP')

  t.match(
    await ours.ask('server mysql/db1 ready'),
    /^mysql\/db1: ready, but the agent says drain since \d{4}-.*Z \("disk is full"\)\n$/,
  )
  t.match(await ours.ask('show servers'), /mysql\/db1: drain by agent "disk is full" for /)
  await waitFor('the unknown word', async () =>
    /mysql\/db2: agent: \d+ lines with unknown words, last "wobble"/.test(await ours.ask('show servers')),
  )
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
  const told = /Server mysql\/db1: an operator at \S+ ordered drain/
  t.match(await events(), told)
  await waitFor('the log', () => ours.process.lines().some((one) => told.test(one)))
  t.match(await ours.ask('show servers'), /mysql\/db1: drain by operator for /)
  t.match(JSON.parse(await ours.ask('show servers --json')), [
    { servers: [{ held_by: [{ by: 'operator', wants: 'drain' }], orders: { admin: 'drain', admin_since: {} } }, {}] },
  ])
  t.match(await ours.ask('server mysql/db1 weight 7'), /weight 7, but an operator ordered drain since /)
  t.match(await ours.ask('server mysql/db1 ready'), /^mysql\/db1: ready, but an operator ordered weight 7 since /)
  t.equal(await ours.ask('server mysql/db1 weight initial'), 'mysql/db1: weight initial\n')
})

/** The process of a role that was started last, as the log tells. */
const childOf = (role: string): number => {
  const started = ours.process.lines().findLast((line) => line.includes(`"Process ${role} started"`))
  return Number(/"childPid":(\d+)/.exec(started ?? '')?.[1])
}

await t.test('an answer finds who asked for its reload, though a director died in between', async (t) => {
  const vrrp = childOf('vrrp')
  const director = childOf('director')
  const applied = async () => (await events()).split('Another configuration was applied').length
  const before = await applied()
  process.kill(vrrp, 'SIGSTOP')
  const first = ours.reload(listeners({ max_connections: 77 })).catch(() => 'nobody answered')
  await waitFor('the director to have it', async () => (await applied()) > before)
  process.kill(director, 'SIGKILL')
  t.match(await first, /^(nobody answered)?$/)
  await waitFor('another director', async () => (await ours.ask('show servers').catch(() => '')).includes('db1'))
  const second = ours.reload(listeners({ max_connections: 77, balance: 'leastconn' }))
  // The director has heard of it when it answers what came after it.
  await ours.ask('show servers')
  process.kill(vrrp, 'SIGCONT')
  t.match(await second, /^listener mysql: changed balance\n$/)
})

await t.test('a secret that was rotated is taken over by a reload, and never shown', async (t) => {
  const directory = mkdtempSync(join(lab.directory, 'secrets-'))
  const [socket, file] = [join(directory, 'admin.sock'), join(directory, 'balancer.yaml')]
  const [page, other, login] = ['page', 'other', 'login'].map((name) => join(directory, `${name}.password`))
  const at = { page: await freePort(), listener: await freePort() }
  const write = (http: object) =>
    writeFileSync(
      file,
      JSON.stringify({
        router_id: 'lb1',
        listeners: [
          {
            name: 'mysql',
            bind: `127.0.0.1:${at.listener}`,
            check: { type: 'mysql', user: 'u', password_file: login },
            servers: [{ name: 'db1', address: `${actors[0].address}:${actorPorts.sessions}` }],
          },
        ],
        admin: { socket, http: { bind: `127.0.0.1:${at.page}`, ...http } },
      }),
    )
  const password = async (name: string | undefined, text: string) =>
    writeFileSync(name ?? '', await hashPassword(text), { mode: 0o600 })
  await password(page, 'first word')
  await password(other, 'other word')
  writeFileSync(login ?? '', 'first login\n', { mode: 0o600 })
  write({ users: [{ name: 'admin', password_file: page }] })
  const balancer = lab.spawn('secrets', process.execPath, [program, '--config', file])
  await balancer.waitForOutput(/Balancer is running/)
  const get = async (text: string, user = 'admin', path = '/status'): Promise<number> => {
    const authorization = `Basic ${Buffer.from(`${user}:${text}`).toString('base64')}`
    return (await fetch(`http://127.0.0.1:${at.page}${path}`, { headers: { authorization } })).status
  }
  const reload = () => ask(socket, 'reload')
  t.equal(await get('first word'), 200)
  t.match(await reload(), /^Nothing changed\.\n$/)

  await password(page, 'second word')
  t.match(await reload(), /^password of user admin changed$/m)
  t.equal(await get('first word'), 401)
  t.equal(await get('second word'), 200)
  writeFileSync(login ?? '', 'second login\n', { mode: 0o600 })
  t.match(await reload(), /^password of the check of listener mysql changed$/m)
  t.match(await reload(), /^Nothing changed\.\n$/)

  const users = [{ name: 'guest', password_file: other }]
  write({ path: '/elsewhere', users })
  t.match(await reload(), /^status page: changed path, users$/m)
  t.equal(await get('second word', 'admin', '/elsewhere'), 401)
  t.equal(await get('other word', 'guest', '/elsewhere'), 200)
  t.notMatch(balancer.lines().join('\n'), /first (word|login)|second (word|login)|scrypt/)
  await balancer.stop()
})
