import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { queuedIn } from '../../../balancer/pool/core/listener-fact.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { type Backend, type Front, freePort, startBackend, startClient, startFront } from './loopback.ts'

/** A server that speaks first and hangs up when the client does, as MySQL. */
const greeter = (name: string): Promise<Backend> =>
  startBackend((socket) => {
    socket.write(`hello from ${name}`)
    socket.on('data', () => {})
    socket.on('end', () => socket.end())
  })

const cleanUp = (t: Test, front: Front, ...backends: readonly Backend[]): void =>
  t.teardown(() => {
    front.listener.stop()
    for (const backend of backends) backend.close()
  })

const greeting = async (port: number): Promise<string> => {
  const client = startClient(port)
  const text = await waitFor('a greeting', client.received)
  client.socket.destroy()
  return text
}

t.test('a server that refuses is passed over and the client does not notice', async (t) => {
  const backend = await greeter('two')
  const front = await startFront([await freePort(), backend.port])
  cleanUp(t, front, backend)
  t.same([await greeting(front.port), await greeting(front.port)], ['hello from two', 'hello from two'])
  const [first] = front.listener.fact().servers
  t.match(first, { connectFailures: 1, detail: { redispatches: 1 }, totalSessions: 0 })
})

t.test('without redispatch and retries a refused connection is the end', async (t) => {
  const backend = await greeter('two')
  const front = await startFront([await freePort(), backend.port], { redispatch: false, retries: 0 })
  cleanUp(t, front, backend)
  t.equal(await startClient(front.port).ended, 'reset')
  t.match(front.listener.fact().ends, { 'connect-failed': 1 })
})

t.test('who may not connect, or comes too often, is reset and counted by the reason', async (t) => {
  const backend = await greeter('one')
  const denied = await startFront([backend.port], { access: { deny: ['127.0.0.0/8'] } })
  const limited = await startFront([backend.port], { access: { connection_rate_per_source: 1 } })
  cleanUp(t, denied, backend)
  cleanUp(t, limited)
  t.equal(await startClient(denied.port).ended, 'reset')
  t.match(denied.listener.fact(), { ends: { denied: 1 }, sessions: 0, totalSessions: 1 })
  // At least one of ten comes within a second of the one before.
  const clients = Array.from({ length: 10 }, () => startClient(limited.port))
  await waitFor('clients that are over the limit', () => (limited.listener.fact().ends['source-rate'] ?? 0) > 0)
  await waitFor('one that is not', () => clients.some((client) => client.received().startsWith('hello')))
  for (const { socket } of clients) socket.destroy()
})

t.test('when every server was tried the client is turned away', async (t) => {
  const front = await startFront([await freePort(), await freePort()], { retries: 0 })
  cleanUp(t, front)
  t.equal(await startClient(front.port).ended, 'reset')
  t.match(front.listener.fact(), { ends: { 'connect-failed': 1 }, sessions: 0 })
})

t.test('before the first good check there is no server: who has waited for one is turned away', async (t) => {
  const backend = await greeter('one')
  const front = await startFront([backend.port], { timeouts: { queue: '100ms' } })
  cleanUp(t, front, backend)
  front.listener.markServer('s1', false)
  t.equal(await startClient(front.port).ended, 'reset')
  t.match(front.listener.fact().ends, { 'no-server': 1 })
})

t.test('half-close: the client ends its side and still reads the whole answer', async (t) => {
  const backend = await startBackend((socket) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('end', () => socket.end(`you said: ${text}`))
  })
  const front = await startFront([backend.port])
  cleanUp(t, front, backend)
  const client = startClient(front.port)
  client.socket.end('all of this')
  t.equal(await client.ended, 'end')
  t.equal(client.received(), 'you said: all of this')
  await waitFor('the session to be counted as closed', () => front.listener.fact().ends['closed'] === 1)
  t.match(front.listener.fact().servers, [{ bytesIn: 11, bytesOut: 21, totalSessions: 1, sessions: 0 }])
})

t.test('back-pressure: a client that does not read stops the server instead of filling memory', async (t) => {
  const block = randomBytes(64 * 1024)
  const wanted = 1024
  let written = 0
  const backend = await startBackend((socket) => {
    const write = (): void => {
      while (written < wanted) {
        written += 1
        if (!socket.write(block)) return void socket.once('drain', write)
      }
      socket.end()
    }
    write()
  })
  const front = await startFront([backend.port])
  cleanUp(t, front, backend)
  const client = startClient(front.port)
  client.socket.pause()
  let before = -1
  await waitFor(
    'the server to be stopped',
    () => {
      const stuck = written > 0 && written === before
      before = written
      return stuck
    },
    { interval: 300 },
  )
  t.ok(written < wanted / 2, `stopped after ${written} of ${wanted} blocks`)
  let read = 0
  client.socket.on('data', (chunk) => {
    read += chunk.length
  })
  client.socket.resume()
  await client.ended
  t.equal(read, wanted * block.length, 'everything arrives in the end')
})

t.test('a reset by the server reaches the client as a reset', async (t) => {
  const backend = await startBackend((socket) => socket.on('data', () => socket.resetAndDestroy()))
  const front = await startFront([backend.port])
  cleanUp(t, front, backend)
  const client = startClient(front.port)
  client.socket.write('hello')
  t.equal(await client.ended, 'reset')
  await waitFor('the end to be counted', () => front.listener.fact().ends['server-reset'] === 1)
})

