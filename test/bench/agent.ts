// The agent beside xinetd with the classic script, in one run on one MariaDB: CPU per check, how long answers take, and the
// memory over many checks. Rounds of both alternate, so that other work on the machine meets both alike.

import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { z } from 'zod'
import { startClassicScript } from '../lab/classic-script.ts'
import { createLab } from '../lab/lab.ts'
import { freePort, startMariaDb } from '../lab/mariadb.ts'
import { checkUser } from '../lab/mariadb-files.ts'
import { waitFor } from '../lab/wait-for.ts'
import { cpuMillis, isAlone, residentMiB } from './agent-cost.ts'
import { median, quantile, rounded, table } from './agent-figures.ts'
import { type loadOrder, loadResult } from './agent-load-process.ts'
import { startAgents } from './agents.ts'

const isShort = process.argv.includes('--short')
const plan = isShort
  ? { rounds: 3, roundSeconds: 3, latencyRounds: 3, latencySeconds: 3, part: 2500 }
  : { rounds: 9, roundSeconds: 5, latencyRounds: 15, latencySeconds: 4, part: 25_000 }
/** What xinetd lets through unless its cps is changed. */
const sharedRate = 50
const latencyRate = 200
const sustainedRate = 2000
const warmUp = 20_000
const parts = 4
const target = { ratio: 20, late99: 5 }

type Order = z.output<typeof loadOrder>
type Load = z.output<typeof loadResult>
const noLoad: Load = { took: [], seconds: 0, errors: {} }
type Side = { readonly name: string; readonly port: number; readonly pid: number }

const lab = await createLab({ name: 'bench-agent' })
const file = (name: string): string => join(lab.directory, name)
const server = await startMariaDb({ lab, name: 'db1' })
const [ourPort, theirPort] = [await freePort(), await freePort()]
writeFileSync(file('password'), `${checkUser.password}\n`, { mode: 0o600 })
// Bounds as the script's: per_source = UNLIMITED. All checks come from one address here.
writeFileSync(
  file('agent.yaml'),
  `listen: { address: 127.0.0.1, port: ${ourPort} }
mysql: { socket: ${server.socket}, client_address: none, user: ${checkUser.user}, password_file: ${file('password')} }
access: { max_connections: 4000, max_connections_per_source: 4000 }
force_fail_file: ${file('proxyoff')}
`,
)
const entry = fileURLToPath(new URL('../../agent/main.js', import.meta.url))
const daemon = lab.spawn('agent', process.execPath, [entry, '--config', file('agent.yaml')])
await daemon.waitForOutput(/Started, listening on/)
const classic = startClassicScript({ host: lab, directory: lab.directory, port: theirPort, socket: server.socket })
const load = fork(fileURLToPath(new URL('./agent-load-process.js', import.meta.url)), { serialization: 'advanced' })

const ask = (order: Order): Promise<Load> =>
  new Promise((resolve) => {
    load.once('message', (message) => resolve(loadResult.parse(message)))
    load.send(order)
  })
await waitFor('xinetd to answer', async () => (await ask({ port: theirPort, rate: 10, count: 1 })).took.length === 1)

const ours: Side = { name: 'mysqlchk-agent', port: ourPort, pid: daemon.pid }
const theirs: Side = { name: 'xinetd and the classic script', port: theirPort, pid: classic.process.pid }
const failures = (errors: Readonly<Record<string, number>>): number =>
  Object.values(errors).reduce((sum, count) => sum + count, 0)

/** One round of one side: CPU per check of the side's own processes and of MariaDB's, in milliseconds. */
const round = async ({ port, pid }: Side) => {
  const before = { side: cpuMillis(pid), server: cpuMillis(server.pid()) }
  const count = sharedRate * plan.roundSeconds
  const { took, errors } = await ask({ port, rate: sharedRate, count })
  // What the last checks started has to end and be reaped before it is counted.
  if (pid === theirs.pid) await waitFor('the scripts to end', () => isAlone(pid))
  return {
    cpu: (cpuMillis(pid) - before.side) / count,
    serverCpu: (cpuMillis(server.pid()) - before.server) / count,
    late50: median(took),
    late99: quantile(took, 0.99),
    failed: failures(errors),
  }
}
type Round = Awaited<ReturnType<typeof round>>

