// A single writer in front of a primary and a replica, seen by two balancers at once; restarts and orders under clients
// that come all the time, a reload, and a late loop.

import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import t from 'tap'
import { startForwarder } from '../lab/forwarder.ts'
import { startProbe } from '../lab/gap-probe.ts'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import { type MariaDb, startMariaDb } from '../lab/mariadb.ts'
import { appUser, checkUser } from '../lab/mariadb-files.ts'
import { agentProgram } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'
import { problemsBy } from '../packaging/published.ts'
import { startHaproxy, startOurs } from './sides.ts'

t.setTimeout(600_000)
const [agentPort, writerPort, readerPort, onePort, haproxyPort] = [9222, 3306, 3307, 3308, 3310]

const lab = await createLab({ name: 'e2e-pool' })
t.teardown(() => lab.destroy())

const directoryOf = (name: string): string => {
  const directory = join(lab.directory, `${name}-etc`)
  mkdirSync(directory)
  chmodSync(directory, 0o755)
  return directory
}

const startAgent = (host: Host, server: MariaDb): void => {
  const directory = directoryOf(host.name)
  const [configFile, passwordFile] = [join(directory, 'agent.yaml'), join(directory, 'password')]
  writeFileSync(passwordFile, `${checkUser.password}\n`, { mode: 0o600 })
  writeFileSync(
    configFile,
    `listen: { address: 0.0.0.0, port: ${agentPort} }
mysql: { socket: ${server.socket}, user: ${checkUser.user}, password_file: ${passwordFile} }
check: { timeout: 10s, interval: 200ms, max_age: 100ms }
force_fail_file: ${join(directory, 'proxyoff')}
`,
  )
  host.spawn('agent', process.execPath, [agentProgram, '--config', configFile])
}

const hosts = [await lab.addHost('db1', '198.18.0.11/24'), await lab.addHost('db2', '198.18.0.12/24')] as const
const servers = [
  await startMariaDb({ lab, name: 'db1', host: hosts[0] }),
  await startMariaDb({ lab, name: 'db2', host: hosts[1], settings: { read_only: 'ON' } }),
] as const
for (const [i, host] of hosts.entries()) startAgent(host, i === 0 ? servers[0] : servers[1])

const listenersOf = (host: Host, writerKeys: object = {}) => {
  const common = {
    check: { type: 'http', port: agentPort, interval: '200ms', timeout: '3s', rise: 2, fall: 3 },
    servers: hosts.map(({ name, address }) => ({ name, address: `${address}:3306` })),
  }
  return [
    { name: 'rw', bind: `${host.address}:${writerPort}`, balance: 'single', ...common, ...writerKeys },
    { name: 'ro', bind: `${host.address}:${readerPort}`, balance: 'leastconn', ...common },
    { name: 'one', bind: `${host.address}:${onePort}`, ...common, servers: common.servers.slice(0, 1) },
  ]
}

const startBalancer = async (name: string, cidr: string) => {
  const host = await lab.addHost(name, cidr)
  const ours = await startOurs({ directory: directoryOf(name), spawn: host.spawn }, listenersOf(host), new Map())
  const doors = {
    rw: await startForwarder(host, { target: { address: host.address, port: writerPort } }),
    ro: await startForwarder(host, { target: { address: host.address, port: readerPort } }),
  }
  const session = (door: 'rw' | 'ro') =>
    createConnection({ host: '127.0.0.1', port: doors[door].port, user: appUser.user, password: appUser.password })
  return { host, ours, session }
}
const balancers = [await startBalancer('lb1', '198.18.0.2/24'), await startBalancer('lb2', '198.18.0.3/24')] as const

const client = await lab.addHost('client', '198.18.0.200/24')

type Session = Awaited<ReturnType<(typeof balancers)[0]['session']>>

const hostOf = async (session: Session): Promise<string> => {
  const [rows] = await session.query('SELECT @@hostname AS host')
  return Array.isArray(rows) && rows[0] !== undefined && 'host' in rows[0] ? String(rows[0]['host']) : '-'
}
const isBroken = (session: Session): Promise<boolean> =>
  session.query('SELECT 1').then(
    () => false,
    () => true,
  )
const writersBecome = async (name: string | null): Promise<void> => {
  for (const { ours, host } of balancers) {
    await waitFor(`${name} to be the writer on ${host.name}`, async () => (await ours.show('rw')).writer === name)
  }
}

await t.test('both balancers take the primary for the writer, and readers go to both servers', async (t) => {
  await writersBecome('db1')
  for (const { session } of balancers) {
    const [one, two] = [await session('rw'), await session('rw')]
    t.same([await hostOf(one), await hostOf(two)], ['db1', 'db1'])
    const readers = [await session('ro'), await session('ro')]
    t.same((await Promise.all(readers.map(hostOf))).sort(), ['db1', 'db2'])
    for (const connection of [one, two, ...readers]) connection.destroy()
  }
})

