// Three Galera nodes, each with its agent: cut off, desynced, out by hand, and a donor with a real state transfer.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import t from 'tap'
import { startGalera } from '../lab/galera-cluster.ts'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { agentProgram } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'
import { startAgent } from './agent.ts'
import { startOurs } from './sides.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-agent-galera' })
t.teardown(() => lab.destroy())
const hosts: Host[] = []
for (const n of [1, 2, 3]) hosts.push(await lab.addHost(`db${n}`, `198.18.0.1${n}/24`))
const servers = await startGalera(lab, hosts)
const [server1, server2, server3] = servers
const [host1, host2, host3] = hosts
if (!server1 || !server2 || !server3 || !host1 || !host2 || !host3) throw new Error('three nodes are needed')
const quick = 'timeout: 10s, interval: 100ms, max_age: 50ms'
const agent1 = await startAgent(lab, host1, server1, `check: { ${quick}, available_when_donor: true }`)
const agent2 = await startAgent(lab, host2, server2, `check: { ${quick} }`)
const agent3 = await startAgent(lab, host3, server3, `check: { ${quick}, mode: ping }`)

await t.test('a synced node is a primary and a member, and no replica', async (t) => {
  for (const path of ['/', '/galera', '/synced', '/primary']) t.equal(await agent1.ask(path), '200 ok', path)
  for (const path of ['/ndb', '/group-replication']) t.equal(await agent1.ask(path), '503 not-applicable', path)
  t.equal(await agent1.ask('/replica'), '503 not-applicable', 'it takes writes, and whether it replicates is hidden')
  t.match(await agent1.report(), { mode: 'galera', role: 'primary', writable: true })
})

await t.test('a read-only node is a member, and no primary', async (t) => {
  await server2.query('SET GLOBAL read_only=ON')
  await agent2.until('/primary', '503 read-only')
  for (const path of ['/', '/galera', '/replica']) t.equal(await agent2.ask(path), '200 ok', path)
  await server2.query('SET GLOBAL read_only=OFF')
  await agent2.until('/primary', '200 ok')
})

await t.test('a node desynced by hand and one that rejects queries are out', async (t) => {
  await server2.query('SET GLOBAL wsrep_desync=ON')
  await agent2.until('/', '503 desynced')
  await server2.query('SET GLOBAL wsrep_desync=OFF')
  await agent2.until('/', '200 ok')
  await server2.query('SET GLOBAL wsrep_reject_queries=ALL')
  await agent2.until('/', '503 rejecting-queries')
  t.equal(await agent2.ask('/synced'), '503 rejecting-queries')
  await server2.query('SET GLOBAL wsrep_reject_queries=NONE').catch(() => undefined)
  await agent2.until('/', '200 ok')
})

await t.test('a synced node whose applier stands still is lagging', async (t) => {
  await server2.query('SET GLOBAL read_only=ON')
  await server1.query('CREATE TABLE app.t (n INT PRIMARY KEY)')
  await waitFor(
    'the table on the other node',
    async () => (await server2.query("SHOW TABLES FROM app LIKE 't'")).length,
  )
  await agent2.until('/replica?lag=1s', '200 ok')
  const blocker = await createConnection({ socketPath: server2.socket, user: 'root' })
  await blocker.query('LOCK TABLES app.t READ')
  for (let n = 0; n < 5; n += 1) await server1.query(`INSERT INTO app.t VALUES (${n})`)
  await agent2.until('/replica?lag=1s', '503 replication-lag')
  t.equal(await agent2.ask('/galera'), '200 ok', 'its membership is what it was')
  t.match((await agent2.report()).facts, { applier: /^\d+\.\d s behind, [1-5] to be applied$/ })
  await blocker.end()
  await agent2.until('/replica?lag=1s', '200 ok')
  await server2.query('SET GLOBAL read_only=OFF')
  await agent2.until('/primary', '200 ok')
})

