// Streams over real sockets: an agent in the hands of the test answers checks and streams as it is told, well or badly.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import { startChecker } from '../../../balancer/health/checker.ts'
import type { ServerHealthFact } from '../../../balancer/pool/core/facts.ts'
import type { HealthReport } from '../../../shared/health-report.ts'
import { eventText, type GoodbyeReason } from '../../../shared/health-stream.ts'
import { report } from '../../agent/samples.ts'
import { waitFor } from '../../lab/wait-for.ts'

t.setTimeout(600_000)
const good = report()
const hard = report({ verdict: 'fail', reason: { code: 'read-only', text: 'read_only is ON' }, certainty: 'hard' })
const soft = report({ verdict: 'fail', reason: { code: 'timeout', text: 'no answer' }, certainty: 'soft' })

const portOf = (address: unknown): number =>
  typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : 0

/** What an agent of the test does; each may be changed at any moment. */
const startAgent = async (t: Test) => {
  const streams = new Set<Socket>()
  const own = {
    polls: 0,
    asked: [] as string[],
    offers: true,
    answer: (): HealthReport => good,
    /** What happens to a socket on which a stream was asked for. */
    stream: (socket: Socket): void => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n')
      socket.write(eventText({ event: 'report', status: 200, report: good }))
      const pulse = setInterval(() => socket.write(eventText({ event: 'heartbeat' })), 50)
      socket.once('close', () => clearInterval(pulse))
    },
  }
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    if (request.url?.startsWith('/watch')) {
      own.asked.push(request.url)
      const { socket } = request
      streams.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => streams.delete(socket))
      own.stream(socket)
      return
    }
    own.polls += 1
    const told = own.answer()
    const status = told.verdict === 'pass' ? 200 : 503
    const headers = { 'content-type': 'application/json', ...(own.offers ? { 'mysqlchk-watch': '/watch' } : {}) }
    response.writeHead(status, headers).end(JSON.stringify(told))
  }
  const server = createServer(answer)
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  await listen(0)
  const port = portOf(server.address())
  t.teardown(() => close())
  const say = (text: string): void => {
    for (const socket of streams) socket.write(text)
  }
  return Object.assign(own, {
    port,
    streams,
    say,
    push: (told: HealthReport): void =>
      say(eventText({ event: 'report', status: told.verdict === 'pass' ? 200 : 503, report: told })),
    goodbye: (reason: GoodbyeReason): void => say(eventText({ event: 'goodbye', reason })),
    close,
    open: () => listen(port),
  })
}

type Agent = Awaited<ReturnType<typeof startAgent>>

/** Listeners `mysql` and further ones, that check the agent each in its way. An hour between polls: what happens was pushed. */
const startBalancer = (t: Test, agent: Agent, ...checks: readonly object[]) => {
  const listenersFor = (wanted: readonly object[]) =>
    balancerSchema.parse({
      router_id: 'test',
      listeners: wanted.map((check, i) => ({
        name: i === 0 ? 'mysql' : `mysql${i}`,
        bind: `127.0.0.1:${3306 + i}`,
        check: { port: agent.port, interval: '1h', timeout: '500ms', watch_heartbeat: '100ms', ...check },
        servers: [{ name: 'db1', address: '127.0.0.1:3306' }],
      })),
    }).listeners
  const facts: ServerHealthFact[] = []
  const checker = startChecker({
    listeners: listenersFor(checks),
    inherited: () => undefined,
    log: pino({ level: 'silent' }),
    publish: (fact) => void facts.push(fact),
  })
  t.teardown(() => checker.stop())
  const last = (listener = 'mysql'): ServerHealthFact | undefined =>
    facts.findLast((fact) => fact.listener === listener)
  return {
    facts,
    last,
    reconfigure: (...wanted: readonly object[]) => checker.reconfigure(listenersFor(wanted)),
    until: (what: string, is: (fact: ServerHealthFact) => boolean, listener = 'mysql') =>
      waitFor(what, () => {
        const fact = last(listener)
        return fact !== undefined && is(fact) ? fact : null
      }),
    /** Up, and its stream open; its first report comes with its head. */
    untilWatched: () =>
      waitFor('an open stream', () => {
        const fact = last()
        return fact?.up === true && fact.watched
      }),
  }
}

