// Sessions of sysbench that write and read without an end, and which of them are still the ones of the beginning.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Host } from './host.ts'
import type { LabProcess } from './lab-process.ts'
import type { MariaDb } from './mariadb.ts'
import { waitFor } from './wait-for.ts'

/** The account of the load and its database, apart from all others: its sessions can be told by it. */
const loadUser = { user: 'sbtest', password: 'lab-load-password', database: 'sbtest' }
const rate = 60
const quietLimit = 3000
const patience = 10_000
const lookInterval = 200

const words = (address: string, port: number): readonly string[] => [
  'oltp_read_write',
  `--mysql-host=${address}`,
  `--mysql-port=${port}`,
  `--mysql-user=${loadUser.user}`,
  `--mysql-password=${loadUser.password}`,
  `--mysql-db=${loadUser.database}`,
  '--mysql-ssl=off',
  '--tables=2',
  '--table-size=500',
]

/** Makes the account, the database and the tables on a server that runs on this host. */
export const prepareLoad = async (host: Host, server: MariaDb): Promise<void> => {
  const { user, password, database } = loadUser
  await server.query(`CREATE DATABASE ${database}`)
  await server.query(`GRANT ALL ON ${database}.* TO '${user}'@'198.18.0.%' IDENTIFIED BY '${password}'`)
  const { code, stdout, stderr } = await host.run('sysbench', [...words(host.address, server.port), 'prepare'])
  if (code !== 0) throw new Error(`sysbench prepare ended with ${code}: ${stdout}${stderr}`)
}

/** A running load. sysbench ends with the first session that it loses. */
export type Load = {
  /** How many of the sessions of the beginning are gone, or hang: have done nothing for seconds, for as long as one looks. */
  readonly lost: () => Promise<number>
  readonly stop: () => Promise<void>
}

const sessionsOf = async (servers: readonly MariaDb[]) => {
  const sql = `SELECT ID, TIME_MS FROM information_schema.PROCESSLIST WHERE USER = '${loadUser.user}'`
  const rows = await Promise.all(
    servers.map(async (server) =>
      // One that was killed has no sessions.
      server.process().isRunning() ? (await server.query(sql)).map((row) => ({ name: server.name, row })) : [],
    ),
  )
  return rows.flat().map(({ name, row }) => ({ id: `${name}/${row['ID']}`, quietMillis: Number(row['TIME_MS']) }))
}

/** Opens `count` sessions and returns when all work: 60 transactions a second together, so that a busy machine is no outage. */
export const startLoad = async (
  client: Host,
  target: { readonly address: string; readonly port: number },
  servers: readonly MariaDb[],
  count: number,
): Promise<Load> => {
  const how = [`--threads=${count}`, '--time=0', `--rate=${rate}`, 'run']
  const sysbench: LabProcess = client.spawn('sysbench', 'sysbench', [...words(target.address, target.port), ...how])
  const working = async (): Promise<readonly string[]> =>
    (await sessionsOf(servers)).filter(({ quietMillis }) => quietMillis < quietLimit).map(({ id }) => id)
  const first = await waitFor(`${count} sessions of sysbench to work`, async () => {
    const ids = await working()
    return !sysbench.isRunning() || ids.length === count ? ids : undefined
  })
  if (!sysbench.isRunning()) throw new Error(`sysbench ended:\n${sysbench.lines().slice(-20).join('\n')}`)
  return {
    lost: async () => {
      const until = performance.now() + patience
      for (;;) {
        const ids = new Set(await working())
        const lost = first.filter((id) => !ids.has(id)).length
        if (lost === 0 || !sysbench.isRunning() || performance.now() > until) return lost
        await sleep(lookInterval)
      }
    },
    stop: async () => {
      await sysbench.stop()
    },
  }
}
