// What stands around two balancer hosts: a MariaDB that clients may use, and those clients.

import type { Host } from '../lab/host.ts'
import type { Lab } from '../lab/lab.ts'
import type { LabProcess } from '../lab/lab-process.ts'
import { waitFor } from '../lab/wait-for.ts'
import { bootMachine, type Machine, type System, waitForUnit } from './system.ts'

/** The address that clients know. */
export const virtualAddress = '198.18.0.100'

/** The application's account, which may come in from the balancers. */
export const application = { user: 'app', password: 'lab-app-password', database: 'sbtest' }

/** Makes the application's account on a database host as soon as MariaDB runs there. */
const addApplication = async (db: Machine): Promise<void> => {
  await waitForUnit(db, 'mariadb.service', { ActiveState: 'active' })
  const { user, password, database } = application
  const sql = `CREATE DATABASE ${database}; GRANT ALL ON ${database}.* TO '${user}'@'198.18.0.%' IDENTIFIED BY '${password}';`
  await db.mustRun('mariadb', [], { input: sql })
}

/** Boots two balancer hosts and a database host that the application may use, with the client's host beside them. */
export const bootSite = async (lab: Lab, system: System) => {
  const [lb1, lb2, db1] = await Promise.all([
    bootMachine({ lab, system, name: 'lb1', cidr: '198.18.0.2/24' }),
    bootMachine({ lab, system, name: 'lb2', cidr: '198.18.0.3/24' }),
    bootMachine({ lab, system, name: 'db1', cidr: '198.18.0.11/24', withServer: true }),
  ])
  const client = await lab.addHost('client', '198.18.0.200/24')
  await addApplication(db1)
  return { lb1, lb2, db1, client }
}

/** One row over the virtual address, as the application: the name of the host that answered. */
export const queryThrough = async (client: Host): Promise<string> => {
  const { user, password } = application
  const words = [`--host=${virtualAddress}`, `--user=${user}`, '--batch', '--skip-column-names', '--connect-timeout=3']
  const { stdout, stderr } = await client.run('mariadb', [...words, '--execute=SELECT @@hostname'], {
    env: { MYSQL_PWD: password },
  })
  return `${stdout}${stderr}`.trim()
}

const sysbench = (client: Host, words: readonly string[]): LabProcess => {
  const { user, password, database } = application
  const to = [`--mysql-host=${virtualAddress}`, `--mysql-user=${user}`, `--mysql-password=${password}`]
  const how = [`--mysql-db=${database}`, '--mysql-ssl=off', '--tables=2', '--table-size=500']
  return client.spawn('sysbench', 'sysbench', ['oltp_read_write', ...to, ...how, ...words])
}

/** Makes the tables of sysbench over the virtual address. */
export const prepareLoad = async (client: Host): Promise<void> => {
  const preparing = sysbench(client, ['prepare'])
  const { code } = await preparing.exited
  if (code !== 0) throw new Error(`sysbench prepare ended with ${code}: ${preparing.lines().join('\n')}`)
}

/**
 * Starts sessions that work without a pause; returns when the first second of work is reported. sysbench ends with an error
 * when any of them is lost.
 */
export const startLoad = async (client: Host, sessions: number): Promise<LabProcess> => {
  const load = sysbench(client, [`--threads=${sessions}`, '--time=0', '--report-interval=1', '--rate=100', 'run'])
  await load.waitForOutput(/\[ 1s \] thds: /)
  return load
}

/** The numbers of the application's sessions on the server, in order: a session that was opened anew has another one. */
export const sessionsOf = async (db: Machine): Promise<readonly number[]> => {
  const sql = `SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '${application.user}' ORDER BY ID`
  const text = await db.mustRun('mariadb', ['--batch', '--skip-column-names', `--execute=${sql}`])
  return text.trim().split('\n').filter(Boolean).map(Number)
}

/** Every change of the virtual address on a host since now, as `ip monitor` tells it; a lease that is renewed is none. */
export const watchAddress = async (host: Host): Promise<() => readonly string[]> => {
  const monitor = host.spawn('address-monitor', 'ip', ['-oneline', 'monitor', 'address'])
  // It says nothing by itself: another address tells that it listens.
  const probe = '198.18.1.1/32'
  await waitFor('ip monitor to listen', async () => {
    await host.run('ip', ['address', 'replace', probe, 'dev', 'lo'])
    await host.run('ip', ['address', 'delete', probe, 'dev', 'lo'])
    return monitor.lines().some((line) => line.includes(probe))
  })
  return () => monitor.lines().filter((line) => line.includes(` ${virtualAddress}/`))
}
