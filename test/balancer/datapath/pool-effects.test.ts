// What the state of servers and a new configuration do to sessions.

import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { loginMillis } from '../../../balancer/datapath/core/plan.ts'
import { createBinds } from '../../../balancer/datapath/userspace/binds.ts'
import { queuedIn } from '../../../balancer/pool/core/listener-fact.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { failedCheck, healthFact } from '../pool/health-fact.ts'
import {
  type Backend,
  type Front,
  freePort,
  listenerConfig,
  startBackend,
  startClient,
  startFront,
  type TestClient,
} from './loopback.ts'

const greeter = (name: string): Promise<Backend> =>
  startBackend((socket) => {
    socket.write(name)
    socket.on('data', () => {})
    socket.on('end', () => socket.end())
  })

/** A listener in front of two servers named one and two. */
const twoServers = async (t: Test, change: Record<string, unknown> = {}) => {
  const backends = [await greeter('one'), await greeter('two')]
  const ports = backends.map(({ port }) => port)
  const front = await startFront(ports, change)
  t.teardown(() => {
    front.listener.stop()
    for (const backend of backends) backend.close()
  })
  return { front, ports }
}

const greeted = async (front: Front): Promise<TestClient> => {
  const client = startClient(front.port)
  await waitFor('a greeting', client.received)
  return client
}

const isOpen = async (client: TestClient): Promise<boolean> => {
  const ended = await Promise.race([client.ended, new Promise((resolve) => setTimeout(resolve, 50, 'open'))])
  return ended === 'open'
}

t.test('weights and limits of the newest fact count', async (t) => {
  const { front } = await twoServers(t)
  front.listener.hear(healthFact('s1', { weight: 0 }))
  t.equal((await greeted(front)).received(), 'two')
  t.equal((await greeted(front)).received(), 'two')
  front.listener.hear(healthFact('s2', { maximumSessions: 2 }))
  const waiting = startClient(front.port)
  await waitFor('a client in the queue', () => queuedIn(front.listener.fact()) === 1)
  front.listener.hear(healthFact('s1'))
  await waitFor('a greeting', waiting.received)
  t.equal(waiting.received(), 'one')
})

t.test('a refused connect is told apart from others, and a good one starts the count anew', async (t) => {
  const backend = await greeter('two')
  const front = await startFront([await freePort(), backend.port])
  t.teardown(() => {
    front.listener.stop()
    backend.close()
  })
  await greeted(front)
  t.match(front.listener.fact().servers, [{ refusedConnects: 1, failuresInARow: 1 }, { failuresInARow: 0 }])
})

t.test('a reload keeps the sessions of servers that stay, and ends those of one that goes', async (t) => {
  const { front, ports } = await twoServers(t)
  const [one, two] = [await greeted(front), await greeted(front)]
  const next = listenerConfig(front.port, ports, { balance: 'leastconn', timeouts: { queue: '1s' } })
  front.listener.reconfigure({ ...next, servers: next.servers.slice(0, 1) })
  t.equal(await two?.ended, 'reset')
  t.ok(one !== undefined && (await isOpen(one)))
  t.match(front.listener.fact(), { servers: [{ server: 's1', sessions: 1 }], ends: { 'server-removed': 1 } })
  front.listener.reconfigure(next)
  front.listener.markServer('s2', true)
  t.equal((await greeted(front)).received(), 'two', 'and a server that is added takes part')
})

t.test('addresses: a reload opens the new, closes the old and hands over the rest, or changes nothing', async (t) => {
  const [kept, added, taken] = [await freePort(), await freePort(), await startBackend(() => {})]
  t.teardown(taken.close)
  const seen: string[] = []
  const binds = createBinds({ isPresent: () => true, onChange: () => {}, onAcceptFailure: () => {} })
  t.teardown(binds.stop)
  const bind = (port: number, owner: string) => ({
    endpoint: { address: '127.0.0.1', port },
    key: 'listeners[0].bind',
    owner,
    accept: (socket: Socket) => {
      seen.push(owner)
      socket.destroy()
    },
  })
  await binds.assign([bind(kept, 'old')])
  await t.rejects(binds.assign([bind(kept, 'new'), bind(added, 'new'), bind(taken.port, 'new')]), /the port is in use/)
  const client = startClient(kept)
  await waitFor('a client of the old listener', () => seen.includes('old'))
  client.socket.destroy()
  t.equal(await startClient(added).ended, 'reset', 'what was opened is closed again')
  await binds.assign([bind(kept, 'new'), bind(added, 'new')])
  for (const port of [kept, added]) startClient(port)
  await waitFor('clients of the new listener', () => seen.filter((owner) => owner === 'new').length === 2)
  await binds.assign([bind(added, 'new')])
  t.equal(await startClient(kept).ended, 'reset')
})

