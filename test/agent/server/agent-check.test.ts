// The port of HAProxy's agent-check: one line for each, and nobody who stays.

import t from 'tap'
import type { AccessConfig } from '../../../agent/config/schema.ts'
import { network } from '../../../agent/config/values.ts'
import { startAgentCheck } from '../../../agent/server/agent-check.ts'
import type { HealthReport } from '../../../shared/health-report.ts'
import { freePort } from '../../lab/mariadb.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { dial } from '../client.ts'
import { report } from '../samples.ts'

t.setTimeout(300_000)

const serve = async (
  t: Tap,
  change: Partial<AccessConfig> = {},
  answer: () => Promise<HealthReport> = async () => report(),
) => {
  const port = await freePort()
  const incidents: string[] = []
  const lines: string[] = []
  const access: AccessConfig = {
    allow: [],
    deny: [],
    max_connections: 512,
    max_connections_per_source: 64,
    rate_limit: null,
    ...change,
  }
  const server = await startAgentCheck({
    listen: { address: '127.0.0.1', port },
    access,
    style: { weight: 'none', on_force_fail: 'down' },
    report: answer,
    incident: (reason) => incidents.push(reason),
    onAnswered: (line) => lines.push(line),
  })
  t.teardown(server.stop)
  return { access, incidents, lines, server, dial: (how = {}) => dial(port, how) }
}
type Tap = Pick<typeof t, 'teardown'>

t.test('everyone who connects gets one line, said they something or not', async (t) => {
  const { dial } = await serve(t)
  for (const said of ['', 'db1\n', 'GET / HTTP/1.0\r\n\r\n', '\0'.repeat(100_000)]) {
    const client = dial()
    if (said !== '') client.send(said)
    t.equal(await client.untilEnded(), 'up\n')
    t.equal(client.ended(), 'fin')
  }
  const done = dial()
  done.end()
  t.equal(await done.untilEnded(), 'up\n', 'also one that has closed its side already')
})

t.test('a client that has its line and goes on talking is let go', async (t) => {
  const { dial } = await serve(t)
  const client = dial({ linger: true })
  await client.untilText('up\n')
  const talking = setInterval(() => client.send('x'), 50)
  await waitFor('the server to let go', () => client.ended() === 'reset')
  clearInterval(talking)
})

t.test('a stop does not wait for a client that stays', async (t) => {
  const { dial, server } = await serve(t)
  const client = dial({ linger: true })
  await client.untilText('up\n')
  const talking = setInterval(() => client.send('x'), 50)
  await server.stop()
  clearInterval(talking)
  client.destroy()
})

t.test('access lists, limits and the rate hold here too', async (t) => {
  const { access, incidents, server, dial } = await serve(t, { deny: [network.parse('127.0.0.0/8')] })
  t.equal(await dial().untilEnded(), '')
  t.same(incidents, ['not-allowed'])
  const rate_limit = { per_source: 20, burst: 1 }
  server.apply({ access: { ...access, deny: [], rate_limit }, style: { weight: 'none', on_force_fail: 'maint' } })
  for (const client of [dial(), dial(), dial()]) t.equal(await client.untilEnded(), 'ready up\n')
  t.ok(incidents.includes('delayed'))
})

t.test('a check whose answer is on its way does not make room for another', async (t) => {
  const waiting: (() => void)[] = []
  const answer = () => new Promise<HealthReport>((resolve) => waiting.push(() => resolve(report())))
  const { dial, incidents } = await serve(t, { max_connections: 1 }, answer)
  const first = dial()
  await waitFor('the question', () => waiting.length === 1)
  t.equal(await dial().untilEnded(), '')
  t.same(incidents, ['too-many-connections'])
  for (const give of waiting) give()
  t.equal(await first.untilEnded(), 'up\n')
})
