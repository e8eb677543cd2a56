// A listener whose servers answer clients themselves has no server that is not prepared for that.

import { createServer, type ServerResponse } from 'node:http'
import { pino } from 'pino'
import t from 'tap'
import { balancerSchema, type ListenerConfig } from '../../../balancer/config/schema.ts'
import { startChecker } from '../../../balancer/health/checker.ts'
import { returnedIn, unpreparedFor } from '../../../balancer/health/core/direct-return.ts'
import { type Expectation, judgeAnswer, judgeNews } from '../../../balancer/health/core/http-answer.ts'
import type { ServerHealthFact } from '../../../balancer/pool/core/facts.ts'
import { type HealthReport, parseHealthReport } from '../../../shared/health-report.ts'
import { eventText } from '../../../shared/health-stream.ts'
import { report } from '../../agent/samples.ts'
import { waitFor } from '../../lab/wait-for.ts'

const four = { address: '198.18.0.100', port: 3306 }
const six = { address: 'fd00::7', port: 3306 }
const entry = (change: Partial<NonNullable<HealthReport['direct_return']>[number]> = {}) => ({
  ...four,
  ready: true,
  missing: [],
  bytes_out: 12,
  connections: 3,
  ...change,
})
const expected: Expectation = {
  status: [[200, 399]],
  bodyContains: undefined,
  bodyMatches: undefined,
  drainOn404: true,
  weightFromReport: false,
  directReturn: [four],
}
const judge = (told: HealthReport, status = 200, change: Partial<Expectation> = {}) =>
  judgeAnswer({ status, contentType: 'application/json', body: JSON.stringify(told) }, { ...expected, ...change })

t.test('what an agent tells of answers is told of the binds of the listener alone', async (t) => {
  const told = report({
    direct_return: [entry(), entry({ ...six, bytes_out: 30 }), entry({ port: 3307, bytes_out: 500 })],
  })
  t.same(returnedIn([four, six], told), { bytesOut: 42, connections: 3 })
  t.same(returnedIn([four], report({ direct_return: [entry({ bytes_out: null, connections: null })] })), {
    bytesOut: null,
    connections: null,
  })
  t.equal(returnedIn([four], report()), null)
  t.same(judge(told).returned, { bytesOut: 12, connections: 3 })
  t.same(judge(report({ direct_return: [entry({ ready: false, missing: ['x'] })] })).returned?.bytesOut, 12)
})

t.test('each bind has to be ready', async (t) => {
  t.equal(unpreparedFor([four], report({ direct_return: [entry()] })), null)
  t.equal(unpreparedFor([four, six], report({ direct_return: [entry(), entry(six)] })), null)
  t.equal(unpreparedFor([], undefined), null, 'other datapaths ask for nothing')
  const lacking = entry({ ready: false, missing: ['198.18.0.100 is not on lo', 'there are no rules'] })
  t.same(unpreparedFor([four], report({ direct_return: [lacking] })), {
    text: 'not prepared for direct return: 198.18.0.100:3306: 198.18.0.100 is not on lo; there are no rules; ask there: mysqlchk-agent direct-return status',
    hard: false,
  })
  t.same(unpreparedFor([four, six], report({ direct_return: [entry()] })), {
    text: 'not prepared for direct return: write [fd00::7]:3306 into direct_return of the agent.yaml there, which has 198.18.0.100:3306',
    hard: true,
  })
})

t.test('an agent that knows nothing of it, and an answer that is no report, are told apart', async (t) => {
  t.same(unpreparedFor([four], report()), {
    text: 'not prepared for direct return: the agent there tells nothing of it: write direct_return into the agent.yaml there and reload the agent; one that does not know the key is too old',
    hard: true,
  })
  t.match(unpreparedFor([four], undefined), { text: /the answer is no report of mysqlchk-agent/, hard: false })
})

t.test('a check of such a listener fails by it, whatever the status, and so does what an agent pushes', async (t) => {
  const down = { passed: false, reason: 'not-prepared', status: 'L7STS', drain: false }
  t.match(judge(report()), { ...down, hard: true, code: 200 })
  t.match(judge(report(), 404), down, 'a server that is drained has sessions')
  t.match(judgeNews(200, report(), expected), down)
  t.match(judgeAnswer({ status: 200, contentType: 'text/plain', body: 'MySQL is running.' }, expected), down)
  t.match(judge(report({ direct_return: [entry()] })), { passed: true, reason: 'ok' })
  t.match(judgeNews(200, report({ direct_return: [entry()] }), expected), { passed: true })
  t.match(judge(report(), 200, { directReturn: [] }), { passed: true }, 'other listeners do not mind')
})

