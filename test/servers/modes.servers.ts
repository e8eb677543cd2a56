// Each mode with exactly the grants that agent/README.md names, on three versions; replicas with GTIDs, and pairs of them.

import t from 'tap'
import { openSession } from '../../agent/probe/session.ts'
import { createLab } from '../lab/lab.ts'
import { freePort, startMariaDb } from '../lab/mariadb.ts'
import { queryAsRoot, startRooted } from '../lab/server-root.ts'
import { waitFor } from '../lab/wait-for.ts'
import { chk, startHealthOf } from './agent.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'modes' })
t.teardown(lab.destroy)

type Rows = readonly Readonly<Record<string, unknown>>[]
type Server = {
  readonly name: string
  readonly socket: string
  readonly port: number
  readonly query: (...statements: readonly string[]) => Promise<Rows>
}

const startOld = async (id: number): Promise<Server> => {
  const settings = { server_id: `${id}`, log_bin: 'bin', log_slave_updates: 'ON', gtid_strict_mode: 'ON' }
  const server = await startMariaDb({ lab, name: `old${id}`, port: await freePort(), settings })
  return { ...server, query: (...statements) => queryAsRoot(server.socket, statements) }
}
const startMariaDb118 = async (id: number): Promise<Server> =>
  startRooted({
    lab,
    product: 'mariadb',
    name: `mariadb${id}`,
    port: await freePort(),
    settings: { 'server-id': `${id}`, 'log-bin': 'bin', 'log-slave-updates': 'ON', 'gtid-strict-mode': 'ON' },
  })
const adminPort = await freePort()
const startMysql = async (id: number): Promise<Server> =>
  startRooted({
    lab,
    product: 'mysql',
    name: `mysql${id}`,
    port: await freePort(),
    settings: {
      'server-id': `${id}`,
      'gtid-mode': 'ON',
      'enforce-gtid-consistency': 'ON',
      ...(id === 1 ? { 'admin-address': '127.0.0.1', 'admin-port': `${adminPort}` } : {}),
    },
  })

const followMysql = ({ port }: Server): readonly string[] => [
  `CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=${port}, SOURCE_USER='rpl', SOURCE_PASSWORD='rpl',
   SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1`,
  'START REPLICA',
]
const followMariaDb = ({ port }: Server): readonly string[] => [
  `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port}, MASTER_USER='rpl', MASTER_PASSWORD='rpl',
   MASTER_USE_GTID=slave_pos, MASTER_SSL_VERIFY_SERVER_CERT=0`,
  'START SLAVE',
]

const [mysql, mariadb, old] = await Promise.all([
  Promise.all([startMysql(1), startMysql(2)]),
  Promise.all([startMariaDb118(1), startMariaDb118(2)]),
  Promise.all([startOld(1), startOld(2)]),
])
const pairs = [
  { title: 'MySQL', pair: mysql, follow: followMysql, grant: 'REPLICATION CLIENT', stop: 'STOP REPLICA SQL_THREAD' },
  {
    title: 'MariaDB 11.8',
    pair: mariadb,
    follow: followMariaDb,
    grant: 'SLAVE MONITOR',
    stop: 'STOP SLAVE SQL_THREAD',
  },
  {
    title: 'MariaDB of this machine',
    pair: old,
    follow: followMariaDb,
    grant: 'SLAVE MONITOR',
    stop: 'STOP SLAVE SQL_THREAD',
  },
] as const

