// Clients for whom no server is left: they wait, try again, and get the first server that comes back.

import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { queuedIn } from '../../../balancer/pool/core/listener-fact.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { healthFact } from '../pool/health-fact.ts'
import { type Front, freePort, openLate, startBackend, startClient, startFront, type TestClient } from './loopback.ts'

/** A listener; its servers are those that listen, or ports where nobody does. */
const frontOf = async (t: Test, names: readonly (string | null)[], change: Record<string, unknown> = {}) => {
  const ports: number[] = []
  for (const name of names) {
    if (name === null) ports.push(await freePort())
    else {
      const backend = await startBackend((socket) => socket.write(name))
      t.teardown(backend.close)
      ports.push(backend.port)
    }
  }
  const front = await startFront(ports, change)
  t.teardown(front.listener.stop)
  return { front, ports }
}

const queued = (front: Front, count: number) =>
  waitFor(`${count} to wait`, () => queuedIn(front.listener.fact()) === count)
const greetedBy = async (client: TestClient): Promise<string> => waitFor('a greeting', client.received)

t.test('retries: the one server is tried again after a pause, as often as they say, and not more', async (t) => {
  const { front } = await frontOf(t, [null], { retries: 2, timeouts: { connect: '50ms' } })
  t.equal(await startClient(front.port).ended, 'reset')
  t.match(front.listener.fact(), {
    ends: { 'connect-failed': 1 },
    detail: { queued: 0 },
    servers: [{ connectFailures: 3, detail: { retries: 2, redispatches: 0 } }],
  })
})

t.test('a client that was refused gets the server when it is back', async (t) => {
  const { front, ports } = await frontOf(t, [null], { retries: 100, timeouts: { connect: '50ms', queue: '20s' } })
  const client = startClient(front.port)
  await queued(front, 1)
  const late = await openLate(ports[0] ?? 0, (socket) => socket.end('late'))
  t.teardown(late.close)
  t.equal(await greetedBy(client), 'late')
})

t.test('a server that closes or resets without a word has not accepted: another one, or the same again', async (t) => {
  for (const refuse of ['end', 'resetAndDestroy'] as const) {
    let isStarting = true
    const backend = await startBackend((socket) => {
      if (isStarting) socket[refuse]()
      else socket.write('one')
      isStarting = false
    })
    t.teardown(backend.close)
    const front = await startFront([backend.port], { timeouts: { connect: '500ms' } })
    t.teardown(front.listener.stop)
    t.equal(await greetedBy(startClient(front.port)), 'one')
    t.match(front.listener.fact().servers, [
      { connectFailures: 1, refusedConnects: 0, detail: { retries: 1 }, totalSessions: 1 },
    ])
  }
})

t.test('a client that is marked off its server before that said a word gets another one', async (t) => {
  const silent = await startBackend(() => {})
  const backend = await startBackend((socket) => socket.write('two'))
  t.teardown(silent.close)
  t.teardown(backend.close)
  const front = await startFront([silent.port, backend.port], { balance: 'first' })
  t.teardown(front.listener.stop)
  const client = startClient(front.port)
  await waitFor('it to be connected', () => silent.sockets.size === 1)
  front.listener.markServer('s1', false)
  t.equal(await greetedBy(client), 'two')
})

t.test('where both sides are silent for long, it is a session all the same', async (t) => {
  const silent = await startBackend((socket) => socket.on('data', () => socket.end('late')))
  t.teardown(silent.close)
  const front = await startFront([silent.port], { timeouts: { connect: '50ms' } })
  t.teardown(front.listener.stop)
  const client = startClient(front.port)
  await waitFor('a session', () => front.listener.fact().servers[0]?.totalSessions === 1)
  client.socket.write('hello')
  t.equal(await greetedBy(client), 'late')
})

t.test('redispatch: another server at once, which is no retry; without it the same one again', async (t) => {
  const { front } = await frontOf(t, [null, 'two'], { retries: 0 })
  t.equal(await greetedBy(startClient(front.port)), 'two')
  t.match(front.listener.fact().servers, [{ detail: { retries: 0, redispatches: 1 } }, { totalSessions: 1 }])
  const bound = await frontOf(t, [null, 'two'], { redispatch: false, retries: 1, timeouts: { connect: '50ms' } })
  t.equal(await startClient(bound.front.port).ended, 'reset')
  t.match(bound.front.listener.fact().servers, [{ connectFailures: 2, detail: { retries: 1 } }, { totalSessions: 0 }])
})

t.test('who pauses before a retry holds up nobody', async (t) => {
  const change = { redispatch: false, balance: 'first', timeouts: { connect: '10s', queue: '20s' } }
  const { front } = await frontOf(t, [null, 'two'], change)
  const paused = startClient(front.port)
  await queued(front, 1)
  front.listener.markServer('s1', false)
  t.equal(await greetedBy(startClient(front.port)), 'two')
  t.equal(queuedIn(front.listener.fact()), 1, 'it waits for its own server')
  paused.socket.destroy()
})

