// Where clients come in and whether they get in, with the default of mysql.client_address, on MySQL 9.7 and MariaDB 11.8.

import { createConnection } from 'mysql2/promise'
import t from 'tap'
import { type Agent, startAgent } from '../e2e/agent.ts'
import { createLab } from '../lab/lab.ts'
import { checkUser } from '../lab/mariadb-files.ts'
import { type RootedServer, startRooted } from '../lab/server-root.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'doors' })
t.teardown(lab.destroy)
const quick = 'timeout: 2s, interval: 200ms, max_age: 100ms'

const begin = async (product: 'mysql' | 'mariadb', address: string, settings: Readonly<Record<string, string>>) => {
  const host = await lab.addHost(product, `${address}/24`)
  const server = await startRooted({ lab, product, name: product, host, port: 3306, settings })
  await server.query(
    'CREATE USER app@localhost',
    ...['localhost', '127.0.0.1', address].map(
      (from) => `CREATE USER ${checkUser.user}@'${from}' IDENTIFIED BY '${checkUser.password}'`,
    ),
  )
  return { host, server, address }
}
const mysqlSettings = { 'admin-address': '127.0.0.1', 'admin-port': '33062' }
const mariadbSettings = { 'extra-port': '3307', 'extra-max-connections': '3' }
const [mysql, mariadb] = await Promise.all([
  begin('mysql', '198.18.0.11', mysqlSettings),
  begin('mariadb', '198.18.0.12', mariadbSettings),
])
type Place = typeof mysql
type Tap = Pick<typeof t, 'equal' | 'match' | 'ok'>

const loginAt = ({ server }: Place, more: string): string =>
  `mysql: { socket: ${server.socket}, user: ${checkUser.user}, password: ${checkUser.password}, ${more} }`
const reconfigured = async (agent: Agent, settings: string): Promise<void> => {
  const lines = (): readonly string[] =>
    agent
      .process()
      .lines()
      .filter((line) => /Reloaded,/.test(line))
  const before = lines().length
  agent.configure(settings)
  agent.process().signal('SIGHUP')
  await waitFor('the reload', () => lines().length > before)
}
const fact = async (agent: Agent, name: string): Promise<string> => String((await agent.report()).facts[name])
const probes = async ({ host }: Agent): Promise<number> => {
  const { stdout } = await host.run('curl', ['-sS', 'http://127.0.0.1:9222/metrics'])
  return Number(/^mysqlchk_probe_duration_seconds_count(?:\{.*\})? (\d+)$/m.exec(stdout)?.[1])
}
const status = async (server: RootedServer, name: string): Promise<number> =>
  Number((await server.query(`SHOW GLOBAL STATUS LIKE '${name}'`))[0]?.['Value'])

/** Both servers at once: they mostly wait. */
const onEach = (name: string, test: (t: Tap, place: Place) => Promise<void>): void => {
  t.test(name, async (t) => {
    await Promise.all([mysql, mariadb].map((place) => test(t, place)))
  })
}

onEach('a server that answers over its socket fails where clients do not come in', async (t, place) => {
  const { host, server, address } = place
  const agent = await startAgent(lab, host, server, `check: { ${quick} }`)
  await agent.until('/', '200 ok')
  t.equal(await fact(agent, 'client_address'), `${address}:3306 lets the check user in`)
  const table: readonly [Readonly<Record<string, string>>, RegExp][] = [
    [{ 'skip-networking': 'ON' }, /^skip_networking is ON$/],
    [{ 'bind-address': '127.0.0.1' }, /^bind_address is an address of this host alone$/],
    // MySQL switches networking off with it.
    [{ 'skip-grant-tables': 'ON' }, /skip-grant-tables|skip_networking is ON/],
  ]
  for (const [settings, text] of table) {
    await server.kill9()
    await agent.until('/', '503 connection-refused')
    await server.start(settings)
    await agent.until('/', '503 closed-to-clients')
    const { reason, certainty } = await agent.report()
    t.match(reason.text, text)
    t.equal(certainty, 'hard')
    for (const path of ['/primary', '/replica']) t.match(await agent.ask(path), /^503 /, path)
  }

  await server.kill9()
  await server.start({ port: '3310' })
  await agent.until('/', '200 ok')
  t.equal(await fact(agent, 'client_address'), `${address}:3310 lets the check user in`, 'the port of its own')
  await reconfigured(agent, `check: { ${quick} }\n${loginAt(place, `client_address: '${address}:3306'`)}`)
  await agent.until('/', '503 closed-to-clients')
  t.match((await agent.report()).reason.text, new RegExp(`^${address}:3306: connect ECONNREFUSED`))
  await server.kill9()
  await server.start()
  await agent.until('/', '200 ok')
  await agent.process().stop()
})

onEach('a check user for localhost alone is no failure, and is refused once', async (t, { host, server, address }) => {
  await server.query(`RENAME USER ${checkUser.user}@'${address}' TO elsewhere@'${address}'`)
  const before = await status(server, 'Aborted_connects')
  const agent = await startAgent(lab, host, server, `check: { ${quick}, login_interval: 0s }`)
  const begun = await probes(agent)
  await waitFor('ten probes', async () => (await probes(agent)) >= begun + 10)
  t.equal(await agent.ask('/'), '200 ok')
  t.match(await fact(agent, 'client_address'), /answers, and does not let the check user in: error 1(045|130)/)
  t.ok((await status(server, 'Aborted_connects')) - before <= 1)
  await server.query(`RENAME USER elsewhere@'${address}' TO ${checkUser.user}@'${address}'`)
  await reconfigured(agent, `check: { ${quick}, login_interval: 0s }`)
  const isLetIn = async (): Promise<boolean> => /lets the check user in$/.test(await fact(agent, 'client_address'))
  t.ok(await waitFor('the login after a reload', isLetIn))
  await agent.process().stop()
})

