// Group Replication of three real servers, and what the agent says in each state of a member.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import t from 'tap'
import { setupHere } from '../agent/setup/here.ts'
import { createLab } from '../lab/lab.ts'
import { type RootedServer, startRooted } from '../lab/server-root.ts'
import { waitFor } from '../lab/wait-for.ts'
import { chk, startLocalAgent } from './agent.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'group' })
t.teardown(lab.destroy)

const addresses = ['198.18.0.11', '198.18.0.12', '198.18.0.13']
const local = (address: string): string => `${address}:33061`
const start = async (i: number): Promise<RootedServer> => {
  const address = addresses[i] ?? ''
  const host = await lab.addHost(`db${i + 1}`, `${address}/24`)
  const settings = {
    'server-id': `${i + 1}`,
    'gtid-mode': 'ON',
    'enforce-gtid-consistency': 'ON',
    'report-host': address,
    'plugin-load-add': 'group_replication.so',
    'loose-group-replication-group-name': 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
    'loose-group-replication-start-on-boot': 'OFF',
    'loose-group-replication-local-address': local(address),
    'loose-group-replication-group-seeds': addresses.map(local).join(','),
    'loose-group-replication-ip-allowlist': '198.18.0.0/15',
    'loose-group-replication-recovery-get-public-key': 'ON',
    'loose-group-replication-recovery-reconnect-interval': '1',
  }
  return startRooted({ lab, product: 'mysql', name: `db${i + 1}`, host, port: 3306, settings })
}
const recovery = (password: string): string =>
  `CHANGE REPLICATION SOURCE TO SOURCE_USER='rpl', SOURCE_PASSWORD='${password}' FOR CHANNEL 'group_replication_recovery'`
const state = async (server: RootedServer): Promise<string> => {
  const [row] = await server.query(
    'SELECT MEMBER_STATE AS state FROM performance_schema.replication_group_members WHERE MEMBER_ID = @@server_uuid',
  )
  return String(row?.['state'])
}
const settles = (server: RootedServer, wanted: string): Promise<boolean> =>
  waitFor(`${server.name} to be ${wanted}`, async () => (await state(server)) === wanted)

const [one, two, three] = await Promise.all([start(0), start(1), start(2)])
const bound = 'timeout: 2s, max_replication_lag: 2s'
const [first, second, third] = await Promise.all([
  startLocalAgent(lab, 'db1', one, bound),
  startLocalAgent(lab, 'db2', two, bound),
  startLocalAgent(lab, 'db3', three, bound),
])

t.test('a server that has not joined yet is no member that serves', async (t) => {
  // Users as an operator makes them before the group is there: on each member, and not through the group.
  const grants = ['replication_group_members', 'replication_group_member_stats'].map(
    (table) => `GRANT SELECT ON performance_schema.${table} TO ${chk.user}@localhost`,
  )
  for (const server of [one, two, three]) {
    await server.query(
      'SET SESSION sql_log_bin = 0',
      `CREATE USER ${chk.user}@localhost IDENTIFIED BY '${chk.password}'`,
      ...grants,
      "CREATE USER rpl@'%' IDENTIFIED BY 'rpl'",
      "GRANT REPLICATION SLAVE, GROUP_REPLICATION_STREAM ON *.* TO rpl@'%'",
      recovery(server === three ? 'wrong' : 'rpl'),
    )
  }
  await first.until('/', '503 not-online')
  t.match(await first.reason('/'), /MEMBER_STATE is OFFLINE/)
  t.equal(await first.ask('/primary'), '503 not-online')
})

t.test('the primary takes writes, a secondary reads, with the grants of the table and no more', async (t) => {
  await one.query(
    'SET GLOBAL group_replication_bootstrap_group = ON',
    'START GROUP_REPLICATION',
    'SET GLOBAL group_replication_bootstrap_group = OFF',
  )
  await settles(one, 'ONLINE')
  await one.query('CREATE DATABASE app', 'CREATE TABLE app.t (n INT PRIMARY KEY)')
  await two.query('START GROUP_REPLICATION')
  await settles(two, 'ONLINE')
  for (const path of ['/', '/primary', '/writer', '/group-replication']) await first.until(path, '200 ok')
  for (const path of ['/', '/replica', '/reader?lag=10s', '/group-replication']) await second.until(path, '200 ok')
  for (const path of ['/replica', '/replica?lag=5s']) t.equal(await first.ask(path), '503 not-applicable')
  t.equal(await second.ask('/primary'), '503 read-only')
  t.equal(await second.ask('/galera'), '503 not-applicable')
})

t.test('a member that recovers does not serve, and serves when it has', async (t) => {
  await three.query('START GROUP_REPLICATION')
  await third.until('/', '503 not-online')
  t.match(await third.reason('/'), /MEMBER_STATE is RECOVERING/)
  t.equal(await third.ask('/replica'), '503 not-online')
  t.equal(await first.ask('/'), '200 ok', 'the others go on')
  await three.query('STOP GROUP_REPLICATION', recovery('rpl'), 'START GROUP_REPLICATION')
  await third.until('/replica', '200 ok')
})