/** What clients see of a port of lb1, a new one every few milliseconds, while something is done. */
const underClients = async (ports: readonly number[], action: (begin: () => void) => Promise<unknown>) => {
  const { address } = balancers[0].host
  const probes = await Promise.all(
    ports.map((port) => startProbe(client, { ...appUser, target: { address, port }, interval: 10 })),
  )
  const marks = () => probes.map((probe) => probe.mark())
  let from = marks()
  // What ended before `begin` is called does not count.
  await action(() => {
    from = marks()
  })
  await Promise.all(probes.map((probe) => probe.settled()))
  const seen = probes.map((probe, i) => probe.since(from[i] ?? probe.mark()))
  await Promise.all(probes.map((probe) => probe.stop()))
  return seen
}

await t.test(
  'a restart of the only server, and of the only writer: clients wait for it, as with HAProxy',
  async (t) => {
    const { host } = balancers[0]
    const section = `listen one
  bind ${host.address}:${haproxyPort}
  retries 3
  server db1 ${hosts[0].address}:3306 check port ${agentPort}`
    const haproxy = await startHaproxy({ directory: directoryOf('haproxy'), spawn: host.spawn }, [section], new Map())
    await waitFor('HAProxy to have its server', async () => (await haproxy.states('one'))['db1'] === 'UP')
    const seen = await underClients([onePort, writerPort, haproxyPort], async (begin) => {
      // Those that are logging in when the server stops cannot be saved by anybody.
      await servers[0].stop()
      begin()
      await new Promise((resolve) => setTimeout(resolve, 1000))
      await servers[0].start()
      await writersBecome('db1')
    })
    for (const window of seen) t.equal(window.failed, 0, JSON.stringify(window))
  },
)

await t.test('a server that is taken out while clients log in: none of them fails', async (t) => {
  const { ours } = balancers[0]
  const forceFailFile = join(lab.directory, 'db2-etc', 'proxyoff')
  const untilDb2Is = (status: string) =>
    waitFor(`db2 to be ${status}`, async () => (await ours.show('ro')).servers[1]?.status === status)
  const [seen] = await underClients([readerPort], async () => {
    for (let round = 0; round < 3; round += 1) {
      writeFileSync(forceFailFile, 'upgrade\n')
      await untilDb2Is('DOWN')
      rmSync(forceFailFile)
      await untilDb2Is('UP')
      await ours.ask('server ro/db2 maint')
      await untilDb2Is('MAINT')
      await ours.ask('server ro/db2 ready')
      await untilDb2Is('UP')
    }
  })
  t.match(seen, { failed: 0, reasons: {} })
  t.ok((seen?.servers['db2'] ?? 0) > 0, JSON.stringify(seen))
})

await t.test('when the roles change places, both follow, and the sessions of the demoted writer end', async (t) => {
  const sessions = [await balancers[0].session('rw'), await balancers[1].session('rw')]
  const readers = [await balancers[0].session('ro'), await balancers[0].session('ro')]
  for (const session of [...sessions, ...readers]) session.on('error', () => {})
  await servers[0].query('SET GLOBAL read_only=ON')
  await servers[1].query('SET GLOBAL read_only=OFF')
  await writersBecome('db2')
  for (const session of sessions) await waitFor('a session of the old writer to end', () => isBroken(session))
  for (const session of readers) t.notOk(await isBroken(session), 'readers do not notice')
  for (const { session } of balancers) {
    const connection = await session('rw')
    t.equal(await hostOf(connection), 'db2')
    connection.destroy()
  }
  for (const session of readers) session.destroy()
  t.match(
    await balancers[0].ours.ask('show events'),
    /Listener rw: the writer is db2 \(it was (db1|null)\)|the writer is db2/,
  )
})

await t.test('with no primary nobody writes and no server is guessed; clients wait for the next writer', async (t) => {
  await servers[1].query('SET GLOBAL read_only=ON')
  await writersBecome(null)
  const waiting = balancers[0].session('rw')
  await waitFor('it to wait', async () => (await balancers[0].ours.show('rw')).queued === 1)
  await servers[1].query('SET GLOBAL read_only=OFF')
  const session = await waiting
  t.equal(await hostOf(session), 'db2')
  session.destroy()
  await writersBecome('db2')
})

await t.test('two writable servers: a killed writer is replaced, and there is no fail-back', async (t) => {
  await servers[0].query('SET GLOBAL read_only=OFF')
  for (const { ours } of balancers) {
    await waitFor('db1 to be a primary again', async () => (await ours.show('rw')).servers[0]?.role === 'primary')
    t.equal((await ours.show('rw')).writer, 'db2')
  }
  await servers[1].kill9()
  await writersBecome('db1')
  await servers[1].start()
  await servers[1].query('SET GLOBAL read_only=OFF')
  for (const { ours } of balancers) {
    await waitFor('db2 to be up again', async () => {
      const db2 = (await ours.show('rw')).servers[1]
      return db2?.status === 'UP' && db2.role === 'primary'
    })
    t.equal((await ours.show('rw')).writer, 'db1')
  }
})