t.test(
  'whoever asks hears for which addresses a server answers itself, and a report without them takes that back',
  async (t) => {
    const told = report({
      direct_return: [entry(), entry({ port: 3307 }), entry(six), entry({ ...six, ready: false })],
    })
    t.same(judge(told, 200, { directReturn: [] }).answersFor, [four.address, six.address])
    t.same(judge(report({ direct_return: [entry({ ready: false })] })).answersFor, [])
    t.same(judge(report()).answersFor, [])
    t.equal(judgeAnswer({ status: 200, contentType: 'text/plain', body: '' }, expected).answersFor, undefined)
  },
)

t.test('a server that is down for another reason says that one', async (t) => {
  const failing = report({ verdict: 'fail', reason: { code: 'read-only', text: 'read_only is ON' } })
  t.match(judge(failing, 503), { passed: false, reason: 'read-only' })
})

t.test('the member is optional, and one that is none spoils the report', async (t) => {
  const parse = (value: unknown) => parseHealthReport(JSON.stringify({ ...report(), direct_return: value }))
  t.match(parse([entry()]), { ok: true, report: { direct_return: [entry()] } })
  const without = parse(undefined)
  t.ok(without.ok && !('direct_return' in without.report))
  t.match(parse([{ ...entry(), missing: ['a\u001b[31m b'] }]), {
    report: { direct_return: [{ missing: ['a [31m b'] }] },
  })
  for (const wrong of [{}, [{}], [entry({ port: 0 })], Array(65).fill(entry())]) t.match(parse(wrong), { ok: false })
})

t.test('a running check goes by it from a reload on, and a stream tells of it at once', async (t) => {
  let told = report()
  const streams = new Set<ServerResponse>()
  const agent = createServer((request, response) => {
    if (request.url?.startsWith('/watch')) {
      streams.add(response.writeHead(200, { 'content-type': 'text/event-stream' }))
      response.write(eventText({ event: 'heartbeat' }))
      return
    }
    response.writeHead(200, { 'content-type': 'application/json', 'mysqlchk-watch': '/watch' })
    response.end(JSON.stringify(told))
  })
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    agent.closeAllConnections()
    agent.close()
  })
  const place = agent.address()
  const port = typeof place === 'object' && place !== null ? place.port : 0
  const listeners = (datapath: string, interval: string): readonly ListenerConfig[] =>
    balancerSchema.parse({
      router_id: 'test',
      listeners: [
        {
          ...{ name: 'mysql', bind: '198.18.0.100:3306', datapath },
          check: { port, interval, timeout: '10s', fall: 2, watch_heartbeat: '10s' },
          servers: [{ name: 'db1', address: '127.0.0.1:3306' }],
        },
      ],
    }).listeners

  const facts: ServerHealthFact[] = []
  const checker = startChecker({
    listeners: listeners('userspace', '50ms'),
    inherited: () => undefined,
    log: pino({ level: 'silent' }),
    publish: (fact) => void facts.push(fact),
  })
  t.teardown(checker.stop)
  const until = (isUp: boolean) => waitFor(isUp ? 'up' : 'down', () => facts.at(-1)?.up === isUp)
  await until(true)
  checker.reconfigure(listeners('direct', '50ms'))
  await until(false)
  t.match(facts.at(-1)?.lastCheck, { reason: 'not-prepared', text: /write direct_return into the agent.yaml there/ })
  told = report({ direct_return: [entry()] })
  await until(true)

  // From here on nothing is asked: what is known comes by itself.
  checker.reconfigure(listeners('direct', '1h'))
  await waitFor('a stream', () => facts.at(-1)?.watched === true)
  const known = facts.length
  for (const stream of streams) stream.write(eventText({ event: 'report', status: 200, report: report() }))
  const first = await waitFor('down', () => facts.slice(known).find(({ up }) => !up))
  t.match(first.lastCheck, { reason: 'not-prepared' })
})