t.test('an offered stream is opened once for all listeners; what is pushed acts without a poll', async (t) => {
  const agent = await startAgent(t)
  const balancer = startBalancer(t, agent, { path: '/a?b=c' }, { path: '/a?b=c', rise: 1, interval: '50m' })
  await balancer.untilWatched()
  t.same(agent.asked, ['/watch?path=%2Fa%3Fb%3Dc&heartbeat=100ms'])
  agent.push(hard)
  const down = await balancer.until('db1 down', ({ up }) => !up)
  t.match(down, {
    found: { by: 'push', ageMs: hard.age_ms },
    lastCheck: { by: 'push', reason: 'read-only', status: 'L7STS' },
  })
  await balancer.until('db1 down in the other listener', ({ up }) => !up, 'mysql1')
  agent.push(good)
  await balancer.until('up with one good word where rise is 1', ({ up }) => up, 'mysql1')
  await balancer.until('one of two', ({ health }) => health.value === 1)
  agent.push(good)
  t.match(await balancer.until('up', ({ up }) => up), { found: { by: 'push' } })
  t.equal(agent.polls, 2, 'each check was made once, at the start')
  t.equal(agent.streams.size, 1)
})

t.test('a soft failure counts and starts a check at once; the check decides', async (t) => {
  const agent = await startAgent(t)
  const balancer = startBalancer(t, agent, { fast_interval: '50ms' })
  await balancer.untilWatched()
  const polls = agent.polls
  agent.push(soft)
  await waitFor('a check at once', () => agent.polls > polls)
  await balancer.until('full health again', ({ health }) => health.value === health.rise + health.fall - 1)
  t.ok(
    balancer.facts.every(({ up, counters }) => up || counters.includes(null)),
    'it was up all the time',
  )
  agent.answer = () => soft
  agent.push(soft)
  t.match(await balancer.until('down', ({ up }) => !up), { found: { by: 'check' }, lastCheck: { reason: 'timeout' } })
})

t.test('an answer that was under way when news came does not overturn them', async (t) => {
  const agent = await startAgent(t)
  const balancer = startBalancer(t, agent, { interval: '100ms', rise: 1 })
  await balancer.untilWatched()
  // From now on each answer is written before the news, and read after them.
  let isHeld = false
  agent.answer = () => {
    if (!isHeld) {
      isHeld = true
      agent.push(hard)
      const until = performance.now() + 20
      while (performance.now() < until);
      return good
    }
    return hard
  }
  await balancer.until('down', ({ up, found }) => !up && found?.by === 'push')
  const { length } = balancer.facts
  await waitFor('further checks', () => balancer.facts.length > length + 3)
  t.ok(balancer.facts.slice(length).every(({ up }) => !up))
})

t.test(
  'a stream that ends or falls silent says nothing of the server: it is checked at once, and stays up',
  async (t) => {
    const agent = await startAgent(t)
    const balancer = startBalancer(t, agent, {})
    for (const way of ['end', 'reset', 'silence']) {
      await balancer.untilWatched()
      if (way === 'silence') {
        const { stream } = agent
        agent.stream = (socket) => {
          agent.stream = stream
          socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n')
          socket.write(eventText({ event: 'report', status: 200, report: good }))
        }
      }
      const polls = agent.polls
      const asked = agent.asked.length
      for (const socket of agent.streams) {
        if (way === 'reset') socket.resetAndDestroy()
        else socket.end()
      }
      await waitFor(`a check after ${way}`, () => agent.polls > polls + (way === 'silence' ? 1 : 0))
      await waitFor('a new stream', () => agent.asked.length > asked && balancer.last()?.watched === true)
    }
    t.ok(balancer.facts.every(({ up, counters }) => up || counters.includes(null)))
    t.same(balancer.last()?.malformedReports, {}, 'and nothing of that was malformed')
  },
)

t.test('an agent that is gone is down by fall, at the pace of fast_interval', async (t) => {
  const agent = await startAgent(t)
  const balancer = startBalancer(t, agent, { fast_interval: '50ms' })
  await balancer.untilWatched()
  await agent.close()
  const down = await balancer.until('down', ({ up }) => !up)
  t.match(down, { found: { by: 'check' }, lastCheck: { status: 'L4CON', reason: 'agent-refused' }, watched: false })
  await agent.open()
  // An hour between polls of a server that is down, and nobody there at the first tries of the stream.
  await balancer.until('the word of a new stream', ({ health }) => health.value > 0)
})

