import { createServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { balancerSchema, type ListenerConfig } from '../../../balancer/config/schema.ts'
import { millis } from '../../../balancer/core/time.ts'
import { startChecker } from '../../../balancer/health/checker.ts'
import { createHttpProbe } from '../../../balancer/health/checks/http.ts'
import { connectionFailure, noAnswer, noConnection } from '../../../balancer/health/checks/probe.ts'
import type { ListenerFact, ServerHealthFact } from '../../../balancer/pool/core/facts.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { healthFact } from '../pool/health-fact.ts'

const log = pino({ level: 'silent' })

const report = (verdict: 'pass' | 'fail', certainty: 'hard' | 'soft', code: string): string =>
  JSON.stringify({
    version: 1,
    verdict,
    reason: { code, text: `it is ${code}` },
    certainty,
    mode: 'galera',
    role: 'primary',
    writable: true,
    age_ms: 1,
    probe_ms: 1,
    facts: {},
    agent: { host: 'db1', version: '0.1.0', uptime_s: 1 },
  })

const agent = async (t: Test, answer: RequestListener): Promise<number> => {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return portOf(server.address())
}

const portOf = (address: unknown): number =>
  typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : 0

const listenerFor = (port: number, check: object = {}): ListenerConfig => {
  const [listener] = balancerSchema.parse({
    router_id: 'test',
    listeners: [
      {
        name: 'mysql',
        bind: '127.0.0.1:3306',
        check: { port, interval: '50ms', timeout: '20s', ...check },
        servers: [{ name: 'db1', address: '127.0.0.1:3306' }],
      },
    ],
  }).listeners
  if (listener === undefined) throw new Error('no listener')
  return listener
}

const checkOnce = async (port: number, timeout = '20s') => {
  const [config] = listenerFor(port, { timeout }).check
  if (config?.type !== 'http') throw new Error('no HTTP check')
  const probe = createHttpProbe('127.0.0.1', config)
  const result = await probe.run()
  probe.close()
  return result
}

t.test('a good answer with a report passes with the words of the report', async (t) => {
  const port = await agent(t, (request, response) => {
    t.equal(request.headers.accept, 'application/json')
    response.setHeader('content-type', 'application/json')
    response.end(report('pass', 'soft', 'ok'))
  })
  t.match(await checkOnce(port), { passed: true, status: 'L7OK', code: 200, reason: 'ok', text: 'it is ok' })
})

t.test('a bad answer is as sure as its report says', async (t) => {
  for (const certainty of ['hard', 'soft'] as const) {
    const port = await agent(t, (_, response) => {
      response.writeHead(503, { 'content-type': 'application/json; charset=utf-8' })
      response.end(report('fail', certainty, 'not-primary'))
    })
    const expected = { passed: false, hard: certainty === 'hard', status: 'L7STS', code: 503 }
    t.match(await checkOnce(port), { ...expected, reason: 'not-primary', text: 'it is not-primary' })
  }
})

t.test('plain answers are judged by their status, redirects pass', async (t) => {
  for (const [code, passed] of [
    [200, true],
    [204, true],
    [302, true],
    [404, false],
    [500, false],
  ] as const) {
    const port = await agent(t, (_, response) => response.writeHead(code).end())
    t.match(await checkOnce(port), { passed, code: code, hard: false, malformedReport: null })
  }
})

t.test('a malformed report is counted by reason and changes nothing: the status line decides', async (t) => {
  for (const [body, malformedReport] of [
    ['{"version":', 'not-json'],
    ['{"version":7}', 'wrong-shape'],
  ] as const) {
    const port = await agent(t, (_, response) => response.setHeader('content-type', 'application/json').end(body))
    t.match(await checkOnce(port), { passed: true, code: 200, malformedReport })
  }
})

t.test('nobody there, silence, rubbish and an endless answer each fail in their own words', async (t) => {
  const silent = await agent(t, () => {})
  const endless = await agent(t, (_, response) => {
    response.write('x'.repeat(100_000))
  })
  const rubbish = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
  })
  await new Promise<void>((resolve) => rubbish.listen(0, '127.0.0.1', resolve))
  t.teardown(() => rubbish.close())
  const noWord = `no answer from port ${silent} within 100 ms`
  t.match(await checkOnce(silent, '100ms'), { passed: false, status: 'L7TOUT', text: noWord })
  t.match(await checkOnce(endless), { passed: false, status: 'L7RSP' })
  t.match(await checkOnce(portOf(rubbish.address())), { passed: false, status: 'L7RSP' })
  const free = createTcpServer()
  await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve))
  const port = portOf(free.address())
  free.close()
  t.match(await checkOnce(port), { passed: false, status: 'L4CON', reason: 'agent-refused' })
})

