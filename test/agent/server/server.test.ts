import t from 'tap'
import type { AccessConfig } from '../../../agent/config/schema.ts'
import { network } from '../../../agent/config/values.ts'
import { accessRules } from '../../../agent/server/admission.ts'
import { plainBody } from '../../../agent/server/core/bodies.ts'
import { type HealthServer, startServer } from '../../../agent/server/server.ts'
import type { HealthReport } from '../../../shared/health-report.ts'
import { freePort } from '../../lab/mariadb.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { dial } from '../client.ts'
import { report } from '../samples.ts'

const up = report()
const running = 'MySQL is running.\r\n'
const down = report({ verdict: 'fail', reason: { code: 'timeout', text: 'no answer' } })

type Options = {
  readonly allow?: readonly string[]
  readonly address?: string
  readonly perSource?: number
  readonly total?: number
  readonly deny?: readonly string[]
  readonly rate?: AccessConfig['rate_limit']
  readonly answer?: () => Promise<HealthReport>
  readonly idle?: number
}

const serve = async (
  t: Tap,
  {
    address = '127.0.0.1',
    allow = [],
    deny = [],
    perSource = 64,
    total = 512,
    rate = null,
    answer = async () => up,
    idle,
  }: Options = {},
) => {
  const port = await freePort()
  const incidents: string[] = []
  const statuses: number[] = []
  const server: HealthServer = await startServer({
    listen: { address, port, tls: null },
    access: {
      allow: allow.map((one) => network.parse(one)),
      deny: deny.map((one) => network.parse(one)),
      max_connections: total,
      max_connections_per_source: perSource,
      rate_limit: rate,
    },
    body: 'classic',
    isTolerant: false,
    sources: { report: answer, metrics: async () => plainBody('metrics') },
    incident: (reason) => incidents.push(reason),
    onAnswered: (_, status) => statuses.push(status),
    ...(idle === undefined ? {} : { idle }),
  })
  t.teardown(server.stop)
  return { port, incidents, statuses, server, dial: () => dial(port) }
}
type Tap = Pick<typeof t, 'teardown'>

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
  const { dial } = await serve(t, { answer: async () => down })
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
  t.match(text, /Paths: \/ \/primary .*\r\n$/)
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
  const answer = () => new Promise<HealthReport>((resolve) => waiting.push(() => resolve(up)))
  const { dial, incidents } = await serve(t, { answer })
  const client = dial()
  client.send('GET / HTTP/1.1\r\n\r\n\x01\x02garbage\r\n\r\n')
  await waitFor('the garbage to be seen', () => incidents.length > 0 && waiting.length > 0)
  for (const give of waiting) give()
  const text = await client.untilEnded()
  t.same(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'])
  t.ok(text.endsWith(running))
})

t.test('a connection that is kept and not used is closed', async (t) => {
  const { dial, incidents } = await serve(t, { idle: 200 })
  const client = dial()
  client.send('GET / HTTP/1.1\r\n\r\n')
  t.match(await client.untilEnded(), /^HTTP\/1\.1 200 [\s\S]*\r\nConnection: keep-alive\r\n/)
  t.equal(client.ended(), 'fin')
  t.same(incidents, [])
})

t.test('a client that never finishes its request is let go', async (t) => {
  const { dial, incidents } = await serve(t)
  const [silent, slow] = [dial(), dial()]
  slow.send('GET / HTTP/1.1\r\nX')
  t.match(await slow.untilEnded(), /^HTTP\/1\.1 408 /)
  await silent.untilEnded()
  t.ok(incidents.every((reason) => reason === 'request-timeout'))
})

