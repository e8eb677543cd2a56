import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { network } from '../../../agent/config/values.ts'
import { type HealthServer, startServer } from '../../../agent/server/server.ts'
import type { HealthReport } from '../../../shared/health-report.ts'
import { freePort } from '../../lab/mariadb.ts'
import { waitFor } from '../../lab/wait-for.ts'

const up: HealthReport = {
  version: 1,
  verdict: 'pass',
  reason: { code: 'ok', text: 'the check query answers' },
  certainty: 'soft',
  mode: 'ping',
  role: 'primary',
  writable: true,
  age_ms: 1,
  probe_ms: 1,
  facts: {},
  agent: { host: 'db1', version: '0.1.0', uptime_s: 1 },
}
const running = 'MySQL is running.\r\n'
const down = { ...up, verdict: 'fail', reason: { code: 'timeout', text: 'no answer' } } as const satisfies HealthReport

type Options = {
  readonly allow?: readonly string[]
  readonly perSource?: number
  readonly total?: number
  readonly report?: () => Promise<HealthReport>
}

const serve = async (t: Tap, { allow = [], perSource = 64, total = 512, report = async () => up }: Options = {}) => {
  const port = await freePort()
  const incidents: string[] = []
  const server: HealthServer = await startServer({
    listen: { address: '127.0.0.1', port },
    access: {
      allow: allow.map((one) => network.parse(one)),
      max_connections: total,
      max_connections_per_source: perSource,
    },
    body: 'classic',
    report,
    incident: (reason) => incidents.push(reason),
  })
  t.teardown(server.stop)
  return { port, incidents, server, dial: () => dial(port) }
}
type Tap = Pick<typeof t, 'teardown'>

/** A raw client. `ended` tells how the server closed: with FIN after all bytes, or with a reset. */
const dial = (port: number) => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  let ended: 'no' | 'fin' | 'reset' = 'no'
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  socket.on('end', () => {
    ended = 'fin'
    socket.end()
  })
  socket.on('error', () => {
    ended = 'reset'
  })
  return {
    send: (bytes: string | Buffer) => socket.write(bytes),
    connected: () => once(socket, 'connect'),
    text: () => text,
    ended: () => ended,
    end: () => socket.end(),
    destroy: () => socket.destroy(),
    untilEnded: () => waitFor('the server to close', () => ended !== 'no', { interval: 2 }).then(() => text),
    untilText: (part: string) => waitFor(`the answer ${part}`, () => text.includes(part)).then(() => text),
  }
}

t.test("HAProxy's default check is answered and closed without a reset", async (t) => {
  const { dial } = await serve(t)
  for (let i = 0; i < 100; i++) {
    const client = dial()
    client.send('OPTIONS / HTTP/1.0\r\n\r\n')
    const text = await client.untilEnded()
    if (i === 0) {
      t.match(text, /^HTTP\/1\.1 200 OK\r\n/)
      t.match(text, /\r\nMysqlchk-Reason: ok; the check query answers\r\n/)
      t.match(text, /\r\nContent-Length: 19\r\n/)
      t.ok(text.endsWith(`\r\n\r\n${running}`))
    }
    if (client.ended() !== 'fin') t.fail('the answer was cut off by a reset')
  }
})

t.test('HEAD has the length of the body and no body', async (t) => {
  const { dial } = await serve(t, { report: async () => down })
  const client = dial()
  client.send('HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const text = await client.untilEnded()
  t.match(text, /^HTTP\/1\.1 503 /)
  t.match(text, /\r\nContent-Length: [1-9]\d+\r\n/)
  t.ok(text.endsWith('\r\n\r\n'))
})

t.test('pipelined requests are answered in order on one connection', async (t) => {
  const { dial } = await serve(t)
  const client = dial()
  client.send(
    'GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /status HTTP/1.1\r\n\r\nGET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n',
  )
  const text = await client.untilEnded()
  t.same(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404'])
  t.match(text, /Paths: \/ \/status \/liveness\r\n$/)
  t.equal(client.ended(), 'fin')
})

t.test('a keep-alive connection of HTTP/1.0 serves one request after the other', async (t) => {
  const { dial } = await serve(t)
  const client = dial()
  const request = 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'
  client.send(request)
  await client.untilText(running)
  client.send(request)
  await waitFor('the second answer', () => client.text().split(running).length === 3)
  t.equal(client.ended(), 'no')
  client.destroy()
})

t.test('a request body is read before the answer, so that nobody is reset', async (t) => {
  const { dial, incidents } = await serve(t)
  const client = dial()
  client.send(`GET / HTTP/1.0\r\nContent-Length: 50000\r\n\r\n${'x'.repeat(25_000)}`)
  await client.connected()
  t.equal(client.text(), '', 'the answer waits for the body')
  client.send('x'.repeat(25_000))
  t.match(await client.untilEnded(), /^HTTP\/1\.1 200 /)
  t.equal(client.ended(), 'fin')
  t.same(incidents, [])

  const large = dial()
  large.send(`POST / HTTP/1.1\r\nContent-Length: 70000\r\n\r\n${'x'.repeat(70_000)}`)
  t.match(await large.untilText('HTTP/1.1 '), /^HTTP\/1\.1 413 /)
  t.same(incidents, ['body-too-large'])
  large.destroy()
})

t.test('garbage is answered 400 where possible, counted, and changes nothing', async (t) => {
  const { dial, incidents } = await serve(t)
  const garbage = [
    Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]),
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n',
    'GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    '\0'.repeat(2000),
  ]
  for (const bytes of garbage) {
    const client = dial()
    client.send(bytes)
    const text = await client.untilEnded()
    t.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/)
    t.match(text, /\r\nMysqlchk-Reason: not-applicable; this is no HTTP request\r\n/)
  }
  t.same(
    incidents,
    garbage.map(() => 'malformed'),
  )

  const client = dial()
  client.send(`GET / HTTP/1.1\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`)
  t.match(await client.untilEnded(), /^HTTP\/1\.1 431 /)

  const after = dial()
  after.send('GET / HTTP/1.0\r\n\r\n')
  t.match(await after.untilEnded(), /^HTTP\/1\.1 200 /)
})

