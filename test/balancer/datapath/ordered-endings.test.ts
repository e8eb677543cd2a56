// Sessions in user space that an operator ends: of a server, of a client, in whatever stage they are.

import t, { type Test } from 'tap'
import { waitFor } from '../../lab/wait-for.ts'
import { listenerConfig, startBackend, startClient, startFront } from './loopback.ts'

/** A listener in front of as many servers that greet, and one session of each. */
const served = async (t: Test, count: number, keys: Record<string, unknown> = {}) => {
  const backends = await Promise.all(
    Array.from({ length: count }, () =>
      startBackend((socket) => {
        socket.write('hello')
        socket.resume()
      }),
    ),
  )
  const ports = backends.map(({ port }) => port)
  const front = await startFront(ports, keys)
  t.teardown(() => {
    front.listener.stop()
    for (const backend of backends) backend.close()
  })
  const clients = Array.from({ length: count }, () => startClient(front.port))
  await waitFor('the sessions', () => clients.every((client) => client.received() === 'hello'))
  const endServer = (server: string, listener = 'mysql') =>
    front.listener.endSessions({ by: 'server', listener, server })
  return { front, backends, ports, clients, endServer }
}
const of = (server: string | null, sessions: number) => ({ listener: 'mysql', server, sessions })

t.test('those of a server: both sides hear a reset, the log says KD, others go on', async (t) => {
  const { front, backends, clients, endServer } = await served(t, 2)
  t.same(endServer('s1', 'other'), [], 'another listener has a server of this name as well')
  t.same(endServer('s3'), [of('s3', 0)])
  const [meant] = backends
  t.same(endServer('s1'), [of('s1', 1)])
  t.equal(await Promise.race(clients.map(({ ended }) => ended)), 'reset')
  await waitFor('the server to hear it', () => meant?.sockets.size === 0)
  t.equal(backends[1]?.sockets.size, 1)
  t.match(front.ended, [{ server: 's1', end: 'ordered', state: 'KD' }])
  t.match(front.listener.fact(), { sessions: 1, ends: { ordered: 1 } })
  t.same(endServer('s1'), [of('s1', 0)])
})

t.test('those of a server that a reload took away', async (t) => {
  const { front, ports, endServer } = await served(t, 2, { on_marked_down: 'keep' })
  front.listener.reconfigure(listenerConfig(front.port, ports.slice(0, 1), { on_marked_down: 'keep' }))
  t.equal(front.listener.fact().sessions, 2)
  t.same(endServer('s2'), [of('s2', 1)])
  t.equal(front.listener.fact().sessions, 1)
})

t.test('those of a client, by its address or by its port as well, one that waits too', async (t) => {
  const { front, clients } = await served(t, 1, { max_connections: 1 })
  const waiting = startClient(front.port)
  await waitFor('it to wait', () => front.listener.fact().totalSessions === 2)
  const [joined] = clients
  const end = (address: string, port: number | null) => front.listener.endSessions({ by: 'client', address, port })
  t.same(end('127.0.0.2', null), [])
  t.same(end('127.0.0.1', 1), [])
  t.same(end('127.0.0.1', waiting.socket.localPort ?? 0), [of(null, 1)])
  t.equal(await waiting.ended, 'reset')
  t.same(end('127.0.0.1', null), [of('s1', 1)])
  t.equal(await joined?.ended, 'reset')
  t.same(
    front.ended.map(({ state, server }) => [state, server]),
    [
      ['KQ', null],
      ['KD', 's1'],
    ],
  )
})

t.test('who connects to the server just now begins anew', async (t) => {
  // Nobody has said a word yet: not a session.
  const backend = await startBackend(() => {})
  const front = await startFront([backend.port], { timeouts: { connect: '10m' } })
  t.teardown(() => {
    front.listener.stop()
    backend.close()
  })
  const client = startClient(front.port)
  await waitFor('an attempt', () => backend.sockets.size === 1)
  t.same(front.listener.endSessions({ by: 'server', listener: 'mysql', server: 's1' }), [of('s1', 0)])
  await waitFor('another one', () => backend.sockets.size === 2)
  t.same([front.ended, client.socket.destroyed], [[], false])
  t.same(front.listener.endSessions({ by: 'client', address: '127.0.0.1', port: null }), [of('s1', 1)])
  t.equal(await client.ended, 'reset')
  t.match(front.ended, [{ state: 'KC', end: 'ordered' }])
})