await t.test('an order moves the writer here only; taken back, the writer stays', async (t) => {
  const [{ ours }, other] = balancers
  t.match(await ours.ask('server rw/db1 drain'), /^rw\/db1: drain/)
  await waitFor('db2 to be the writer', async () => (await ours.show('rw')).writer === 'db2')
  t.equal((await other.ours.show('rw')).writer, 'db1')
  await ours.ask('server rw/db1 ready')
  await waitFor('db1 to be up', async () => (await ours.show('rw')).servers[0]?.status === 'UP')
  t.equal((await ours.show('rw')).writer, 'db2')
  t.match(await ours.ask('server rw/db9 drain'), /^error: there is no server db9 in rw; there are db1, db2/)
  t.match(await ours.ask('server nowhere/db1 drain'), /^error: there is no listener nowhere/)
})

await t.test('a reload applies the difference: check state, writer and sessions stay', async (t) => {
  const [{ ours, session, host }] = balancers
  const reader = await session('ro')
  const before = await ours.show('rw')
  const answer = await ours.reload(listenersOf(host, { timeouts: { queue: '7s' }, fail_back: false }))
  t.match(answer, /^listener rw: changed timeouts/)
  const after = await ours.show('rw')
  t.same(
    after.servers.map(({ status }) => status),
    before.servers.map(({ status }) => status),
  )
  t.equal(after.writer, before.writer)
  t.notOk(await isBroken(reader))
  const added = {
    name: 'ro2',
    bind: `${host.address}:3309`,
    check: { type: 'tcp', interval: '200ms' },
    servers: [{ name: 'db1', address: `${hosts[0].address}:3306` }],
  }
  t.match(await ours.reload([...listenersOf(host), added]), /listener ro2 added/)
  await waitFor('the new listener to have a server', async () => (await ours.show('ro2')).servers[0]?.status === 'UP')
  t.match(await ours.reload([...listenersOf(host), { ...added, balance: 'nonsense' }]), /balance: found "nonsense"/)
  t.equal((await ours.show('ro2')).servers.length, 1, 'a wrong file changes nothing')
  t.match(await ours.reload(listenersOf(host)), /listener ro2 removed/)
  t.notOk(await isBroken(reader))
  t.match(await ours.reload(listenersOf(host, { fail_back: true })), /changed fail_back/)
  await waitFor('the first server in the file to be the writer', async () => (await ours.show('rw')).writer === 'db1')
  reader.destroy()
})

await t.test('a balancer that was stalled does not blame the servers', async (t) => {
  const [, { ours }] = balancers
  await waitFor('all servers up', async () => (await ours.show('ro')).servers.every(({ status }) => status === 'UP'))
  const before = await ours.show('ro')
  ours.process.stall()
  await new Promise((resolve) => setTimeout(resolve, 5000))
  ours.process.resume()
  const resumed = new Date().toISOString()
  await waitFor('two rounds of checks', async () => {
    const { servers: checked } = await ours.show('ro')
    return checked.every(({ last_check: last }) => last !== null && Date.parse(last.at) > Date.parse(resumed) + 500)
  })
  const events = await ours.ask('show events --json')
  t.notMatch(events.slice(events.lastIndexOf('"at"')), /DOWN/)
  const after = await ours.show('ro')
  t.same(
    after.servers.map(({ status }) => status),
    before.servers.map(({ status }) => status),
  )
})

await t.test('sessions and servers are shown as columns for people', async (t) => {
  const [{ ours }] = balancers
  t.match(
    await ours.ask('show servers'),
    /^SERVER +STATUS +SINCE +WEIGHT +SESSIONS +ROLE +FOUND BY +CHECKS +LAST CHECK\nrw\/db1 +UP writer +\S+ +1 +0 +primary +\S.*? +(?:watched|polled) +L7OK\/200 in /,
  )
  t.match(await ours.ask('show sessions'), /^LISTENER +NOW +MOST +LIMIT +IN ALL +QUEUED +IN +OUT +ENDED\nrw +\d/)
  t.match(await ours.ask('show status'), /^. \S.*\d of \d+ servers up\n[\s\S]*^SERVER +STATUS/m)
  t.match(
    await ours.ask('show nothing'),
    /^Unknown command: 'show nothing', but maybe one of the following ones is a better match:\n *show [\s\S]*^ *show servers /m,
  )
})

await t.test('the status document is as its published schema says', async (t) => {
  for (const { ours } of balancers) {
    t.same(problemsBy('balancer-status')(JSON.parse(await ours.ask('show status --json'))), [])
  }
})
