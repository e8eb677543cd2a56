import { createConnection } from 'mysql2/promise'
import t from 'tap'
import { startGalera } from './galera-cluster.ts'
import { createLab } from './lab.ts'
import { freePort, startMariaDb } from './mariadb.ts'
import { appUser, checkUser } from './mariadb-files.ts'

t.setTimeout(600_000)

t.test('a server on the machine itself starts, stops, is killed and keeps its data', async (t) => {
  const lab = await createLab({ name: 'mariadb' })
  t.teardown(lab.destroy)
  const server = await startMariaDb({ lab, name: 'db', settings: { max_connections: '77' } })
  t.same(await server.query('SELECT @@max_connections AS n'), [{ n: 77 }])
  await server.query('CREATE TABLE app.kept (n INT) ENGINE=InnoDB')
  await server.stop()
  t.same(await server.process().exited, { code: 0, signal: null }, 'a clean stop')
  await server.start()
  const before = server.pid()
  await server.kill9()
  await server.start()
  t.not(server.pid(), before)
  t.same(await server.query("SHOW TABLES FROM app LIKE 'kept'"), [{ 'Tables_in_app (kept)': 'kept' }])
})

t.test('its users log in over TCP and may do no more than they need', async (t) => {
  const lab = await createLab({ name: 'users' })
  t.teardown(lab.destroy)
  const port = await freePort()
  await startMariaDb({ lab, name: 'db', port })
  const grants = async (account: { user: string; password: string }): Promise<readonly string[]> => {
    const connection = await createConnection({ host: '127.0.0.1', port, ...account })
    const [rows] = await connection.query('SHOW GRANTS')
    await connection.end()
    return Array.isArray(rows) ? rows.flatMap((row) => Object.values(row)).map(String) : []
  }
  t.match(await grants(checkUser), [/^GRANT USAGE ON \*\.\* /])
  t.match(await grants(appUser), [/^GRANT USAGE ON \*\.\* /, /^GRANT ALL PRIVILEGES ON `app`\.\* /])
})

t.test('a server that cannot start says why', async (t) => {
  const lab = await createLab({ name: 'refused' })
  t.teardown(lab.destroy)
  await t.rejects(startMariaDb({ lab, name: 'db', settings: { no_such_setting: '1' } }), /unknown variable/)
})

t.test('three hosts become a Galera cluster', async (t) => {
  const lab = await createLab({ name: 'galera' })
  t.teardown(lab.destroy)
  for (const n of [1, 2, 3]) await lab.addHost(`db${n}`, `198.18.0.1${n}/24`)
  const [first, , third] = await startGalera(lab, lab.hosts(), { onProgress: (line) => t.comment(line) })
  await first?.query('CREATE TABLE app.shared (n INT PRIMARY KEY)')
  await first?.query('INSERT INTO app.shared VALUES (42)')
  await third?.query('SET GLOBAL wsrep_sync_wait = 1')
  t.same(await third?.query('SELECT n, @@hostname AS host FROM app.shared'), [{ n: 42, host: 'db3' }])
})
