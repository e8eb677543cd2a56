// A primary and its replica, delayed and broken, and what a DBA does to them; each with its agent. One lab, in order.

import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser, checkUser } from '../lab/mariadb-files.ts'
import { waitFor } from '../lab/wait-for.ts'
import { startAgent } from './agent.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-agent-replica' })
t.teardown(() => lab.destroy())
const [host1, host2] = [await lab.addHost('db1', '198.18.0.11/24'), await lab.addHost('db2', '198.18.0.12/24')]
const binlog = { log_bin: 'binlog', binlog_format: 'ROW' }
const source = await startMariaDb({ lab, host: host1, name: 'db1', settings: { ...binlog, server_id: '1' } })
const replica = await startMariaDb({ lab, host: host2, name: 'db2', settings: { ...binlog, server_id: '2' } })
await source.query("CREATE USER repl@'198.18.0.%' IDENTIFIED BY 'lab-repl'")
await source.query("GRANT REPLICATION SLAVE ON *.* TO repl@'198.18.0.%'")
const [position] = await source.query('SHOW MASTER STATUS')
const follow = `CHANGE MASTER TO MASTER_HOST='${host1.address}', MASTER_USER='repl', MASTER_PASSWORD='lab-repl',
  MASTER_CONNECT_RETRY=1, MASTER_LOG_FILE='${position?.['File']}', MASTER_LOG_POS=${position?.['Position']}`
await replica.query(follow)
await replica.query('START SLAVE')
await source.query(`CREATE TABLE ${appUser.database}.t (id INT PRIMARY KEY)`)

const settings = 'check: { timeout: 10s, interval: 200ms, max_age: 100ms, max_replication_lag: 20s }'
const [primary, second] = [
  await startAgent(lab, host1, source, settings),
  await startAgent(lab, host2, replica, settings),
]

await t.test('without the grant a replica cannot be told from a server that stands alone', async (t) => {
  t.equal(await second.ask('/'), '200 ok')
  t.match((await second.report()).facts, { replication: /^not visible: error 1227: .*(SLAVE|REPLICATION)/ })
  t.equal(await second.ask('/replica'), '503 not-applicable', 'it takes writes, as far as can be seen')
})

await t.test('with it, the paths tell the roles apart', async (t) => {
  for (const server of [source, replica]) {
    for (const from of ['localhost', '127.0.0.1']) {
      await server.query(`GRANT SLAVE MONITOR ON *.* TO '${checkUser.user}'@'${from}'`)
    }
  }
  await replica.query('SET GLOBAL read_only=ON')
  // A login has the grants of its beginning.
  await replica.query(`KILL USER '${checkUser.user}'`)
  await source.query(`KILL USER '${checkUser.user}'`)
  await second.until('/replica', '200 ok')
  t.match(await second.report(), { mode: 'replica', role: 'replica', writable: false, lag_s: 0 })
  t.equal(await second.ask('/primary'), '503 read-only')
  t.equal(await second.ask('/replica?lag=0s'), '200 ok')
  await primary.until('/primary', '200 ok')
  t.equal(await primary.ask('/replica'), '503 not-applicable')
  for (const agent of [primary, second]) {
    for (const path of ['/galera', '/synced', '/ndb', '/group-replication']) {
      t.equal(await agent.ask(path), '503 not-applicable', path)
    }
  }
})

await t.test('read_only moves the primary', async (t) => {
  await source.query('SET GLOBAL read_only=ON')
  await primary.until('/writer', '503 read-only')
  t.equal(await primary.ask('/'), '200 ok')
  t.equal(await primary.ask('/reader'), '200 ok')
  await source.query('SET GLOBAL read_only=OFF')
  await primary.until('/master', '200 ok')
})

await t.test('a delayed replica fails beyond its bound, and every request may set its own', async (t) => {
  await replica.query('STOP SLAVE')
  await second.until('/', '503 replication-stopped')
  await replica.query('CHANGE MASTER TO MASTER_DELAY=300')
  await replica.query('START SLAVE')
  await source.query(`INSERT INTO ${appUser.database}.t VALUES (1)`)
  await waitFor('a lag', async () => ((await second.report()).lag_s ?? 0) >= 2)
  t.equal(await second.ask('/replica?lag=1s'), '503 replication-lag')
  t.equal(await second.ask('/replica?lag=1h'), '200 ok')
  t.equal(await second.ask('/'), '200 ok', 'within max_replication_lag')
  second.configure(settings.replace('20s', '1s'))
  second.process().signal('SIGHUP')
  await second.until('/', '503 replication-lag')
  t.equal(await second.ask('/replica?lag=1h'), '200 ok')
  second.configure(settings)
  second.process().signal('SIGHUP')
  await replica.query('STOP SLAVE')
  await replica.query('CHANGE MASTER TO MASTER_DELAY=0')
  await replica.query('START SLAVE')
  await second.until('/', '200 ok')
})

