// Sessions that follow each other on a balancer with few local ports: how many a second, Debian's HAProxy and ours in turn.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { openSession, type Place, startHaproxy, startOurs } from '../e2e/sides.ts'
import { startForwarder } from '../lab/forwarder.ts'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { waitFor } from '../lab/wait-for.ts'

const ports = 60
const clients = 8
const rounds = 3
const roundMillis = 10_000
const listenPort = 4400

type Round = { readonly good: number; readonly failed: number }

const lab = await createLab({ name: 'bench-ports' })
try {
  const db = await lab.addHost('db', '198.18.0.11/24')
  const client = await lab.addHost('client', '198.18.0.9/24')
  const server = await startMariaDb({ lab, name: 'db', host: db })

  const placeOn = async (name: string, cidr: string): Promise<Place & { readonly host: Host }> => {
    const host = await lab.addHost(name, cidr)
    await host.run('sysctl', ['-qw', `net.ipv4.ip_local_port_range=40000 ${40_000 + ports - 1}`])
    const directory = join(lab.directory, `${name}-etc`)
    mkdirSync(directory)
    return { host, directory, spawn: host.spawn }
  }
  const [ours, theirs] = [await placeOn('ours', '198.18.0.2/24'), await placeOn('haproxy', '198.18.0.3/24')]
  const listener = {
    name: 'mysql',
    bind: `${ours.host.address}:${listenPort}`,
    check: { type: 'tcp', interval: '1s' },
    servers: [{ name: 'db', address: `${db.address}:3306` }],
  }
  await startOurs(ours, [listener], new Map())
  const section = `listen mysql\n  bind ${theirs.host.address}:${listenPort}\n  retries 3\n  server db ${db.address}:3306 check inter 1s`
  await startHaproxy(theirs, [section], new Map())
  const doorTo = async ({ host }: { readonly host: Host }): Promise<number> => {
    const { port } = await startForwarder(client, { target: { address: host.address, port: listenPort } })
    await waitFor(`a session through ${host.name}`, async () => (await openSession(port)).server !== '-')
    return port
  }
  const doors = { HAProxy: await doorTo(theirs), ours: await doorTo(ours) }

  const playRound = async (port: number): Promise<Round> => {
    let [good, failed] = [0, 0]
    const endsAt = performance.now() + roundMillis
    const work = async (): Promise<void> => {
      while (performance.now() < endsAt) {
        try {
          const { user, password } = appUser
          const session = await createConnection({
            host: '127.0.0.1',
            port,
            user,
            password,
            connectTimeout: roundMillis,
          })
          await session.query('SELECT 1')
          await session.end()
          good += 1
        } catch {
          failed += 1
        }
      }
    }
    await Promise.all(Array.from({ length: clients }, work))
    return { good, failed }
  }
  const aborted = async () =>
    Number(Object.values((await server.query("SHOW GLOBAL STATUS LIKE 'Aborted_clients'"))[0] ?? {})[1])

  process.stdout.write(
    `${ports} local ports, ${clients} clients: login, SELECT 1, goodbye; ${rounds} rounds of ${roundMillis / 1000} s each, in turn\n\n`,
  )
  const rates: Record<keyof typeof doors, number[]> = { HAProxy: [], ours: [] }
  for (let round = 1; round <= rounds; round += 1) {
    for (const side of ['HAProxy', 'ours'] as const) {
      const before = await aborted()
      const { good, failed } = await playRound(doors[side])
      const rate = good / (roundMillis / 1000)
      rates[side].push(rate)
      const row = [`round ${round}`, side.padEnd(7), `${rate.toFixed(1).padStart(7)} sessions/s`, `${failed} failed`]
      process.stdout.write(`${row.join('  ')}  ${(await aborted()) - before} aborted clients counted by MariaDB\n`)
    }
  }
  const ratios = rates.ours.map((rate, i) => rate / (rates.HAProxy[i] ?? Number.NaN)).toSorted((a, b) => a - b)
  const shown = ratios.map((ratio) => ratio.toFixed(1)).join(', ')
  process.stdout.write(`\nours by HAProxy: ${ratios[1]?.toFixed(1)} in the median of the rounds (${shown})\n`)
} finally {
  await lab.destroy()
}
process.exit(0)