t.test('garbage behind a request does not spoil its answer', async (t) => {
  const waiting: (() => void)[] = []
  const report = () => new Promise<HealthReport>((resolve) => waiting.push(() => resolve(up)))
  const { dial, incidents } = await serve(t, { report })
  const client = dial()
  client.send('GET / HTTP/1.1\r\n\r\n\x01\x02garbage\r\n\r\n')
  await waitFor('the garbage to be seen', () => incidents.length > 0 && waiting.length > 0)
  for (const answer of waiting) answer()
  const text = await client.untilEnded()
  t.same(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
  t.ok(text.endsWith(running))
})

t.test('a client that never finishes its request is let go', async (t) => {
  const { dial, incidents } = await serve(t)
  const [silent, slow] = [dial(), dial()]
  slow.send('GET / HTTP/1.1\r\nX')
  t.match(await slow.untilEnded(), /^HTTP\/1\.1 408 /)
  await silent.untilEnded()
  t.ok(incidents.every((reason) => reason === 'request-timeout'))
})

t.test('only the networks of the access list are served', async (t) => {
  const open = await serve(t, { allow: ['198.18.0.0/15', '127.0.0.0/8'] })
  const client = open.dial()
  client.send('GET / HTTP/1.0\r\n\r\n')
  t.match(await client.untilEnded(), /^HTTP\/1\.1 200 /)

  const closed = await serve(t, { allow: ['198.18.0.0/15', 'fd00::/8'] })
  const refused = closed.dial()
  refused.send('GET / HTTP/1.0\r\n\r\n')
  t.equal(await refused.untilEnded(), '')
  t.same(closed.incidents, ['not-allowed'])
})

t.test('connections are limited in total and per source, and a place that becomes free is given out', async (t) => {
  for (const [limits, reason] of [
    [{ perSource: 2 }, 'too-many-from-source'],
    [{ total: 2 }, 'too-many-connections'],
  ] as const) {
    const { dial, incidents } = await serve(t, limits)
    const held = [dial(), dial()]
    await Promise.all(held.map((client) => client.connected()))
    const third = dial()
    t.equal(await third.untilEnded(), '')
    t.same(incidents, [reason])
    held[0]?.destroy()
    await waitFor('a free place', async () => {
      const next = dial()
      next.send('GET / HTTP/1.0\r\n\r\n')
      return /^HTTP\/1\.1 200 /.test(await next.untilEnded())
    })
    held[1]?.destroy()
  }
})

t.test('a stop lets the answer under way out and ends idle connections', async (t) => {
  const waiting: (() => void)[] = []
  const report = () => new Promise<HealthReport>((resolve) => waiting.push(() => resolve(up)))
  const { dial, server } = await serve(t, { report })
  const [busy, idle] = [dial(), dial()]
  busy.send('GET / HTTP/1.1\r\n\r\n')
  idle.send('GET /liveness HTTP/1.1\r\n\r\n')
  await idle.untilText('running')
  await waitFor('the request under way', () => waiting.length === 1)
  const stopped = server.stop()
  for (const answer of waiting) answer()
  t.match(await busy.untilEnded(), /\r\nConnection: close\r\n/)
  t.ok(busy.text().endsWith(running))
  await idle.untilEnded()
  await stopped
})

t.test('a stop does not wait for a client that never reads its answer', async (t) => {
  const { dial, server } = await serve(t, { report: () => new Promise<HealthReport>(() => undefined) })
  const client = dial()
  client.send('GET / HTTP/1.1\r\n\r\n')
  await client.connected()
  await server.stop()
  await client.untilEnded()
  t.equal(client.text(), '')
})