/** Takes all connections that clients can have; asks on until the agent has seen it five times in a row. */
const crowd = async (agent: Agent, { socket, query }: RootedServer): Promise<() => Promise<void>> => {
  await query('SET GLOBAL max_connections = 10')
  const held: Awaited<ReturnType<typeof createConnection>>[] = []
  let inRow = 0
  const isFull = async (): Promise<boolean> => {
    inRow = (await agent.ask('/')) === '503 too-many-connections' ? inRow + 1 : 0
    if (inRow > 0) return inRow === 5
    await createConnection({ socketPath: socket, user: 'app' }).then(
      (connection) => held.push(connection),
      () => undefined,
    )
    return false
  }
  await waitFor('a full table', isFull, { interval: 120 })
  return async () => {
    await Promise.all(held.map((connection) => connection.end()))
    await query('SET GLOBAL max_connections = 100')
  }
}
const clientError = async (socketPath: string): Promise<unknown> => {
  try {
    const connection = await createConnection({ socketPath, user: 'app' })
    await connection.end()
    return 'in'
  } catch (error) {
    return error instanceof Error && 'errno' in error ? error.errno : error
  }
}
const rootGetsIn = (server: RootedServer): Promise<boolean> =>
  waitFor('root to get in', async () => (await server.query('SELECT 1')).length === 1)

t.test('MySQL: with admin_port the agent is there alone, and leaves the reserved connection to root', async (t) => {
  const { host, server, address } = mysql
  for (const from of ['localhost', '127.0.0.1', address]) {
    await server.query(`GRANT SERVICE_CONNECTION_ADMIN ON *.* TO ${checkUser.user}@'${from}'`)
  }
  const settings = `check: { ${quick}, login_interval: 0s }\n${loginAt(mysql, 'admin_port: 33062')}`
  const agent = await startAgent(lab, host, server, settings)
  await agent.until('/', '200 ok')
  t.match(await fact(agent, 'check_user'), /can take the connection that is reserved/)
  const logins = await server.query(
    `SELECT DISTINCT SUBSTRING_INDEX(HOST, ':', 1) AS place FROM performance_schema.processlist WHERE USER = '${checkUser.user}'`,
  )
  t.notMatch(JSON.stringify(logins), 'localhost', 'nothing of it comes over the socket')

  const leave = await crowd(agent, server)
  t.match((await agent.report()).reason.text, /^all 10 connections are taken$/)
  t.equal(await clientError(server.socket), 1040)
  for (let i = 0; i < 5; i += 1) {
    t.ok(await rootGetsIn(server))
    t.equal(await agent.ask('/'), '503 too-many-connections')
  }
  // One that starts now finds the same, by the counters.
  t.match((await agent.command('once')).output, /503 .*\n[\s\S]*too-many-connections/)
  t.ok(await rootGetsIn(server))
  await leave()
  await agent.until('/', '200 ok')
  t.equal(await clientError(server.socket), 'in')

  // The same user over the socket, where the reserved connection could be had.
  await reconfigured(agent, `check: { ${quick}, login_interval: 0s }\n${loginAt(mysql, '')}`)
  await agent.until('/', '200 ok')
  const leaveAgain = await crowd(agent, server)
  for (let i = 0; i < 5; i += 1) {
    t.ok(await rootGetsIn(server))
    t.equal(await agent.ask('/'), '503 too-many-connections')
  }
  await leaveAgain()
  await agent.process().stop()
})

t.test('MariaDB: the extra port looks behind a full table, and does not hide it', async (t) => {
  const { host, server } = mariadb
  const agent = await startAgent(
    lab,
    host,
    server,
    `check: { ${quick}, login_interval: 0s }\n${loginAt(mariadb, 'extra_port: 3307')}`,
  )
  await agent.until('/', '200 ok')
  const leave = await crowd(agent, server)
  t.equal(await clientError(server.socket), 1040)
  await agent.process().stop()
  // Its places go to clients: the next one has to come in anew.
  const others: Awaited<ReturnType<typeof createConnection>>[] = []
  const isTaken = async (): Promise<boolean> => {
    const connection = await createConnection({ socketPath: server.socket, user: 'app' }).catch(() => null)
    if (connection !== null) others.push(connection)
    return connection === null
  }
  await waitFor('a full table', isTaken)
  const late = await startAgent(lab, host, server, `check: { ${quick} }\n${loginAt(mariadb, 'extra_port: 3307')}`)
  t.equal(await late.ask('/'), '503 too-many-connections')
  t.match((await late.report()).facts, { usual_port: /^refused, seen through the extra port/, read_only: 'OFF' })
  await Promise.all(others.map((connection) => connection.end()))
  await leave()
  await late.until('/', '200 ok')
  t.notOk('usual_port' in (await late.report()).facts)
  await late.process().stop()
})