t.test('whatever comes of a connection, the port that was tried is named', async (t) => {
  const [port, timeout] = [9222, millis(2000)]
  for (const { status, text } of [
    noConnection(port, timeout),
    noAnswer(port, timeout),
    connectionFailure('ECONNREFUSED', port),
    connectionFailure('ECONNRESET', port),
  ]) {
    t.match(text, /\bport 9222\b/, status)
  }
})

t.test(
  'a server is down until its first good check, goes down after `fall` soft failures and at once after a hard one',
  async (t) => {
    let answer: 'good' | 'soft' | 'hard' = 'soft'
    const port = await agent(t, (_, response) => {
      response.writeHead(answer === 'good' ? 200 : 503, { 'content-type': 'application/json' })
      response.end(report(answer === 'good' ? 'pass' : 'fail', answer === 'hard' ? 'hard' : 'soft', answer))
    })
    const facts: ServerHealthFact[] = []
    const words = (): string => facts.map(({ up, health }) => `${up ? 'up' : 'down'}${health.value}`).join(' ')
    const checker = startChecker({
      listeners: [listenerFor(port, { rise: 2, fall: 3 })],
      inherited: () => undefined,
      log,
      publish: (fact) => void (fact.counters.includes(null) || facts.push(fact)),
    })
    t.teardown(() => checker.stop())
    await waitFor('two failed checks', () => facts.length >= 2)
    t.match(words(), /^down0 down0/)
    answer = 'good'
    await waitFor('up', () => facts.at(-1)?.up)
    t.match(words(), /down0 down1 up4( up4)*$/)
    answer = 'soft'
    await waitFor('down', () => facts.at(-1)?.up === false)
    t.match(words(), /up4 up3 up2 down0( down0)*$/)
    answer = 'good'
    await waitFor('up', () => facts.at(-1)?.up)
    answer = 'hard'
    await waitFor('down', () => facts.at(-1)?.up === false)
    t.match(words(), /up4 down0( down0)*$/)
  },
)

t.test('a restarted director goes on from the state it inherits', async (t) => {
  const facts: ServerHealthFact[] = []
  const inherited = healthFact('db1')
  const silent = await agent(t, () => {})
  const checker = startChecker({
    listeners: [listenerFor(silent, { timeout: '20ms' })],
    inherited: () => inherited,
    log,
    // A check that this process was too late for says nothing.
    publish: (fact) => void (fact.lastCheck === facts.at(-1)?.lastCheck || facts.push(fact)),
  })
  t.teardown(() => checker.stop())
  await waitFor('three checks', () => facts.length >= 4)
  t.same(
    facts.slice(0, 4).map(({ up }) => up),
    [true, true, true, false],
    'one failure does not take it down',
  )
})

t.test('while clients wait, a server that is down is checked soon, whatever its interval says', async (t) => {
  const facts: ServerHealthFact[] = []
  let status = 503
  const port = await agent(t, (_, response) => response.writeHead(status).end())
  const listener = listenerFor(port, { interval: '1h' })
  const publish = (fact: ServerHealthFact) => void facts.push(fact)
  const checker = startChecker({ listeners: [listener], inherited: () => undefined, log, publish })
  t.teardown(() => checker.stop())
  await waitFor('the first check', () => facts.some(({ counters }) => counters[0] === 0))
  status = 200
  const waiting: ListenerFact = {
    fact: 'listener',
    listener: 'mysql',
    datapath: 'userspace',
    binds: [],
    sessions: 0,
    maximumSessions: 0,
    totalSessions: 1,
    panicking: false,
    ends: {},
    findings: [],
    servers: [traffic],
    detail: { kind: 'userspace', queued: 1, maximumQueued: 1 },
  }
  await waitFor('it to be up', () => {
    checker.hearTraffic(waiting)
    return facts.at(-1)?.up
  })
  t.equal(facts.at(-1)?.up, true)
})

const traffic: ListenerFact['servers'][number] = {
  server: 'db1',
  sessions: 0,
  maximumSessions: 0,
  totalSessions: 0,
  bytesIn: 0,
  bytesOut: 0,
  connectFailures: 0,
  refusedConnects: 0,
  failuresInARow: 0,
  detail: null,
}