t.test('a client that never finishes the body of its request is let go, and does not keep a check out', async (t) => {
  const waiting: (() => void)[] = []
  const busy = await serve(t, {
    answer: () => new Promise<HealthReport>((resolve) => waiting.push(() => resolve(up))),
  })
  const behind = busy.dial()
  behind.send('GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nx')

  const { dial, incidents } = await serve(t, { total: 2 })
  const slow = [dial(), dial()]
  for (const client of slow) client.send('POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nx')
  await Promise.all(slow.map((client) => client.connected()))
  const check = dial()
  check.send('GET / HTTP/1.0\r\n\r\n')
  t.match(await check.untilEnded(), /^HTTP\/1\.1 200 /)
  t.same(incidents, ['idle-evicted'])
  const [first, second] = slow
  await first?.untilEnded()
  const dripping = setInterval(() => second?.send('x'), 500)
  t.match(await second?.untilEnded(), /^HTTP\/1\.1 408 /)
  clearInterval(dripping)
  t.same(incidents, ['idle-evicted', 'request-timeout'])

  await waitFor('the request behind another to be too slow', () => busy.incidents.length > 0 && waiting.length > 0)
  for (const give of waiting) give()
  const text = await behind.untilEnded()
  t.same(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200'], 'the answer before it is not spoiled')
})

t.test('a body that is none is answered 400 at once', async (t) => {
  const { dial, incidents } = await serve(t)
  const client = dial()
  client.send('GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n')
  t.match(await client.untilEnded(), /^HTTP\/1\.1 400 /)
  t.same(incidents, ['malformed'])
})

t.test('an expectation that nobody can meet is answered like any request', async (t) => {
  const { dial } = await serve(t)
  const client = dial()
  client.send('GET / HTTP/1.1\r\nExpect: miracles\r\nConnection: close\r\n\r\n')
  t.match(await client.untilEnded(), /^HTTP\/1\.1 200 [\s\S]*\r\nMysqlchk-Reason: ok; /)
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

t.test('an IPv4 peer of a listener on :: is the IPv4 address it is', async (t) => {
  const open = await serve(t, { address: '::', allow: ['127.0.0.0/8'], deny: ['::/0'] })
  const client = open.dial()
  client.send('GET / HTTP/1.0\r\n\r\n')
  t.match(await client.untilEnded(), /^HTTP\/1\.1 200 /)
  const closed = await serve(t, { address: '::', deny: ['127.0.0.1'] })
  t.equal(await closed.dial().untilEnded(), '')
  t.same(closed.incidents, ['not-allowed'])
})

t.test('of allow and deny the most specific network decides', async (t) => {
  const table: readonly [readonly string[], readonly string[], string, boolean][] = [
    [[], [], '10.0.0.1', true],
    [[], ['10.0.0.0/8'], '10.0.0.1', false],
    [[], ['10.0.0.0/8'], '11.0.0.1', true],
    [['10.1.0.0/16'], ['10.0.0.0/8'], '10.1.0.1', true],
    [['10.1.0.0/16'], ['10.0.0.0/8'], '10.2.0.1', false],
    [['10.1.0.0/16'], ['10.1.2.3'], '10.1.2.3', false],
    [['10.1.0.0/16'], ['10.1.2.3'], '10.1.2.4', true],
    [['10.1.0.0/16'], ['10.1.0.0/16'], '10.1.2.4', false],
    [['10.1.0.0/16'], [], 'fd00::1', false],
    [['fd00::/8'], ['fd00:1::/32'], 'fd00:1::5', false],
    [['0.0.0.0/0'], ['fd00::/8'], 'fd00::5', false],
    [['0.0.0.0/0'], ['::/0'], '10.0.0.1', true],
    [['0.0.0.0/0'], ['::/0'], 'fd00::5', false],
    [['::/0'], [], '10.0.0.1', false],
  ]
  for (const [allow, deny, source, allowed] of table) {
    const isAllowed = accessRules({
      allow: allow.map((one) => network.parse(one)),
      deny: deny.map((one) => network.parse(one)),
    })
    t.equal(isAllowed(source), allowed, `${source} with allow ${allow} and deny ${deny}`)
  }
})

t.test('connections of one source are limited, and a place that becomes free is given out', async (t) => {
  const { dial, incidents } = await serve(t, { perSource: 2 })
  const held = [dial(), dial()]
  await Promise.all(held.map((client) => client.connected()))
  t.equal(await dial().untilEnded(), '')
  t.same(incidents, ['too-many-from-source'])
  held[0]?.destroy()
  await waitFor('a free place', async () => {
    const next = dial()
    next.send('GET / HTTP/1.0\r\n\r\n')
    return /^HTTP\/1\.1 200 /.test(await next.untilEnded())
  })
  held[1]?.destroy()
})

t.test(
  'when all places are taken, the connection that is idle longest makes room; a busy one never does',
  async (t) => {
    const waiting: (() => void)[] = []
    const answer = () => new Promise<HealthReport>((resolve) => waiting.push(() => resolve(up)))
    const { dial, incidents } = await serve(t, { total: 2, answer })
    const [busy, idle] = [dial(), dial()]
    busy.send('GET / HTTP/1.1\r\nConnection: close\r\n\r\n')
    await idle.connected()
    await waitFor('the request under way', () => waiting.length === 1)
    const next = dial()
    next.send('GET / HTTP/1.0\r\n\r\n')
    t.equal(await idle.untilEnded(), '')
    await waitFor('the second request', () => waiting.length === 2)
    t.equal(await dial().untilEnded(), '', 'both places are busy')
    t.same(incidents, ['idle-evicted', 'too-many-connections'])
    for (const give of waiting) give()
    for (const client of [busy, next]) t.match(await client.untilEnded(), /^HTTP\/1\.1 200 /)
  },
)

t.test('a source that asks too often waits, and gets its answers all the same', async (t) => {
  const { dial, incidents, statuses } = await serve(t, { rate: { per_source: 4, burst: 2 } })
  const clients = Array.from({ length: 6 }, () => dial())
  const begun = performance.now()
  for (const client of clients) client.send('GET / HTTP/1.0\r\n\r\n')
  for (const client of clients) t.match(await client.untilEnded(), /^HTTP\/1\.1 200 /)
  t.ok(performance.now() - begun >= 990, 'six requests take four spacings of 250 ms')
  t.same(incidents, ['delayed', 'delayed', 'delayed', 'delayed'])
  t.same(statuses, [200, 200, 200, 200, 200, 200])
})

t.test('more requests in one breath than anybody needs end the connection', async (t) => {
  const { dial, incidents } = await serve(t, { answer: () => new Promise<HealthReport>(() => undefined) })
  const client = dial()
  client.send('GET / HTTP/1.1\r\n\r\n'.repeat(65))
  t.equal(await client.untilEnded(), '')
  t.same(incidents, ['too-many-pipelined'])
})

t.test('a stop lets the answer under way out and ends idle connections', async (t) => {
  const waiting: (() => void)[] = []
  const answer = () => new Promise<HealthReport>((resolve) => waiting.push(() => resolve(up)))
  const { dial, server } = await serve(t, { answer })
  const [busy, idle] = [dial(), dial()]
  busy.send('GET / HTTP/1.1\r\n\r\n')
  idle.send('GET /liveness HTTP/1.1\r\n\r\n')
  await idle.untilText('running')
  await waitFor('the request under way', () => waiting.length === 1)
  const stopped = server.stop()
  for (const give of waiting) give()
  t.match(await busy.untilEnded(), /\r\nConnection: close\r\n/)
  t.ok(busy.text().endsWith(running))
  await idle.untilEnded()
  await stopped
})

t.test('a stop does not wait for a client that never reads its answer', async (t) => {
  const { dial, server } = await serve(t, { answer: () => new Promise<HealthReport>(() => undefined) })
  const client = dial()
  client.send('GET / HTTP/1.1\r\n\r\n')
  await client.connected()
  await server.stop()
  await client.untilEnded()
  t.equal(client.text(), '')
})