await t.test('a node whose wsrep_on is switched off is no member, and is one again when it is back', async (t) => {
  await server2.query('SET GLOBAL wsrep_on=OFF')
  for (const path of ['/', '/galera', '/primary', '/replica']) await agent2.until(path, '503 galera-off')
  await server2.query('SET GLOBAL wsrep_on=ON')
  await agent2.until('/galera', '200 ok')
  t.match(await agent2.report(), { mode: 'galera', facts: { wsrep_cluster_status: 'Primary' } })
})

await t.test('setup-user: one node makes the user for all, and each other one takes its password', async (t) => {
  const setup = async (host: Host, socket: string, words: readonly string[], input = '') => {
    const file = join(lab.directory, `${host.name}-setup.yaml`)
    writeFileSync(file, `mysql: { socket: ${socket}, user: setupusr, password_credential: password }\n`)
    const all = [agentProgram, 'setup-user', '--config', file, ...words]
    return host.run(process.execPath, all, { input, env: { HOME: lab.directory } })
  }
  const passwordOf = (host: Host): string => readFileSync(join(lab.directory, `${host.name}-setup.password`), 'utf8')
  const first = await setup(host1, server1.socket, ['--apply'])
  t.equal(first.code, 0, first.stderr)
  t.match(first.stdout, /a Galera node; [\s\S]*On each of them:\n {2}ssh \S+ cat .* --password-from -\n/)
  t.notMatch(first.stdout, 'GRANT')
  const second = await setup(host2, server2.socket, ['--apply'])
  t.match(second, { code: 1, stderr: /^setupusr is on this server already \(for 198\.18\.0\.11, localhost\)/ })
  const third = await setup(host2, server2.socket, ['--apply', '--password-from', '-'], passwordOf(host1))
  t.match(third, {
    code: 0,
    stdout: /'setupusr'@'198\.18\.0\.12'[\s\S]*and at 198\.18\.0\.12:3306, where clients come in/,
  })
  t.equal(passwordOf(host2), passwordOf(host1))
  t.match(await setup(host1, server1.socket, ['--apply']), { code: 0, stdout: /setupusr is there already/ })
})

await t.test('a node that is cut off answers SELECT 1, and no path that needs its cluster', async (t) => {
  await host3.cutLink()
  await agent3.until('/galera', '503 not-primary')
  t.same(await server3.query('SELECT 1'), [{ 1: 1 }])
  t.equal(await agent3.ask('/'), '200 ok', 'mode ping was asked for')
  t.equal(await agent3.ask('/primary'), '503 not-primary')
  await host3.restoreLink()
  await agent3.until('/galera', '200 ok')
})

await t.test('a donor whose state transfer blocks it is out, also where donors are welcome', async (t) => {
  // Enough to send that the transfer can be seen, and a new node that has nothing.
  await server1.query('CREATE TABLE app.big (id INT AUTO_INCREMENT PRIMARY KEY, filler LONGBLOB)')
  for (let i = 0; i < 12; i += 1) await server1.query("INSERT INTO app.big (filler) VALUES (REPEAT('x', 8000000))")
  const newcomer = await lab.addHost('db4', '198.18.0.14/24')
  const seen = { 1: new Set<string>(), 2: new Set<string>() }
  let joined = false
  const watching = (async () => {
    while (!joined) {
      seen[1].add(await agent1.ask('/'))
      seen[2].add(await agent2.ask('/'))
    }
  })()
  const nodes = hosts.map(({ address }) => address)
  const joining = startMariaDb({
    lab,
    host: newcomer,
    name: 'db4',
    galera: { address: newcomer.address, nodes, bootstrap: false },
    settings: { wsrep_sst_donor: 'db1' },
  })
  await joining.finally(() => {
    joined = true
  })
  await watching
  t.ok(seen[1].has('503 donor'), [...seen[1]].join(', '))
  t.same([...seen[2]], ['200 ok'], 'the others go on')
  await agent1.until('/', '200 ok')
  const log = agent1.process().lines()
  t.ok(log.some((line) => /Node is DOWN, reason: donor: .*wsrep_sst_method is rsync, which may block/.test(line)))
})

