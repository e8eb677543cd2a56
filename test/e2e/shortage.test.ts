// What a host of the balancer runs out of, and what its checks cost a server: real MariaDB, Debian's HAProxy beside ours.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import t from 'tap'
import { startForwarder } from '../lab/forwarder.ts'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser, checkUser } from '../lab/mariadb-files.ts'
import { agentProgram } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'
import { type OurSide, openSession, startHaproxy, startOurs } from './sides.ts'

t.setTimeout(600_000)
const listenPort = 4400
const checks = 300
const interval = 50
/** The others are there for their checks: no two are made at one pace, so each is made. */
const listeners = ['mysql', 'second', 'third', 'fourth', 'fifth', 'sixth']
const ports = 60

const lab = await createLab({ name: 'e2e-shortage' })
t.teardown(() => lab.destroy())
const db = await lab.addHost('db', '198.18.0.11/24')
const client = await lab.addHost('client', '198.18.0.9/24')
// A server counts broken logins of hosts alone whose names it can look up, there and back.
const hostsFile = join(lab.directory, 'hosts')
writeFileSync(
  hostsFile,
  ['127.0.0.1', '198.18.0.2', '198.18.0.3', '198.18.0.4'].map((ip, i) => `${ip} host${i}.lab.test\n`).join(''),
)
const withNames: Host = {
  ...db,
  spawn: (program, command, args, { user = 'root', ...options } = {}) => {
    const script = `mount --bind ${hostsFile} /etc/hosts; exec setpriv --reuid ${user} --regid ${user} --clear-groups "$@"`
    return db.spawn(program, 'unshare', ['--mount', 'sh', '-c', script, 'sh', command, ...args], options)
  },
}
const server = await startMariaDb({
  lab,
  name: 'db',
  host: withNames,
  settings: { performance_schema: 'ON', skip_name_resolve: 'OFF', max_connect_errors: '100' },
})
const numbers = async (sql: string): Promise<Readonly<Record<string, number>>> =>
  Object.fromEntries((await server.query(sql)).map((row) => Object.values(row)).map(([k, v]) => [String(k), Number(v)]))
const counted = () =>
  numbers("SHOW GLOBAL STATUS WHERE Variable_name IN ('Connections', 'Aborted_connects', 'Aborted_clients')")

const directoryOf = (name: string): string => {
  const directory = join(lab.directory, `${name}-etc`)
  mkdirSync(directory)
  return directory
}
const listenerOn = (host: Host, name: string, i: number) => ({
  name,
  bind: `${host.address}:${listenPort + i}`,
  check: { type: 'tcp', interval: `${interval + i}ms`, timeout: '1s', rise: 1, fall: 2 },
  servers: [{ name: 'db', address: `${db.address}:3306` }],
})
const listenersOn = (host: Host) => listeners.map((name, i) => listenerOn(host, name, i))
const passwordFile = join(lab.directory, 'app.password')
writeFileSync(passwordFile, `${appUser.password}\n`, { mode: 0o600 })
const login = { type: 'mysql', user: appUser.user, password_file: passwordFile, interval: '1s', rise: 1, fall: 1 }
const addOurs = async (name: string, cidr: string, before: string) => {
  const host = await lab.addHost(name, cidr)
  const spawn: Host['spawn'] = (program, command, args) =>
    host.spawn(program, 'sh', ['-c', `${before}; exec "$@"`, 'sh', command, ...args])
  const ours = await startOurs({ directory: directoryOf(name), spawn }, listenersOn(host), new Map())
  await waitFor('the server to be up', async () => (await ours.states('mysql'))['db'] === 'UP')
  const door = await startForwarder(client, { target: { address: host.address, port: listenPort } })
  const session = async () => {
    const { user, password } = appUser
    const connection = await createConnection({ host: '127.0.0.1', port: door.port, user, password })
    connection.on('error', () => {})
    return connection
  }
  return { host, ours, session, door }
}
type Balancer = Awaited<ReturnType<typeof addOurs>>

/** As many sessions as can be had of so many, at once. */
const crowd = async ({ session }: Balancer, many: number) => {
  const tried = await Promise.allSettled(Array.from({ length: many }, session))
  return tried.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}
const endsOf = async (ours: OurSide) => String(await ours.ask('show sessions --json'))
const shortLines = ({ process: { lines } }: OurSide) => lines().filter((line) => line.includes('This host is short'))

const portRange = `40000 ${40000 + ports - 1}`
const few = await addOurs('few-ports', '198.18.0.2/24', `sysctl -qw net.ipv4.ip_local_port_range="${portRange}"`)
const limited = await addOurs('few-files', '198.18.0.4/24', 'ulimit -n 200')
const theirs = await lab.addHost('haproxy', '198.18.0.3/24')
const section = `listen mysql
  bind ${theirs.address}:${listenPort}
${listeners.map((name, i) => `  server ${name} ${db.address}:3306 check inter ${interval + i}`).join('\n')}`
const haproxy = await startHaproxy({ directory: directoryOf('haproxy'), spawn: theirs.spawn }, [section], new Map())

