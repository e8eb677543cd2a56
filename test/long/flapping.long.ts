// Two hundred servers that come and go at random for a minute, told by push alone: the last word of each is the one that
// counts, and nothing grows.

import { performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { pino } from 'pino'
import t from 'tap'
import { plainBody } from '../../agent/server/core/bodies.ts'
import { type HealthServer, startServer } from '../../agent/server/server.ts'
import { balancerSchema } from '../../balancer/config/schema.ts'
import { startChecker } from '../../balancer/health/checker.ts'
import { report } from '../agent/samples.ts'
import { freePort } from '../lab/mariadb.ts'
import { waitFor } from '../lab/wait-for.ts'
import { createRandom } from '../sim/random.ts'

t.setTimeout(180_000)
const count = 200
const flapMillis = 60_000
const seed = Number(process.env['SIM_SEED'] ?? Date.now() % 100_000)
const random = createRandom(seed)

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')
const heap = (): number => {
  if (typeof collect === 'function') collect()
  return process.memoryUsage().heapUsed
}

const good = report()
const down = report({ verdict: 'fail', reason: { code: 'read-only', text: 'read_only is ON' }, certainty: 'hard' })

t.test(`servers that flap (seed ${seed})`, async (t) => {
  const port = await freePort()
  const nodes = Array.from({ length: count }, (_, i) => ({
    name: `s${i}`,
    address: `127.3.0.${i + 1}`,
    isUp: true,
    hearers: new Set<() => void>(),
  }))
  const servers: HealthServer[] = []
  for (const node of nodes) {
    const now = () => (node.isUp ? good : down)
    const server = await startServer({
      listen: { address: node.address, port, tls: null },
      access: { allow: [], deny: [], max_connections: 9, max_connections_per_source: 9, rate_limit: null },
      body: 'classic',
      isTolerant: false,
      sources: { report: async () => now(), metrics: async () => plainBody('') },
      news: {
        sources: {
          report: async () => now(),
          present: now,
          subscribe: (hear) => {
            node.hearers.add(hear)
            return () => node.hearers.delete(hear)
          },
        },
        onEvent: () => {},
        onCount: () => {},
      },
      incident: () => {},
      onAnswered: () => {},
    })
    servers.push(server)
  }
  t.teardown(() => Promise.all(servers.map((server) => server.stop())))

  const { listeners } = balancerSchema.parse({
    router_id: 'test',
    listeners: [
      {
        name: 'mysql',
        bind: '127.0.0.1:3306',
        check: { port, interval: '1h', rise: 1 },
        servers: nodes.map(({ name, address }) => ({ name, address: `${address}:3306` })),
      },
    ],
  })
  const known = new Map<string, boolean>()
  let changes = 0
  const checker = startChecker({
    listeners,
    inherited: () => undefined,
    log: pino({ level: 'silent' }),
    publish: (fact) => {
      if (known.get(fact.server) !== fact.up) changes += 1
      known.set(fact.server, fact.up)
    },
  })
  t.teardown(() => checker.stop())
  await waitFor('all to be watched', () => nodes.every(({ hearers }) => hearers.size === 1))

  const flap = async (millis: number): Promise<void> => {
    const until = performance.now() + millis
    while (performance.now() < until) {
      for (const node of nodes) {
        if (random.chance(0.9)) continue
        node.isUp = !node.isUp
        for (const hear of [...node.hearers]) hear()
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const untilKnown = () =>
    waitFor('the last state of each to be known', () => nodes.every(({ name, isUp }) => known.get(name) === isUp))
  await flap(flapMillis / 6)
  await untilKnown()
  const before = { heap: heap(), resources: process.getActiveResourcesInfo().length }
  await flap(flapMillis)
  await untilKnown()
  const after = { heap: heap(), resources: process.getActiveResourcesInfo().length }
  t.comment(
    `${changes} changes; heap ${before.heap} and ${after.heap} bytes, resources ${before.resources} and ${after.resources}`,
  )
  t.ok(changes > count * 10, `${changes} changes were told`)
  t.ok(after.heap < before.heap * 1.2 + 5_000_000, 'the heap does not grow')
  t.ok(after.resources <= before.resources + 5, 'no socket or timer is left')
  t.ok(
    nodes.every(({ hearers }) => hearers.size === 1),
    'one stream each',
  )
})