await t.test('a broken replica fails with the error of its thread', async (t) => {
  await replica.query(`INSERT INTO ${appUser.database}.t VALUES (2)`)
  await source.query(`INSERT INTO ${appUser.database}.t VALUES (2)`)
  await second.until('/', '503 replication-stopped')
  t.match((await second.report()).reason.text, /^the SQL thread is No: error 1062: a duplicate key$/)
  // The row stands in the error of the server: it is for the log, and for nobody who asks over the network.
  for (const path of ['/', '/replica', '/status', '/metrics', '/?accept=json']) {
    const words = ['-sS', '-i', '-H', 'Accept: application/json', `http://127.0.0.1:9222${path}`]
    t.notMatch((await host2.run('curl', words)).stdout, /Duplicate entry|INSERT|PRIMARY/, path)
  }
  await second.process().waitForOutput(/"level":40.*The server said of replication: .*Duplicate entry '2'/)
  await replica.query(`DELETE FROM ${appUser.database}.t WHERE id = 2`)
  await replica.query('START SLAVE')
  await second.until('/', '200 ok')
})

await t.test('several connections are judged by the worst of them', async (t) => {
  await replica.query(follow.replace('CHANGE MASTER TO', "CHANGE MASTER 'again' TO").replace('lab-repl', 'wrong'))
  await second.until('/', '503 replication-stopped')
  t.match((await second.report()).reason.text, /of again is No/)
  await replica.query("START SLAVE 'again'")
  await waitFor('the refused connection', async () =>
    /Connecting: error 1045/.test((await second.report()).reason.text),
  )
  t.equal(await second.ask('/'), '503 replication-stopped')
  await replica.query("STOP SLAVE 'again'")
  await replica.query("RESET SLAVE 'again' ALL")
  await second.until('/', '200 ok')
})

await t.test('a source that died leaves its read-only replica serving what it has, for a while', async (t) => {
  await source.kill9()
  await primary.until('/', '503 connection-refused')
  await waitFor('the notice', async () => /source has been away for \d+ s$/.test((await second.report()).reason.text))
  for (const path of ['/', '/replica']) t.equal(await second.ask(path), '200 ok', path)
  t.equal(await second.ask('/replica?lag=0s'), '503 replication-stopped', 'who asks for a bound wants nothing older')
  t.equal(await second.ask('/primary'), '503 read-only')
  second.configure(settings.replace('20s', '20s, max_source_absence: 1s'))
  second.process().signal('SIGHUP')
  await second.until('/', '503 replication-stopped')
  t.match((await second.report()).reason.text, /^the source has been away for \d+ s, allowed are 1 s/)
  second.configure(settings.replace('20s', '20s, max_source_absence: 0s'))
  second.process().signal('SIGHUP')
  await waitFor('none at all', async () => /I\/O thread is Connecting/.test((await second.report()).reason.text))
})

await t.test('a promoted replica is a primary, with replication waiting, stopped, broken or none', async (t) => {
  await replica.query('SET GLOBAL read_only=OFF')
  await second.until('/primary', '200 ok')
  t.equal(await second.ask('/'), '200 ok')
  t.equal(await second.ask('/replica'), '503 replication-stopped')
  await replica.query('STOP SLAVE')
  await waitFor('the notice', async () => /; the SQL thread is No/.test((await second.report()).reason.text))
  t.equal(await second.ask('/primary'), '200 ok')
  t.match((await second.report()).facts, { notice: 'the SQL thread is No' })
  await second.process().waitForOutput(/Node is UP, notice: the check query answers; the SQL thread is No/)
  second.configure(settings.replace('20s', '20s, writer_must_replicate: true'))
  second.process().signal('SIGHUP')
  for (const path of ['/', '/primary']) await second.until(path, '503 replication-stopped')
  await replica.query('RESET SLAVE ALL')
  await second.until('/primary', '200 ok')
  t.equal(await second.ask('/replica'), '503 not-applicable')
})