t.test('all down: clients wait, are counted, and are served in their order when one is up', async (t) => {
  const { front } = await frontOf(t, ['one', 'two'], { server: { max_connections: 1 } })
  for (const name of front.names) front.listener.markServer(name, false)
  const clients = [startClient(front.port)]
  await queued(front, 1)
  clients.push(startClient(front.port))
  await queued(front, 2)
  front.listener.markServer('s2', true)
  t.equal(await greetedBy(clients[0] ?? startClient(front.port)), 'two')
  t.equal(queuedIn(front.listener.fact()), 1)
  for (const client of clients) client.socket.destroy()
})

t.test('all taken out by orders: clients wait too, and an order that is taken back serves them', async (t) => {
  const { front } = await frontOf(t, ['one'])
  for (const change of [
    { admin: 'drain' },
    { up: false, admin: 'maint' },
    { weight: 0 },
    { draining: true },
  ] as const) {
    front.listener.hear(healthFact('s1', change))
    const client = startClient(front.port)
    await queued(front, 1)
    front.listener.hear(healthFact('s1'))
    t.equal(await greetedBy(client), 'one')
  }
})

t.test('the wait ends with timeouts.queue, from its beginning on, and tells why', async (t) => {
  const none = await frontOf(t, ['one'], { timeouts: { queue: '100ms' } })
  none.front.listener.markServer('s1', false)
  t.equal(await startClient(none.front.port).ended, 'reset')
  t.match(none.front.listener.fact(), { detail: { queued: 0 }, ends: { 'no-server': 1 } })
  const refusing = await frontOf(t, [null], { retries: 100, timeouts: { queue: '100ms', connect: '20ms' } })
  t.equal(await startClient(refusing.front.port).ended, 'reset')
  t.match(refusing.front.listener.fact(), { detail: { queued: 0 }, ends: { 'connect-failed': 1 } })
  const detail = refusing.front.listener.fact().servers[0]?.detail
  t.ok(detail?.kind === 'userspace' && detail.retries < 100, 'retries do not begin it anew')
})

t.test('who leaves while it waits is forgotten, and no more wait than there may be sessions', async (t) => {
  const { front } = await frontOf(t, ['one'], { max_connections: 1 })
  front.listener.markServer('s1', false)
  const client = startClient(front.port)
  await queued(front, 1)
  t.equal(await startClient(front.port).ended, 'reset')
  client.socket.destroy()
  await queued(front, 0)
  t.match(front.listener.fact().ends, { 'queue-full': 1, 'client-left': 1 })
})

t.test('a server that comes back is tried at once, without waiting for the pause, and is no retry', async (t) => {
  const { front, ports } = await frontOf(t, [null], { retries: 1, timeouts: { queue: '20s' } })
  const client = startClient(front.port)
  await queued(front, 1)
  front.listener.markServer('s1', false)
  const late = await openLate(ports[0] ?? 0, (socket) => socket.end('late'))
  t.teardown(late.close)
  front.listener.markServer('s1', true)
  t.equal(await greetedBy(client), 'late')
})

t.test('an attempt at a server that came back does not count as one of the retries', async (t) => {
  const { front } = await frontOf(t, [null], { retries: 1, timeouts: { queue: '20s' } })
  const client = startClient(front.port)
  await queued(front, 1)
  front.listener.markServer('s1', false)
  front.listener.markServer('s1', true)
  t.equal(await client.ended, 'reset')
  t.match(front.listener.fact().servers, [{ connectFailures: 3 }])
})

t.test('source: who waits for room at its own server holds up nobody whose server has room', async (t) => {
  const { front } = await frontOf(t, ['one', 'two'], { balance: 'source', timeouts: { queue: '20s' } })
  const from = (localAddress: string) => {
    const socket = connect({ port: front.port, host: '127.0.0.1', localAddress })
    let greeting = ''
    socket
      .on('error', () => {})
      .on('data', (chunk) => {
        greeting += chunk
      })
    t.teardown(() => socket.destroy())
    return { localAddress, socket, greeting: () => greeting }
  }
  /** A client of each server, whoever that is. */
  const clients = Array.from({ length: 16 }, (_, i) => from(`127.0.0.${i + 1}`))
  for (const { greeting } of clients) await waitFor('a greeting', greeting)
  const [first, second] = ['one', 'two'].map((name) => clients.find(({ greeting }) => greeting() === name))
  if (first === undefined || second === undefined) throw new Error('all belong to one server')
  for (const client of clients) if (client !== first && client !== second) client.socket.resetAndDestroy()
  await waitFor('one each', () => front.listener.fact().servers.every(({ sessions }) => sessions === 1))
  for (const name of front.names) front.listener.hear(healthFact(name, { maximumSessions: 1 }))
  from(first.localAddress)
  await queued(front, 1)
  const behind = from(second.localAddress)
  await queued(front, 2)
  second.socket.resetAndDestroy()
  t.equal(await waitFor('a greeting', behind.greeting), 'two')
  t.equal(queuedIn(front.listener.fact()), 1)
})