t.test('a bind that becomes another with the same port: all addresses for one, or one for all', async (t) => {
  const port = await freePort()
  const binds = createBinds({ isPresent: () => true, onChange: () => {}, onAcceptFailure: () => {} })
  t.teardown(binds.stop)
  const accept = (socket: Socket) => void socket.end('here')
  const at = (address: string, its = port) => ({
    endpoint: { address, port: its },
    key: 'bind',
    owner: 'mysql',
    accept,
  })
  const isServed = async () => {
    const client = startClient(port)
    await client.ended
    client.socket.destroy()
    return client.received() === 'here'
  }
  await binds.assign([at('127.0.0.1')])
  await binds.assign([at('0.0.0.0')])
  t.ok(await isServed())
  await binds.assign([at('127.0.0.2'), at('127.0.0.1')])
  t.ok(await isServed())
  const taken = await startBackend(() => {})
  t.teardown(taken.close)
  await t.rejects(binds.assign([at('0.0.0.0'), at('127.0.0.1', taken.port)]))
  t.ok(await isServed(), 'a refused one changes nothing')
  t.match(
    binds.statesOf('mysql').map(({ address, open }) => ({ address, open })),
    [
      { address: `127.0.0.2:${port}`, open: true },
      { address: `127.0.0.1:${port}`, open: true },
    ],
  )
})

t.test(
  'sessions that a removed server kept are counted when it returns, and end where there is one writer',
  async (t) => {
    const { front, ports } = await twoServers(t, { on_marked_down: 'keep' })
    const config = (count: number, change: Record<string, unknown>) =>
      listenerConfig(front.port, ports.slice(0, count), change)
    const [one, two] = [await greeted(front), await greeted(front)]
    front.listener.reconfigure(config(1, { on_marked_down: 'keep' }))
    front.listener.reconfigure(config(2, { on_marked_down: 'keep' }))
    t.match(front.listener.fact().servers, [{ sessions: 1 }, { sessions: 1 }])
    front.listener.reconfigure(config(1, { on_marked_down: 'keep' }))
    t.ok((await isOpen(one)) && (await isOpen(two)))
    front.listener.reconfigure(config(1, { balance: 'single' }))
    t.match(front.listener.fact(), { ends: { 'server-removed': 1 } })
  },
)

t.test('a server that is taken out although it works lets those finish who are logging in', async (t) => {
  const changes = [
    healthFact('s1', { up: false, admin: 'maint' }),
    ...['force-fail', 'donor', 'http-status'].map((reason) =>
      healthFact('s1', { up: false, lastCheck: failedCheck(reason) }),
    ),
  ]
  for (const change of changes) {
    const { front } = await twoServers(t)
    const client = await greeted(front)
    front.listener.hear(change)
    t.ok(await isOpen(client))
    t.equal((await greeted(front)).received(), 'two', 'who comes now goes elsewhere')
    t.equal(await client.ended, 'reset', 'a login is all the time it gets')
  }
})

t.test('a server that is dead, or that works no more, loses everybody at once', async (t) => {
  for (const reason of [
    'connection-refused',
    'timeout',
    'not-primary',
    'galera-off',
    'closed-to-clients',
    'read-only',
  ]) {
    const { front } = await twoServers(t)
    await greeted(front)
    front.listener.hear(healthFact('s1', { up: false, lastCheck: failedCheck(reason) }))
    t.match(front.listener.fact(), { sessions: 0, ends: { 'server-down': 1 } }, reason)
  }
})

t.test('single: the new writer waits for who is logging in at the old one; a replica keeps nobody', async (t) => {
  const { front } = await twoServers(t, { balance: 'single' })
  front.listener.setWriter('s1')
  const old = await greeted(front)
  front.listener.hear(healthFact('s1', { admin: 'drain' }))
  front.listener.setWriter('s2')
  const next = startClient(front.port)
  await waitFor('a client that waits for the new writer', () => queuedIn(front.listener.fact()) === 1)
  t.ok(await isOpen(old))
  old.socket.destroy()
  await waitFor('the new writer', next.received)
  t.equal(next.received(), 'two')
  front.listener.hear(healthFact('s2', { role: 'replica' }))
  front.listener.setWriter('s1')
  t.match(front.listener.fact(), { sessions: 0, ends: { demoted: 1 } })
})

t.test('single: the last writer that is drained keeps its sessions until there is another, or it fails', async (t) => {
  const { front } = await twoServers(t, { balance: 'single' })
  front.listener.setWriter('s1')
  const [one, two] = [await greeted(front), await greeted(front)]
  front.listener.markServer('s2', false)
  front.listener.hear(healthFact('s1', { admin: 'drain' }))
  front.listener.setWriter(null)
  await new Promise((resolve) => setTimeout(resolve, loginMillis + 100))
  t.ok((await isOpen(one)) && (await isOpen(two)))
  front.listener.hear(healthFact('s1', { admin: 'drain', role: 'replica' }))
  t.match(front.listener.fact(), { sessions: 0, ends: { demoted: 2 } })
})