for (const { title, pair, follow, grant, stop } of pairs) {
  const [source, replica] = pair
  const start = stop.replace('STOP', 'START')

  t.test(`${title}: a check user without any grant is enough for a server that stands alone`, async (t) => {
    for (const server of pair) {
      // Not through replication: each server has its own.
      await server.query(
        'SET SESSION sql_log_bin = 0',
        ...(server.name.startsWith('old') ? [`DROP USER ${chk.user}@localhost`] : []),
        `CREATE USER ${chk.user}@localhost IDENTIFIED BY '${chk.password}'`,
        "CREATE USER rpl@'127.0.0.1' IDENTIFIED BY 'rpl'",
        "GRANT REPLICATION SLAVE ON *.* TO rpl@'127.0.0.1'",
      )
    }
    for (const mode of ['ping', 'auto'] as const) {
      const agent = startHealthOf(t, lab, source, `mode: ${mode}`)
      for (const path of ['/', '/primary']) t.equal(await agent.ask(path), '200 ok', path)
      for (const path of ['/galera', '/group-replication', '/ndb']) {
        t.equal(await agent.ask(path), '503 not-applicable', path)
      }
      t.match(await agent.ask('/replica'), /^503 /)
    }
    for (const mode of ['galera', 'group_replication', 'ndb'] as const) {
      const agent = startHealthOf(t, lab, source, `mode: ${mode}`)
      t.equal(await agent.ask('/'), '503 not-applicable', mode)
    }
  })

  t.test(`${title}: a replica with GTIDs, with the grant of the table and without it`, async (t) => {
    await replica.query(...follow(source), 'SET GLOBAL read_only = ON')
    const agent = startHealthOf(t, lab, replica, 'mode: replica, max_replication_lag: 5s')
    await agent.until('/', '503 access-denied')
    await replica.query('SET SESSION sql_log_bin = 0', `GRANT ${grant} ON *.* TO ${chk.user}@localhost`)
    // A global privilege holds from the next login.
    const [granted, auto] = [
      startHealthOf(t, lab, replica, 'mode: replica, max_replication_lag: 5s'),
      startHealthOf(t, lab, replica, 'mode: auto'),
    ]
    const grants = (await replica.query(`SHOW GRANTS FOR ${chk.user}@localhost`)).flatMap((row) => Object.values(row))
    t.equal(grants.length, 1)
    t.match(String(grants[0]), new RegExp(`^GRANT ${grant} ON \\*\\.\\* TO`))
    await source.query(
      'CREATE DATABASE IF NOT EXISTS app',
      'CREATE TABLE app.t (n INT PRIMARY KEY)',
      'INSERT INTO app.t VALUES (1)',
    )
    for (const one of [granted, auto]) {
      for (const path of ['/', '/replica', '/replica?lag=5s']) await one.until(path, '200 ok')
      t.equal(await one.ask('/primary'), '503 read-only')
    }
    await waitFor('the row on the replica', async () => (await replica.query('SELECT n FROM app.t')).length === 1)
    await replica.query(stop)
    for (const path of ['/', '/replica']) await granted.until(path, '503 replication-stopped')
    await replica.query(start)
    await granted.until('/replica', '200 ok')
  })

  t.test(`${title}: two that replicate from each other are primaries and replicas both`, async (t) => {
    await replica.query('SET GLOBAL read_only = OFF')
    await source.query(
      'SET SESSION sql_log_bin = 0',
      `GRANT ${grant} ON *.* TO ${chk.user}@localhost`,
      ...follow(replica),
    )
    await replica.query('INSERT INTO app.t VALUES (2)')
    await waitFor('the row to come back', async () => (await source.query('SELECT n FROM app.t')).length === 2)
    for (const server of pair) {
      const agent = startHealthOf(t, lab, server, 'mode: auto')
      for (const path of ['/', '/primary', '/replica']) await agent.until(path, '200 ok')
    }
  })

  t.test(`${title}: the heartbeat with the grant of the table`, async (t) => {
    await source.query(
      'CREATE DATABASE mysqlchk',
      'CREATE TABLE mysqlchk.heartbeat (node VARCHAR(255) PRIMARY KEY, beat_at TIMESTAMP(6) NOT NULL)',
    )
    const heartbeat = 'heartbeat: { table: mysqlchk.heartbeat, interval: 100ms }'
    const denied = startHealthOf(t, lab, source, heartbeat)
    await denied.until('/', '503 write-failed')
    await source.query(
      'SET SESSION sql_log_bin = 0',
      `GRANT SELECT, INSERT, UPDATE ON mysqlchk.heartbeat TO ${chk.user}@localhost`,
    )
    await denied.until('/', '200 ok')
    t.match(await source.query('SELECT COUNT(*) AS n FROM mysqlchk.heartbeat'), [{ n: 1 }])
  })
}

t.test("MySQL's admin_port wants SERVICE_CONNECTION_ADMIN", async (t) => {
  const target = { kind: 'tcp', host: '127.0.0.1', port: adminPort } as const
  const logIn = async (): Promise<string> => {
    const session = openSession(target, { user: 'admin', password: () => 'x', tls: null })
    const refused = await session.login()
    session.end()
    return refused?.code ?? 'in'
  }
  await mysql[0].query('SET SESSION sql_log_bin = 0', "CREATE USER admin@'127.0.0.1' IDENTIFIED BY 'x'")
  t.equal(await logIn(), 'access-denied')
  await mysql[0].query('SET SESSION sql_log_bin = 0', "GRANT SERVICE_CONNECTION_ADMIN ON *.* TO admin@'127.0.0.1'")
  t.equal(await logIn(), 'in')
})
