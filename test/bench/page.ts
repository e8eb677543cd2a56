// What the status page costs with 50 listeners and 1,000 servers whose checks come each 2 s: how long it takes, how long the
// director's loop is kept from its checks meanwhile, and what pages that are open cost. Clients are processes of their own.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { pino } from 'pino'
import { historyOf } from '../../balancer/admin/core/model/history.ts'
import { statusOf } from '../../balancer/admin/core/model/status.ts'
import { startStatusPage } from '../../balancer/admin/http/status-page.ts'
import { hashPassword } from '../../balancer/config/password-file.ts'
import { balancerSchema } from '../../balancer/config/schema.ts'
import { createAccounts } from '../../balancer/pool/core/accounts.ts'
import { createPool } from '../../balancer/pool/core/pool.ts'
import { failedCheck, healthFact } from '../balancer/pool/health-fact.ts'
import { run } from '../lab/command.ts'

const [listenerCount, serverCount, checkInterval, measureMillis] = [50, 20, 2000, 15_000]
const port = 18_889
const nanosPerMilli = 1e6

const directory = mkdtempSync(join(tmpdir(), 'balancer-bench-page-'))
const passwordFile = join(directory, 'password')
writeFileSync(passwordFile, await hashPassword('bench'), { mode: 0o600 })
const config = balancerSchema.parse({
  router_id: 'bench',
  listeners: Array.from({ length: listenerCount }, (_, i) => ({
    name: `mysql${i}`,
    bind: `198.18.0.100:${4000 + i}`,
    servers: Array.from({ length: serverCount }, (_, j) => ({ name: `db${j}`, address: `198.18.${i}.${j + 1}:3306` })),
  })),
  admin: {
    http: { bind: `127.0.0.1:${port}`, users: [{ name: 'admin', password_file: passwordFile, role: 'operator' }] },
  },
})
const pool = createPool()
const accounts = createAccounts()
const places = config.listeners.flatMap(({ name, servers }) => servers.map((server) => [name, server.name] as const))
const check = (listener: string, server: string): void => {
  const at = Date.now()
  const durationMs = 1 + Math.floor(Math.random() * 9)
  const lastCheck = { ...failedCheck('ok'), at, passed: true, status: 'L7OK' as const, code: 200, durationMs }
  const fact = { ...healthFact(server, { lastCheck, since: at - (at % 3_600_000) }), listener }
  pool.hear(fact)
  accounts.hear(fact, at)
}
for (const [listener, server] of places) check(listener, server)
let turn = 0
const everyMillis = 10
setInterval(() => {
  for (let i = 0; i < (places.length * everyMillis) / checkInterval; i += 1) {
    const place = places[turn % places.length]
    turn += 1
    if (place !== undefined) check(...place)
  }
}, everyMillis).unref()

const iso = (moment: number): string => new Date(moment).toISOString()
const page = await startStatusPage({
  http: config.admin.http,
  scene: (refusals) => {
    const now = Date.now()
    return {
      status: statusOf({ config, pool, accounts, version: 'bench', now, iso, startedAt: 0, refusals }),
      timeline: { events: [], now, iso },
      history: ({ name, servers }) =>
        historyOf(
          name,
          servers.map((server) => server.name),
          accounts,
          now,
        ),
    }
  },
  run: async () => ({ ok: true, text: '' }),
  log: pino({ level: 'silent' }),
})

const login = ['--silent', '--output', '/dev/null', '--user', 'admin:bench']
const address = `http://127.0.0.1:${port}/status`
const milliseconds = (nanos: number): string => (nanos / nanosPerMilli).toFixed(1)

/** CPU in percent of a core and the delays of the loop, while something goes on. */
const measure = async (title: string, work: () => Promise<unknown>): Promise<void> => {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const cpu = process.cpuUsage()
  const begun = performance.now()
  delay.enable()
  const result = await work()
  delay.disable()
  const { user, system } = process.cpuUsage(cpu)
  const percent = (((user + system) / 1000 / (performance.now() - begun)) * 100).toFixed(1)
  const late = `loop late by ${milliseconds(delay.percentile(99))} ms (99 of 100), ${milliseconds(delay.max)} ms at most`
  console.log(`${title}: ${percent} % of a core, ${late}${result === undefined ? '' : `; ${String(result)}`}`)
}

const ask = async (path: string): Promise<string> => {
  const words = ['--write-out', '%{time_total} s, %{size_download} bytes', ...login, `${address}${path}`]
  return (await run('curl', words)).stdout
}
await ask('')
await measure('nobody looks', () => wait(measureMillis))
await measure('a page', () => ask(''))
await measure('ten pages, one after another', async () => {
  const answers: string[] = []
  for (let i = 0; i < 10; i += 1) answers.push(await ask(''))
  return answers.toSorted()[5]
})
await measure('as JSON', () => ask('/json'))
for (const readers of [1, 16]) {
  const clients = Array.from({ length: readers }, () => spawn('curl', ['--no-buffer', ...login, `${address}/live`]))
  await wait(3000)
  await measure(`${readers} pages open`, () => wait(measureMillis))
  for (const client of clients) client.kill()
  await wait(1000)
}
page.stop()
rmSync(directory, { recursive: true })