t.test('idle sessions end at the timeout of the side that was silent', async (t) => {
  const backend = await greeter('one')
  const front = await startFront([backend.port], { timeouts: { client: '1s' } })
  cleanUp(t, front, backend)
  const client = startClient(front.port)
  t.equal(await client.ended, 'reset')
  t.match(front.listener.fact().ends, { 'client-timeout': 1 })
})

t.test(
  'max_connections: the excess waits, is served when there is room, and is turned away at the queue timeout',
  async (t) => {
    const backend = await greeter('one')
    const front = await startFront([backend.port], { max_connections: 1, timeouts: { queue: '2s' } })
    cleanUp(t, front, backend)
    const first = startClient(front.port)
    await waitFor('the first client to be served', first.received)
    const second = startClient(front.port)
    await waitFor('the second client to be queued', () => queuedIn(front.listener.fact()) === 1)
    t.match(front.listener.fact(), { sessions: 1, detail: { queued: 1 } })
    t.equal(await startClient(front.port).ended, 'reset', 'a queue as long as max_connections is full')
    first.socket.destroy()
    await waitFor('the second client to be served', second.received)
    const third = startClient(front.port)
    t.equal(await third.ended, 'reset')
    t.match(front.listener.fact().ends, { 'queue-full': 1, 'queue-timeout': 1 })
  },
)

t.test('max_connections of a server sends the excess to the others, then into the queue', async (t) => {
  const backends = [await greeter('one'), await greeter('two')]
  const front = await startFront(
    backends.map(({ port }) => port),
    { server: { max_connections: 1 } },
  )
  cleanUp(t, front, ...backends)
  const clients = [startClient(front.port), startClient(front.port)]
  for (const client of clients) await waitFor('a greeting', client.received)
  const third = startClient(front.port)
  await waitFor('the third client to be queued', () => queuedIn(front.listener.fact()) === 1)
  clients[0]?.socket.destroy()
  await waitFor('the third client to be served', third.received)
  t.equal(third.received(), 'hello from one')
})

t.test(
  'when the address leaves, its sessions end; whoever comes with the address that is back is served at once',
  async (t) => {
    const backend = await greeter('one')
    const front = await startFront([backend.port])
    cleanUp(t, front, backend)
    const client = startClient(front.port)
    await waitFor('a greeting', client.received)
    front.listener.addressChanged('127.0.0.1', false)
    t.equal(await client.ended, 'reset')
    t.match(front.listener.fact(), { binds: [{ open: false }], ends: { 'address-left': 1 } })
    t.equal(await greeting(front.port), 'hello from one', 'before this process has heard that it is back')
    front.listener.addressChanged('127.0.0.1', true)
    t.match(front.listener.fact(), { binds: [{ open: true }] })
  },
)

t.test('a port in use is a failed start that names the port and the way out', async (t) => {
  const backend = await greeter('one')
  t.teardown(backend.close)
  const bind = `127.0.0.1:${backend.port}`
  // A haproxy anywhere on this host is named as well: other tests start one.
  const way = `find the program with: ss -ltnp 'sport = :${backend.port}'( \\(.*\\))?, stop it or change listeners`
  await t.rejects(startFront([backend.port], { bind }), {
    name: 'FailedStart',
    message: new RegExp(`^cannot listen on ${bind}: the port is in use; ${way}\\[0\\]\\.bind\\[0\\]$`),
  })
})

t.test('a client that leaves while it waits gives up its place, whether it closes or resets', async (t) => {
  const backend = await greeter('one')
  const front = await startFront([backend.port], { max_connections: 1 })
  cleanUp(t, front, backend)
  const first = startClient(front.port)
  await waitFor('the first client to be served', first.received)
  for (const leave of ['destroy', 'resetAndDestroy'] as const) {
    const waiting = startClient(front.port)
    await waitFor('the client to be queued', () => queuedIn(front.listener.fact()) === 1)
    waiting.socket[leave]()
    await waitFor('the queue to be empty', () => queuedIn(front.listener.fact()) === 0)
  }
  t.match(front.listener.fact(), { sessions: 1, ends: { 'client-left': 2 } })
})

t.test('what a client sends before it has a server reaches the server', async (t) => {
  const backend = await startBackend((socket) => socket.pipe(socket))
  const front = await startFront([backend.port], { max_connections: 1 })
  cleanUp(t, front, backend)
  const first = startClient(front.port)
  first.socket.write('first')
  await waitFor('the first client to be served', first.received)
  const second = startClient(front.port)
  second.socket.write('sent while waiting')
  await waitFor('the second client to be queued', () => queuedIn(front.listener.fact()) === 1)
  first.socket.end()
  await waitFor('the echo', () => second.received() === 'sent while waiting')
  t.match(front.listener.fact(), { sessions: 1, detail: { queued: 0 } })
})

const comQuit = Buffer.from([1, 0, 0, 0, 1])
const closeNotify = Buffer.from([0x15, 3, 3, 0, 2, 1, 0])
for (const [what, bytes] of [
  ['a goodbye', comQuit],
  ['an encrypted goodbye', closeNotify],
] as const) {
  t.test(`after ${what} the server closes first, so that no port is kept here`, async (t) => {
    const seen: string[] = []
    const backend = await startBackend((socket) => {
      socket.on('data', () => setTimeout(() => socket.end(() => seen.push('server')), 20))
      socket.on('end', () => seen.push('client'))
    })
    const front = await startFront([backend.port])
    cleanUp(t, front, backend)
    startClient(front.port).socket.end(bytes)
    await waitFor('both to close', () => seen.length === 2)
    t.same(seen, ['server', 'client'])
    await waitFor('the session to be counted as closed', () => front.listener.fact().ends['closed'] === 1)
  })
}
