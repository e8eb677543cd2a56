// The port as xinetd's scripts had it: everybody is answered, whatever they say.

import t from 'tap'
import type { AccessConfig } from '../../../agent/config/schema.ts'
import { network } from '../../../agent/config/values.ts'
import type { BodyStyle } from '../../../agent/server/core/bodies.ts'
import { plainBody } from '../../../agent/server/core/bodies.ts'
import { firstWords, targetIn } from '../../../agent/server/core/first-words.ts'
import { proxyHeaderLength } from '../../../agent/server/core/proxy-header.ts'
import { startServer } from '../../../agent/server/server.ts'
import type { Question } from '../../../agent/verdict/core/question.ts'
import type { HealthReport } from '../../../shared/health-report.ts'
import { freePort } from '../../lab/mariadb.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { dial } from '../client.ts'
import { report } from '../samples.ts'

const up = report()
const running = 'MySQL is running.\r\n'
const runningMaster = `${running}MySQL master is running.\r\n`
const down = report({ verdict: 'fail', reason: { code: 'force-fail', text: 'backup is running. 200 OK' } })

type Options = {
  readonly node?: HealthReport
  readonly body?: BodyStyle
  readonly isTolerant?: boolean
  readonly access?: Partial<AccessConfig>
  readonly answer?: () => Promise<HealthReport>
}

const serve = async (
  t: Pick<typeof import('tap').t, 'teardown'>,
  { node = up, body = 'classic', isTolerant = true, access, answer = async () => node }: Options = {},
) => {
  const port = await freePort()
  const incidents: string[] = []
  const asked: Question['about'][] = []
  const server = await startServer({
    listen: { address: '127.0.0.1', port, tls: null },
    access: { allow: [], deny: [], max_connections: 512, max_connections_per_source: 64, rate_limit: null, ...access },
    body,
    isTolerant,
    sources: {
      report: async (question) => {
        asked.push(question?.about ?? 'configured')
        return answer()
      },
      metrics: async () => plainBody('metrics'),
    },
    incident: (reason) => incidents.push(reason),
    onAnswered: () => undefined,
  })
  t.teardown(server.stop)
  return { port, incidents, asked, server, dial: () => dial(port) }
}

/** What a client gets that says this and then waits, or has said all with it. */
const said = async (port: number, bytes: string | Buffer, hasEnded = false): Promise<string> => {
  const client = dial(port)
  if (bytes.length > 0) client.send(bytes)
  if (hasEnded) client.end()
  const text = await client.untilEnded()
  if (client.ended() !== 'fin') throw new Error(`reset after ${JSON.stringify(text)}`)
  return text
}

const proxy2 = Buffer.concat([
  Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
  Buffer.of(0x21, 0x11, 0, 12, 10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0x24, 0x06),
])
const proxy1 = 'PROXY TCP4 10.0.0.1 10.0.0.2 4660 9222\r\n'

t.test('who asks nothing is answered unasked, with the words that checks look for', async (t) => {
  const { port } = await serve(t)
  for (const hasEnded of [false, true]) {
    const text = await said(port, '', hasEnded)
    t.match(text, /^HTTP\/1\.1 200 OK\r\n/)
    t.match(text, /\r\nMysqlchk-Reason: ok; /)
    t.match(text, /\r\nConnection: close\r\n/)
    t.ok(text.endsWith(`\r\n\r\n${runningMaster}`))
  }
  const replica = await serve(t, { node: report({ role: 'replica' }) })
  t.ok((await said(replica.port, '', true)).endsWith(`${running}MySQL slave is running.\r\n`))
  for (const [body, words] of [
    ['html', '<html><body>MySQL is running.</body></html>'],
    ['percona', 'Percona XtraDB Cluster Node is synced.\r\n'],
    ['role', 'MySQL master is running.\r\n'],
  ] as const) {
    const other = await serve(t, { body })
    t.ok((await said(other.port, '', true)).endsWith(`\r\n\r\n${words}`), body)
  }
})

t.test('a node that is down says no word by which a check takes it for up', async (t) => {
  for (const body of ['classic', 'role', 'html', 'percona'] as const) {
    const { port } = await serve(t, { node: down, body })
    for (const bytes of ['', 'GET / HTTP/1.0\r\n\r\n', 'role\r\n']) {
      const text = await said(port, bytes, bytes === '')
      t.match(text, /^HTTP\/1\.1 503 /)
      t.notMatch(text, /is running|master|slave|is synced|200 OK/)
    }
  }
})

t.test('what is no request of ours is answered as the scripts answered it', async (t) => {
  const { port, asked } = await serve(t)
  const table: readonly [string | Buffer, Question['about']][] = [
    ['GET / HTTP/1.0\r\n\r\n', 'configured'],
    ['GET /mysqlchk?x=1&y HTTP/1.0\r\n\r\n', 'configured'],
    ['GET /?lag=1 HTTP/1.0\r\n\r\n', 'configured'],
    ['POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi', 'configured'],
    ['DELETE /master HTTP/1.0\r\n\r\n', 'primary'],
    ['FOO / HTTP/1.0\r\n\r\n', 'configured'],
    ['CONNECT db1:3306 HTTP/1.1\r\n\r\n', 'configured'],
    ['GET /replica HTTP/1.0\n\n', 'replica'],
    ['GET /primary HTTP/1.1\nHost: x\n\n', 'primary'],
    ['GET /primary\r\n', 'primary'],
    ['GET /\n', 'configured'],
    ['GET /primary HTTP/1.0\r\n', 'primary'],
    ['GET /primary HTTP/9.9\r\n\r\n', 'primary'],
    ['GET /primary HTTP/1.1\r\nContent-Length: -1\r\n\r\n', 'primary'],
    ['role\r\n', 'configured'],
    ['role', 'configured'],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'configured'],
    [Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]), 'configured'],
    ['\0'.repeat(9000), 'configured'],
    [`GET /primary HTTP/1.1\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`, 'primary'],
    [proxy1, 'configured'],
    [`${proxy1}GET /primary HTTP/1.0\r\n\r\n`, 'primary'],
    [proxy2, 'configured'],
    [Buffer.concat([proxy2, Buffer.from('GET /primary HTTP/1.0\r\n\r\n')]), 'primary'],
  ]
  for (const [bytes, about] of table) {
    const text = await said(port, bytes)
    t.match(text, /^HTTP\/1\.1 200 OK\r\n[\s\S]*MySQL is running\.\r\n/, JSON.stringify(bytes))
    t.equal(asked.at(-1), about, JSON.stringify(bytes))
  }
})