t.test(
  'an agent that says goodbye and comes back takes no server down, one that does not come back does',
  async (t) => {
    const agent = await startAgent(t)
    const balancer = startBalancer(t, agent, { interval: '50ms', rise: 1, fall: 1 })
    await balancer.untilWatched()
    agent.goodbye('stopping')
    await agent.close()
    await balancer.until('a refused check', ({ lastCheck }) =>
      /not counted: its agent said goodbye/.test(lastCheck?.text ?? ''),
    )
    t.ok(balancer.last()?.up)
    await agent.open()
    await balancer.untilWatched()
    t.ok(
      balancer.facts.every(({ up, counters }) => up || counters.includes(null)),
      'it was up all the time',
    )
    agent.goodbye('stopping')
    await agent.close()
    await balancer.until('down', ({ up }) => !up)
  },
)

t.test('who offers no stream is polled and not asked for one, and so is who is not to be watched', async (t) => {
  const plain = await startAgent(t)
  plain.offers = false
  const polled = startBalancer(t, plain, { interval: '50ms' })
  await waitFor('polls', () => plain.polls > 5)
  t.same(plain.asked, [])
  t.notOk(polled.last()?.watched)
  const agent = await startAgent(t)
  const balancer = startBalancer(
    t,
    agent,
    { watch: false, interval: '50ms' },
    { expect: { body_contains: 'ok' }, interval: '50ms' },
  )
  await waitFor('polls', () => agent.polls > 5)
  t.same(agent.asked, [])

  balancer.reconfigure({ interval: '50ms' })
  await balancer.untilWatched()
  balancer.reconfigure({ interval: '60ms' })
  t.equal(balancer.last()?.watched, true, 'a reload that does not concern the stream leaves it open')
  balancer.reconfigure({ watch: false, interval: '50ms' })
  await waitFor('the end of the stream', () => agent.streams.size === 0)
  t.equal(agent.asked.length, 1)
  t.ok(balancer.last()?.up)
})

const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n'
const every = (socket: Socket, millis: number, text: string): void => {
  const timer = setInterval(() => socket.write(text), millis)
  socket.once('close', () => clearInterval(timer))
}
const attacks: Readonly<Record<string, (socket: Socket) => void>> = {
  'not-json': (socket) => socket.write(`${head}event: report\ndata: {\n\n`),
  'wrong-shape': (socket) => socket.write(`${head}event: report\ndata: {"status":200,"report":{}}\n\n`),
  'line-too-long': (socket) => {
    socket.write(head)
    every(socket, 1, 'x'.repeat(4000))
  },
  flood: (socket) => {
    socket.write(head)
    every(socket, 1, eventText({ event: 'heartbeat' }).repeat(50))
  },
  'malformed-head': (socket) => socket.write('220 mail.example.org ESMTP\r\n\r\n'),
  'slow-head': (socket) => every(socket, 20, 'X'),
  'slow-event': (socket) => {
    socket.write(`${head}${eventText({ event: 'heartbeat' })}`)
    every(socket, 20, 'd')
  },
}

t.test('streams that are none are counted by reason and cut off, and their servers are polled', async (t) => {
  for (const [reason, attack] of Object.entries(attacks)) {
    const agent = await startAgent(t)
    agent.stream = attack
    const balancer = startBalancer(t, agent, { interval: '100ms' })
    await balancer.until(reason, ({ malformedReports }) => (malformedReports[`watch-${reason}`] ?? 0) > 0)
    await waitFor('the cut', () => agent.streams.size === 0 || reason.startsWith('slow'))
    const { polls } = agent
    await waitFor('polls', () => agent.polls > polls + 3)
    t.ok(balancer.last()?.up, reason)
    t.ok(agent.asked.length < 5, `${reason}: asked ${agent.asked.length} times`)
  }
})

t.test('an endless head in small pieces is not collected for ever', async (t) => {
  const agent = await startAgent(t)
  agent.stream = (socket) => {
    socket.setNoDelay(true)
    every(socket, 1, 'X-Header: y\r\n')
  }
  const balancer = startBalancer(t, agent, { interval: '100ms', timeout: '1m' })
  await balancer.until('the fault', ({ malformedReports }) => (malformedReports['watch-malformed-head'] ?? 0) > 0)
  await waitFor('the cut', () => agent.streams.size === 0)
  t.ok(balancer.last()?.up)
})
