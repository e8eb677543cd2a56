// How much the health checks cost: 10, 100 and 1,000 servers through agents that answer as ours does: polled at 1 s, watched by
// streams alone, and watched and polled with the defaults. Prints the CPU of the process that checks, and how late its polls are.

import { performance } from 'node:perf_hooks'
import { pino } from 'pino'
import { balancerSchema } from '../../balancer/config/schema.ts'
import { startChecker } from '../../balancer/health/checker.ts'
import { createPool, serverKey } from '../../balancer/pool/core/pool.ts'
import { startAgents } from './agents.ts'

const counts = process.argv.slice(2).map(Number)
const settleMillis = 5000
const measureMillis = 20_000

/** A way to know of servers; polls come each `interval` milliseconds. */
type Way = { readonly name: string; readonly interval: number; readonly watch: boolean }
const ways: readonly Way[] = [
  { name: 'polled each second', interval: 1000, watch: false },
  { name: 'watched, no polls', interval: 3_600_000, watch: true },
  { name: 'watched, polled each 2 s (the defaults)', interval: 2000, watch: true },
]

/** What one run found. CPU is that of the checking process, in percent of one core; times are milliseconds. */
type Figures = {
  readonly servers: number
  readonly checks: number
  readonly failed: number
  readonly cpu: number
  readonly late50: number
  readonly late99: number
  readonly lateMost: number
}

const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time))

const measure = async (servers: number, port: number, { interval, watch }: Way): Promise<Figures> => {
  const { listeners } = balancerSchema.parse({
    router_id: 'bench',
    listeners: [
      {
        name: 'mysql',
        bind: '127.0.0.1:3306',
        check: { type: 'http', port, interval: `${interval}ms`, timeout: '900ms', watch },
        servers: Array.from({ length: servers }, (_, i) => ({
          name: `s${i}`,
          address: `127.1.${Math.floor(i / 250)}.${(i % 250) + 1}:3306`,
        })),
      },
    ],
  })
  const pool = createPool()
  const seen = new Map<string, number>()
  const lateness: number[] = []
  let measuring = false
  let failed = 0
  const checker = startChecker({
    listeners,
    inherited: () => undefined,
    log: pino({ level: 'silent' }),
    publish: (fact) => {
      pool.hear(fact)
      if (fact.lastCheck === null || fact.lastCheck.by === 'push') return
      const key = serverKey(fact.listener, fact.server)
      const startedAt = performance.now() - fact.lastCheck.durationMs
      const before = seen.get(key)
      seen.set(key, startedAt)
      if (!measuring || before === undefined) return
      lateness.push(Math.abs(startedAt - before - interval))
      if (!fact.lastCheck.passed) failed += 1
    },
  })
  await sleep(settleMillis)
  measuring = true
  const cpu = process.cpuUsage()
  const from = performance.now()
  await sleep(measureMillis)
  const spent = process.cpuUsage(cpu)
  const elapsed = performance.now() - from
  checker.stop()
  const sorted = lateness.sort((one, other) => one - other)
  const quantile = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
  return {
    servers,
    checks: sorted.length,
    failed,
    cpu: ((spent.user + spent.system) / 1000 / elapsed) * 100,
    late50: quantile(0.5),
    late99: quantile(0.99),
    lateMost: quantile(1),
  }
}

const agents = await startAgents()
console.log('| servers | how | polls | failed | CPU, % of one core | off by, median ms | 99 % ms | most ms |')
console.log('| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |')
for (const [count, way] of counts.flatMap((one) => ways.map((each) => [one, each] as const))) {
  const { servers, checks, failed, cpu, late50, late99, lateMost } = await measure(count, agents.port, way)
  const times = [late50, late99, lateMost].map((time) => time.toFixed(0)).join(' | ')
  console.log(`| ${servers} | ${way.name} | ${checks} | ${failed} | ${cpu.toFixed(1)} | ${times} |`)
}
agents.stop()
