// Every kind of check, of a server that has an IPv6 address.

import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { type BalancerConfig, balancerSchema } from '../../../balancer/config/schema.ts'
import { startChecker } from '../../../balancer/health/checker.ts'
import type { ServerHealthFact } from '../../../balancer/pool/core/facts.ts'
import { eventText } from '../../../shared/health-stream.ts'
import { report } from '../../agent/samples.ts'
import { waitFor } from '../../lab/wait-for.ts'

const address = '::1'
const greeting = Buffer.concat([Buffer.from([12, 0, 0, 0, 10]), Buffer.from('10.11.6-Mar')])

const listening = async (server: ReturnType<typeof createTcpServer>): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  t.teardown(() => server.close())
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : 0
}

/** What is known of the server of each listener, as its checks go on. */
const factsOf = (t: Test, listeners: BalancerConfig['listeners']): ReadonlyMap<string, ServerHealthFact> => {
  const facts = new Map<string, ServerHealthFact>()
  const checker = startChecker({
    listeners,
    inherited: () => undefined,
    log: pino({ level: 'silent' }),
    publish: (fact) => void facts.set(fact.listener, fact),
  })
  t.teardown(() => checker.stop())
  return facts
}

t.test('http with its stream, tcp, icmp, mysql and agent-check reach an IPv6 address', async (t) => {
  const hosts = new Set<string | undefined>()
  const agent = createServer((request, response) => {
    hosts.add(request.headers.host)
    if (request.url?.startsWith('/watch')) {
      request.socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n')
      request.socket.write(eventText({ event: 'report', status: 200, report: report() }))
      return
    }
    response.setHeader('mysqlchk-watch', '/watch').setHeader('content-type', 'application/json')
    response.end(JSON.stringify(report()))
  })
  const agentPort = await listening(agent)
  t.teardown(() => agent.closeAllConnections())
  const port = await listening(createTcpServer((socket) => socket.on('error', () => {}).end(greeting)))
  const linesPort = await listening(createTcpServer((socket) => socket.on('error', () => {}).end('up 50%\n')))
  const pace = { interval: '50ms', timeout: '5s' }
  const { listeners } = balancerSchema.parse({
    router_id: 'test',
    listeners: [
      { type: 'http', port: agentPort },
      { type: 'tcp', port },
      { type: 'icmp' },
      { type: 'mysql', port },
    ].map((check) => ({
      name: check.type,
      bind: '127.0.0.1:3306',
      check: { ...pace, ...check },
      agent_check: { port: linesPort, interval: '50ms' },
      servers: [{ name: 'db1', address: `[0::1]:${port}` }],
    })),
  })
  const facts = factsOf(t, listeners)
  for (const { name } of listeners) {
    const fact = await waitFor(`the check of ${name} to pass`, () => {
      const found = facts.get(name)
      return found?.up === true && found.agent !== null ? found : undefined
    })
    t.match(fact, { agent: { percent: 50 }, lastCheck: { passed: true } }, name)
  }
  await waitFor('the stream', () => facts.get('http')?.watched === true)
  t.same([...hosts], [`[::1]:${agentPort}`], 'the head of each request names it in brackets')
})

t.test('an IPv6 address that nobody answers at fails in words of its own', async (t) => {
  const { listeners } = balancerSchema.parse({
    router_id: 'test',
    listeners: ['tcp', 'icmp'].map((type) => ({
      name: type,
      bind: '127.0.0.1:3306',
      check: { type, interval: '50ms', timeout: '100ms' },
      // RFC 6666: discarded everywhere.
      servers: [{ name: 'db1', address: '[100::1]:1' }],
    })),
  })
  const facts = factsOf(t, listeners)
  for (const { name } of listeners) {
    const fact = await waitFor(`a check of ${name}`, () => {
      const found = facts.get(name)
      return found?.lastCheck == null ? undefined : found
    })
    t.match(fact, { up: false, lastCheck: { passed: false, reason: /timeout|unreachable/ } }, name)
  }
})