await t.test('no server sees a plain check, ours or HAProxy', async (t) => {
  await waitFor('HAProxy to have it up', async () => (await haproxy.states('mysql'))['mysql'] === 'UP')
  await server.query('FLUSH HOSTS')
  const before = await counted()
  const doneBefore = Date.now()
  await waitFor('300 checks of either', () => Date.now() - doneBefore > (checks * interval) / listeners.length)
  const after = await counted()
  t.equal(after['Aborted_connects'], before['Aborted_connects'])
  t.equal((after['Connections'] ?? 0) - (before['Connections'] ?? 0), 1, 'the one is ours, who ask')
  t.same(await server.query('SELECT * FROM performance_schema.host_cache'), [])
  t.match((await few.ours.show('mysql')).servers, [{ status: 'UP', last_check: { status: 'L4OK', text: 'connected' } }])
})

await t.test('sessions that follow each other do not use up the ports, and no goodbye is lost', async (t) => {
  const before = await counted()
  for (let i = 0; i < ports * 3; i += 1) {
    const session = await few.session()
    await session.query('SELECT 1')
    await session.end()
  }
  const aborted = ((await counted())['Aborted_clients'] ?? 0) - (before['Aborted_clients'] ?? 0)
  t.ok(aborted <= 1, `${aborted}: the one is ours, who asked`)
})

await t.test(
  'out of ports: the excess is refused, server and sessions stay, and one line says what to set',
  async (t) => {
    const sessions = await crowd(few, ports * 2)
    t.ok(sessions.length > ports / 2 && sessions.length <= ports, `${sessions.length} of ${ports * 2} have one`)
    t.match(await endsOf(few.ours), /"out-of-ports": \d+/)
    const lastCheck = async () => (await few.ours.show('mysql')).servers[0]?.last_check
    const before = Date.now()
    await waitFor('a check that has a port of its own', async () => {
      const last = await lastCheck()
      return Date.parse(last?.at ?? '') > before && last?.status === 'L4OK'
    })
    t.match(await few.ours.states('mysql'), { db: 'UP' })
    await t.resolves(Promise.all(sessions.map((session) => session.query('SELECT 1'))), 'sessions live')
    t.match(shortLines(few.ours), [
      /has 60 towards one address and port \(net\.ipv4\.ip_local_port_range = 40000 40059\)/,
    ])
    for (const session of sessions) session.destroy()
  },
)

await t.test('out of files: the excess is refused, server and sessions stay', async (t) => {
  const sessions = await crowd(limited, 150)
  t.ok(sessions.length >= 45 && sessions.length <= 100, `${sessions.length} have one`)
  t.match(await endsOf(limited.ours), /"out-of-descriptors": \d+/)
  t.match(shortLines(limited.ours), [/this process may have 200 open; set LimitNOFILE/])
  await t.resolves(Promise.all(sessions.map((session) => session.query('SELECT 1'))), 'sessions live')
  t.match(await limited.ours.states('mysql'), { db: 'UP' })
  t.match(limited.ours.process.lines().join('\n'), /may need \d+ open files .* may have 200: .*LimitNOFILE/)
  for (const session of sessions) session.destroy()
  await waitFor('room again', async () => (await crowd(limited, 1)).length === 1)
})

await t.test(
  'clients break off their logins and the server blocks this host: a login check sees it, the agent tells',
  async (t) => {
    const state = async (listener: string) => (await limited.ours.states(listener))['db']
    const withLogin = { ...listenerOn(limited.host, 'login', listeners.length), check: [{ type: 'tcp' }, login] }
    t.match(await limited.ours.reload([...listenersOn(limited.host), withLogin]), /listener login added/)
    await waitFor('the login to be good', async () => (await state('login')) === 'UP')
    const before = await counted()
    const lastLogin = async () => (await limited.ours.show('login')).servers[0]?.last_check?.at
    for (let i = 0; i < 3; i += 1) {
      const last = await lastLogin()
      await waitFor('the next login', async () => (await lastLogin()) !== last)
    }
    const aborted = ((await counted())['Aborted_clients'] ?? 0) - (before['Aborted_clients'] ?? 0)
    t.ok(aborted <= 1, `${aborted}: a login check says goodbye`)
    await server.query('SET GLOBAL max_connect_errors = 5')
    const breakOff = async () => (await openSession(limited.door.port)).close()
    await waitFor('this host to be blocked', async () => {
      await Promise.all(Array.from({ length: 10 }, breakOff))
      return (await state('login')) === 'DOWN'
    })
    t.match((await limited.ours.show('login')).servers, [
      { last_check: { reason: 'host-blocked', text: /error 1129/ } },
    ])
    t.equal(await state('mysql'), 'UP', 'a check that only connects does not see it')
    await server.query(`GRANT SELECT ON performance_schema.host_cache TO '${checkUser.user}'@'localhost'`)
    const agentFile = join(directoryOf('agent'), 'agent.yaml')
    writeFileSync(
      agentFile,
      JSON.stringify({ mysql: { socket: server.socket, user: checkUser.user, password: checkUser.password } }),
      { mode: 0o600 },
    )
    const agent = agentProgram
    const { stdout } = await db.run(process.execPath, [agent, 'once', '--json', '--config', agentFile])
    t.match(JSON.parse(stdout), { verdict: 'pass', warnings: [/host 198\.18\.0\.4 is blocked \(error 1129\)/] })
    await server.query('FLUSH HOSTS')
    await waitFor('the login to be good again', async () => (await state('login')) === 'UP')
  },
)