t.test('a request that ends with a FIN is answered', async (t) => {
  for (const isTolerant of [true, false]) {
    const { port } = await serve(t, { isTolerant })
    for (let i = 0; i < 20; i += 1) {
      t.match(await said(port, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', true), /^HTTP\/1\.1 200 OK[\s\S]*running\.\r\n$/)
    }
  }
})

t.test('requests of today keep their connection, and their paths what they mean', async (t) => {
  const { port, dial, asked } = await serve(t)
  const client = dial()
  for (const path of ['/', '/primary', '/replica?lag=10s']) {
    client.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
    const count = asked.length + 1
    await waitFor('an answer', () => client.text().split(running).length > count)
  }
  t.same(asked, ['configured', 'primary', 'replica'])
  t.equal(client.ended(), 'no')
  client.destroy()
  t.match(await said(port, 'GET /replica?lag=10 HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 400 /, 'a bound that is none')
  t.match(await said(port, 'GET /metrics HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 [\s\S]*metrics/)
})

t.test('a request that stumbles in the parser is answered, also when more comes behind it', async (t) => {
  const waiting: (() => void)[] = []
  const held = report()
  const { dial, incidents } = await serve(t, {
    answer: () => new Promise((resolve) => waiting.push(() => resolve(held))),
  })
  const client = dial()
  client.send('GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n')
  await waitFor('the first fault', () => incidents.length > 0 && waiting.length > 0)
  client.send('more of it\r\n\r\n')
  client.send('and more')
  await new Promise((resolve) => setTimeout(resolve, 50))
  for (const give of waiting) give()
  t.match(await client.untilEnded(), /^HTTP\/1\.1 200 OK[\s\S]*running\.\r\n$/)
  t.equal(client.ended(), 'fin')
})

t.test('a path that is not whole is not taken for another one', async (t) => {
  const { port, asked, dial } = await serve(t)
  const client = dial()
  client.send('GET /prim')
  await new Promise((resolve) => setTimeout(resolve, 400))
  client.send('ary HTTP/1.0\r\n\r\n')
  await client.untilEnded()
  t.same(asked, ['primary'])
  t.match(await said(port, 'GET /prim', true), /^(HTTP\/1\.1 400 [\s\S]*)?$/)
})

t.test('without compatibility nobody is answered unasked, and the PROXY protocol is understood', async (t) => {
  const { port, asked } = await serve(t, { isTolerant: false })
  t.equal(await said(port, '', true), '')
  t.match(await said(port, 'GET /x HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 404 /)
  t.match(await said(port, `${proxy1}GET /primary HTTP/1.0\r\n\r\n`), /^HTTP\/1\.1 200 /)
  t.match(await said(port, Buffer.concat([proxy2, Buffer.from('GET / HTTP/1.0\r\n\r\n')])), /^HTTP\/1\.1 200 /)
  t.same(asked, ['primary', 'configured'])
})

t.test('access lists, limits and rates hold for those who ask nothing', async (t) => {
  const closed = await serve(t, { access: { allow: [network.parse('198.18.0.0/15')] } })
  t.equal(await said(closed.port, ''), '')
  t.same(closed.incidents, ['not-allowed'])
  const few = await serve(t, { access: { max_connections_per_source: 1 } })
  const holder = dial(few.port)
  await holder.connected()
  t.equal(await said(few.port, ''), '')
  t.same(few.incidents, ['too-many-from-source'])
  const slow = await serve(t, { access: { rate_limit: { per_source: 4, burst: 1 } } })
  await Promise.all([1, 2, 3].map(() => said(slow.port, '', true)))
  t.same(slow.incidents, ['delayed', 'delayed'])
})

t.test('a stop lets the answer under way out and does not wait for those who say nothing', async (t) => {
  const { dial, server } = await serve(t)
  const client = dial()
  await client.connected()
  await server.stop()
  await client.untilEnded()
  t.pass()
})

t.test('first words are read whole or in pieces', async (t) => {
  t.same(firstWords(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')), { are: 'http' })
  t.same(firstWords(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n')), { are: 'unfinished', isAnswerable: true })
  t.same(firstWords(Buffer.from('GET /a')), { are: 'unfinished', isAnswerable: false })
  t.same(firstWords(Buffer.from('')), { are: 'unfinished', isAnswerable: true })
  t.equal(targetIn(Buffer.from('get http://db1/primary?x HTTP/1.0')), 'http://db1/primary?x')
  for (const header of [Buffer.from(proxy1), proxy2]) {
    for (let length = 1; length < header.length; length += 1) {
      t.equal(proxyHeaderLength(header.subarray(0, length)), null)
    }
    t.equal(proxyHeaderLength(Buffer.concat([header, Buffer.from('GET')])), header.length)
  }
  t.equal(proxyHeaderLength(Buffer.from('GET / HTTP/1.0')), 0)
  t.equal(proxyHeaderLength(Buffer.from(`PROXY ${'x'.repeat(200)}`)), 0)
})