await t.test(
  'a donor that may serve as the last one is a backup of the balancer, and down to everybody else',
  async (t) => {
    agent1.configure(`check: { ${quick}, available_when_donor: last }`)
    agent1.process().signal('SIGHUP')
    // The newcomer asks for rsync all the same. By its name a transfer is taken for one that blocks its donor, or for none.
    await server1.query("SET GLOBAL wsrep_sst_method = 'mariabackup'")
    const lb = await lab.addHost('lb', '198.18.0.2/24')
    const listener = (name: string, port: number, nodes: readonly number[]) => ({
      name,
      bind: `${lb.address}:${port}`,
      check: { type: 'http', interval: '100ms', timeout: '2s', rise: 1, fall: 2 },
      servers: nodes.map((n) => ({ name: `db${n}`, address: `198.18.0.1${n}:3306` })),
    })
    const balancer = await startOurs(
      { directory: lab.directory, spawn: lb.spawn },
      [listener('both', 3401, [1, 2]), listener('alone', 3402, [1])],
      new Map(),
    )
    const isUp = async (name: string): Promise<boolean> =>
      (await balancer.show(name)).servers.every(({ status }) => status === 'UP')
    await waitFor('both servers', async () => (await isUp('both')) && (await isUp('alone')))
    /** The host that answers, as a client of a listener sees it. */
    const nodeAt = async (port: number): Promise<string> => {
      const login = ['--no-defaults', '-h', lb.address, '-P', String(port), '-uapp', '-plab-app-password', '-N']
      const { stdout, stderr } = await lb.run('mariadb', [...login, '-e', 'SELECT @@wsrep_node_name'])
      return stdout.trim() || stderr.trim()
    }
    const newcomer = await lab.addHost('db5', '198.18.0.15/24')
    let joined = false
    const [asked, seen, both, alone] = [1, 2, 3, 4].map(() => new Set<string>())
    const watching = (async () => {
      while (!joined) {
        const before = await agent1.ask('/')
        const [shown] = (await balancer.show('both')).servers
        const nodes = [await nodeAt(3401), await nodeAt(3401), await nodeAt(3402)]
        const [after] = (await balancer.show('both')).servers
        asked?.add(before)
        // What is seen at both ends of a round held all the time.
        if (shown?.last_check?.reason !== 'donor' || after?.last_check?.reason !== 'donor') continue
        seen?.add(`${shown.status} ${shown.last_check.status}`)
        for (const node of nodes.slice(0, 2)) both?.add(node)
        alone?.add(nodes[2] ?? '')
      }
    })()
    await startMariaDb({
      lab,
      host: newcomer,
      name: 'db5',
      galera: { address: newcomer.address, nodes: hosts.map(({ address }) => address), bootstrap: false },
      settings: { wsrep_sst_donor: 'db1' },
    }).finally(() => {
      joined = true
    })
    await watching
    t.ok(asked?.has('503 donor'), 'whoever knows nothing of it sees a server that is down')
    t.same([...(seen ?? [])], ['UP L7OKC'])
    t.same([...(both ?? [])], ['db2'], 'the other one serves')
    t.same([...(alone ?? [])], ['db1'], 'nobody else does')
    t.ok(await waitFor('the server as before', async () => (await nodeAt(3401)) === 'db1', { interval: 20 }))
    const log = balancer.process.lines().join('\n')
    t.match(
      log,
      /Server both\/db1 is a backup now, reason: Layer7 check conditionally passed, code: 503, info: \\"donor: /,
    )
    // It may be seen before it has caught up with what came while it was donor.
    t.match(log, /Server both\/db1 is (no backup any more|DOWN, reason: .*wsrep_local_state is 3 \(Joined\))/)
    await balancer.process.stop()
  },
)

await t.test('a node that stops is refused, and the others serve on', async (t) => {
  await server3.stop()
  await agent3.until('/', '503 connection-refused')
  await waitFor('the smaller cluster', async () => {
    const report = await agent1.report()
    return report.facts['wsrep_cluster_size'] === '4'
  })
  t.equal(await agent1.ask('/'), '200 ok')
})