// A daemon runs for months: what it costs is measured when its code is compiled.
await ask({ port: ourPort, rate: sustainedRate, count: warmUp })
const rounds: { readonly ours: Round; readonly theirs: Round }[] = []
for (let i = 0; i < plan.rounds; i += 1) rounds.push({ theirs: await round(theirs), ours: await round(ours) })
const ratios = rounds.map((pair) => pair.theirs.cpu / pair.ours.cpu)
const rowOf = (name: string, side: readonly Round[]) => [
  name,
  rounded(median(side.map(({ cpu }) => cpu)), 2),
  rounded(median(side.map(({ serverCpu }) => serverCpu)), 2),
  rounded(median(side.map(({ late50 }) => late50)), 1),
  rounded(median(side.map(({ late99 }) => late99)), 1),
  side.reduce((sum, { failed }) => sum + failed, 0),
]
console.log(`${sharedRate} checks a second each, ${plan.rounds} rounds of ${plan.roundSeconds} s in turn, medians.`)
console.log('CPU: utime + stime of the process, its threads and all descendants, those that ended and were reaped too;')
console.log("the agent's includes its own probes in the background. MariaDB's CPU stands beside it.\n")
console.log(
  table(
    ['who', 'CPU ms per check', 'MariaDB CPU ms per check', 'median ms', '99 % ms', 'failed'],
    [
      rowOf(
        theirs.name,
        rounds.map((pair) => pair.theirs),
      ),
      rowOf(
        ours.name,
        rounds.map((pair) => pair.ours),
      ),
    ],
  ),
)
const met = (isMet: boolean): string => (isMet ? 'met' : 'MISSED')
const ratio = median(ratios)
console.log(
  `\nCPU per check, theirs / ours: median ${ratio.toFixed(1)}, ` +
    `rounds ${ratios.map((one) => one.toFixed(1)).join(' ')} (target ${target.ratio}: ${met(ratio >= target.ratio)})\n`,
)

// A bare HTTP server with a fixed answer shows what the machine's other work and the asking process itself add.
const bare = await startAgents()
const latency = { rate: latencyRate, count: latencyRate * plan.latencySeconds }
await ask({ port: bare.port, rate: sustainedRate, count: warmUp })
const lateRounds: Load[] = []
const bareRounds: Load[] = []
for (let i = 0; i < plan.latencyRounds; i += 1) {
  bareRounds.push(await ask({ port: bare.port, ...latency }))
  lateRounds.push(await ask({ port: ourPort, ...latency }))
}
bare.stop()
const p99 = ({ took }: Load): number => quantile(took, 0.99)
/** Rounds in which the machine let even the bare server answer in that time. */
const quiet = lateRounds.filter((_, i) => p99(bareRounds[i] ?? noLoad) < target.late99)

const cpuBefore = cpuMillis(ours.pid)
const resident = [residentMiB(ours.pid)]
const sustained: Load[] = []
for (let i = 0; i < parts; i += 1) {
  sustained.push(await ask({ port: ourPort, rate: sustainedRate, count: plan.part }))
  resident.push(residentMiB(ours.pid))
}
const sustainedCount = parts * plan.part
const sustainedCpu = (cpuMillis(ours.pid) - cpuBefore) / sustainedCount
const sustainedFailed = sustained.reduce((sum, { errors }) => sum + failures(errors), 0)
const row = (name: string, runs: readonly Load[]) => {
  const quantiles = (part: number): number => rounded(median(runs.map(({ took }) => quantile(took, part))), 2)
  const failed = runs.reduce((sum, { errors }) => sum + failures(errors), 0)
  return [name, runs.reduce((sum, { took }) => sum + took.length, failed), failed, ...[0.5, 0.99, 1].map(quantiles)]
}
const achieved = Math.round(sustainedCount / sustained.reduce((sum, { seconds }) => sum + seconds, 0))
console.log(
  table(
    ['medians of the rounds', 'checks', 'failed', 'median ms', '99 % ms', 'most ms'],
    [
      row(`${latencyRate} a second, the agent`, lateRounds),
      row(`${latencyRate} a second, a bare HTTP server`, bareRounds),
      row(`${achieved} a second, the agent`, sustained),
    ],
  ),
)
const late99 = median(quiet.map(p99))
console.log(
  `\n99 % of the agent's rounds at ${latencyRate} a second: ${lateRounds.map((one) => p99(one).toFixed(1)).join(' ')} ms. ` +
    `The bare server stayed below ${target.late99} ms in ${quiet.length} of ${lateRounds.length} rounds; the agent's median ` +
    `in those is ${late99.toFixed(1)} ms (target ${target.late99}: ${met(quiet.length > 0 && late99 < target.late99)})`,
)
console.log(
  `${sustainedRate} a second: ${met(sustainedFailed === 0 && achieved > sustainedRate * 0.98)}, ` +
    `${sustainedCpu.toFixed(2)} ms CPU per check; errors ${JSON.stringify(sustained.map(({ errors }) => errors))}`,
)
console.log(
  `Resident memory over ${sustainedCount} checks, at the start and after each ${plan.part}: ` +
    `${resident.map((one) => one.toFixed(1)).join(' ')} MiB`,
)
load.disconnect()
await lab.destroy()