t.test('a secondary whose applier stands still is lagging, though it is ONLINE', async (t) => {
  const blocker = await createConnection({ socketPath: two.socket, user: 'root' })
  await blocker.query('FLUSH TABLES WITH READ LOCK')
  for (let n = 0; n < 5; n += 1) await one.query(`INSERT INTO app.t VALUES (${n})`)
  await second.until('/replica?lag=1s', '503 replication-lag')
  await second.until('/', '503 replication-lag')
  t.match(await second.reason('/'), /the applier is \d+\.\d s behind \(\d+ transactions wait\), allowed are 2 s/)
  t.equal(
    await second.ask('/replica?lag=1h'),
    '200 ok',
    'a bound of the request comes in the place of the configured one',
  )
  t.equal(await second.ask('/group-replication'), '200 ok', 'its membership is what it was')
  t.equal(await third.ask('/replica?lag=1s'), '200 ok')
  await blocker.end()
  await second.until('/replica?lag=1s', '200 ok')
})

t.test('a bound on the queue of the applier needs no time', async (t) => {
  const bounded = await startLocalAgent(lab, 'db2-bounded', two, 'timeout: 2s, queues: { max_apply: 3 }')
  await bounded.until('/', '200 ok')
  const blocker = await createConnection({ socketPath: two.socket, user: 'root' })
  await blocker.query('FLUSH TABLES WITH READ LOCK')
  for (let n = 10; n < 20; n += 1) await one.query(`INSERT INTO app.t VALUES (${n})`)
  await bounded.until('/', '503 replication-lag')
  t.match(await bounded.reason('/'), /\d+ transactions wait to be applied, allowed are 3/)
  await blocker.end()
  await bounded.until('/', '200 ok')
})

t.test('a server in offline_mode is out at once, for a user who may still log in too', async (t) => {
  await three.query('SET GLOBAL offline_mode = ON')
  await third.until('/', '503 maintenance-mode')
  await third.until('/replica', '503 maintenance-mode')
  await one.query(`GRANT CONNECTION_ADMIN ON *.* TO ${chk.user}@localhost`)
  await third.until('/', '503 maintenance-mode')
  await waitFor('the login of an administrator', async () => /offline_mode is ON/.test(await third.reason('/')))
  await three.query('SET GLOBAL offline_mode = OFF')
  await one.query(`REVOKE CONNECTION_ADMIN ON *.* FROM ${chk.user}@localhost`)
  await third.until('/', '200 ok')
  t.equal(await third.ask('/replica'), '200 ok')
})

t.test('setup-user makes a user for the group on its primary, and never on a secondary', async (t) => {
  const setup = (server: RootedServer, words: readonly string[]) => {
    const file = join(lab.directory, `${server.name}-setup.yaml`)
    writeFileSync(
      file,
      `mysql: { socket: ${server.socket}, client_address: none, user: setupusr, password_credential: password }\n`,
    )
    return setupHere(file, words)
  }
  const password = join(lab.directory, 'db1-setup.password')
  t.match(await setup(two, ['--apply']), {
    code: 1,
    stderr: /^Users are not made here: it is a SECONDARY of its group/,
  })
  const made = await setup(one, ['--apply'])
  t.match(made, { code: 0, stdout: /a member of a replication group; check\.mode: auto/ })
  const grants = await one.query('SHOW GRANTS FOR setupusr@localhost')
  t.same(
    grants.flatMap((row) => Object.values(row)).map((text) => String(text).replaceAll('`', '')),
    [
      'GRANT USAGE ON *.* TO setupusr@localhost',
      'GRANT SELECT ON performance_schema.replication_group_member_stats TO setupusr@localhost',
      'GRANT SELECT ON performance_schema.replication_group_members TO setupusr@localhost',
    ],
  )
  await waitFor('the user on the secondary', async () => {
    const rows = await two.query("SELECT 1 FROM mysql.tables_priv WHERE User = 'setupusr'")
    return rows.length === 2
  })
  t.match(await setup(two, ['--apply']), { code: 1, stderr: /^setupusr is on this server already/ })
  t.match(await setup(two, ['--apply', '--password-from', password]), { code: 0, stdout: /there already/ })
})

t.test('a member that left does not serve', async (t) => {
  await three.query('STOP GROUP_REPLICATION')
  await third.until('/', '503 not-online')
  t.match(await third.reason('/replica'), /MEMBER_STATE is OFFLINE/)
  await three.query('START GROUP_REPLICATION')
  await third.until('/', '200 ok')
})

t.test('without its majority no member serves, and one that is forced to go on alone does', async (t) => {
  await Promise.all([one.kill9(), two.kill9()])
  await third.until('/', '503 no-majority')
  t.equal(await third.ask('/replica'), '503 no-majority')
  t.equal(await third.ask('/group-replication'), '503 no-majority')
  await first.until('/', '503 connection-refused')
  await three.query(`SET GLOBAL group_replication_force_members = '${local(addresses[2] ?? '')}'`)
  await waitFor('the members to be forced', async () => {
    await three.query("SET GLOBAL group_replication_force_members = ''")
    return true
  })
  await third.until('/primary', '200 ok')
  t.equal(await third.ask('/replica'), '503 not-applicable')
})
