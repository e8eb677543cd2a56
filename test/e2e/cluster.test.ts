// What happens to the cluster, and what clients behind the balancers notice of it. One lab for all, in order.

import t from 'tap'
import { startProbe } from '../lab/gap-probe.ts'
import { createLab } from '../lab/lab.ts'
import { appUser } from '../lab/mariadb-files.ts'
import { agentPort, buildSite, type DatabaseHost, servicePort, virtualAddress } from '../lab/site.ts'
import { waitFor } from '../lab/wait-for.ts'

const limit = 600_000
const newConnectionsWatched = 100

t.setTimeout(limit)
const lab = await createLab({ name: 'e2e-cluster' })
t.teardown(() => lab.destroy())
const site = await buildSite(lab)
const [db1, db2, db3] = site.databases
if (db1 === undefined || db2 === undefined || db3 === undefined) throw new Error('three database hosts are needed')
const probe = await startProbe(site.client, {
  target: { address: virtualAddress, port: servicePort },
  user: appUser.user,
  password: appUser.password,
  interval: 20,
})

/** The agent's answer to somebody on its own host: the status line, the headers and the body. */
const askAgent = async ({ host }: DatabaseHost, ...options: readonly string[]): Promise<string> =>
  (await host.run('curl', ['-sS', '-i', ...options, `http://127.0.0.1:${agentPort}/`])).stdout

const marked = (database: DatabaseHost, up: boolean): Promise<unknown> =>
  Promise.all(
    site.balancers.map((balancer) =>
      waitFor(`${database.host.name} ${up ? 'up' : 'down'} on ${balancer.host.name}`, async () => {
        const [listener] = (await balancer.status()).listeners
        return listener?.servers.some(({ name, up: isUp }) => name === database.host.name && isUp === up)
      }),
    ),
  )

/** What new connections see from now on, until enough of them were made. */
const watch = async () => {
  const from = probe.mark()
  const before = probe.counters().attempts
  await waitFor('new connections', () => probe.counters().attempts >= before + newConnectionsWatched)
  const to = probe.mark()
  await probe.settled()
  return probe.since(from, to)
}

await t.test('queries through the virtual address reach every server', async (t) => {
  const { failed, servers } = await watch()
  t.equal(failed, 0)
  t.same(Object.keys(servers), ['db1', 'db2', 'db3'])
  t.match(
    await askAgent(db1),
    /^HTTP\/1.1 200 OK\r\n[\s\S]*Mysqlchk-Reason: ok; [\s\S]*\r\n\r\nMySQL is running\.\r\n$/i,
  )
})

await t.test('kill -9 of MariaDB: no new connection fails, before or after it is marked down', async (t) => {
  await db1.server.kill9()
  // Nobody can save a connection that was just logging in there.
  await probe.settled()
  const from = probe.mark()
  await marked(db1, false)
  t.match(await askAgent(db1), /^HTTP\/1.1 503 [\s\S]*\r\n\r\nMySQL is \*down\*\.\r\nconnection-refused: /)
  const after = await watch()
  t.equal(after.failed, 0)
  t.same(Object.keys(after.servers), ['db2', 'db3'])
  t.equal(probe.since(from, probe.mark()).failed, 0, 'redispatch hides the time before it is marked down')
})

await t.test('it is used again when it is back in the cluster', async (t) => {
  await db1.server.start()
  await marked(db1, true)
  const { failed, servers } = await watch()
  t.equal(failed, 0)
  t.same(Object.keys(servers), ['db1', 'db2', 'db3'])
})

await t.test('the force-fail file takes a node out at once and its text is the reason', async (t) => {
  db2.forceFail('upgrade until 03:00')
  t.match(await askAgent(db2), /^HTTP\/1.1 503 [\s\S]*force-fail: upgrade until 03:00/)
  await marked(db2, false)
  const { failed, servers } = await watch()
  t.equal(failed, 0)
  t.same(Object.keys(servers), ['db1', 'db3'])
  db2.clearForceFail()
  t.match(await askAgent(db2), /^HTTP\/1.1 200 /)
  await marked(db2, true)
})

await t.test('a node cut off from its cluster answers SELECT 1, and its agent answers 503', async (t) => {
  await db3.host.cutLink()
  const isNotPrimary = /^HTTP\/1.1 503 [\s\S]*\r\n\r\nMySQL is \*down\*\.\r\nnot-primary: /
  t.ok(await waitFor('503 from the agent of db3', async () => isNotPrimary.test(await askAgent(db3))))
  t.same(await db3.server.query('SELECT 1'), [{ 1: 1 }], 'SELECT 1 still works there')
  t.match(JSON.parse((await askAgent(db3, '-H', 'Accept: application/json')).replace(/^[\s\S]*?\r\n\r\n/, '')), {
    version: 1,
    verdict: 'fail',
    reason: { code: 'not-primary' },
    certainty: 'hard',
    mode: 'galera',
  })
  await marked(db3, false)
  const { failed, servers } = await watch()
  t.equal(failed, 0)
  t.same(Object.keys(servers), ['db1', 'db2'])
  await db3.host.restoreLink()
  await marked(db3, true)
})

await t.test('a server that hangs (SIGSTOP) is marked down, and new connections go elsewhere', async (t) => {
  db2.server.process().stall()
  await marked(db2, false)
  const isLate = /^HTTP\/1.1 503 [\s\S]*\r\n\r\nMySQL is \*down\*\.\r\ntimeout: /
  t.ok(await waitFor('the agent of db2 to say why', async () => isLate.test(await askAgent(db2))))
  const { failed, servers } = await watch()
  t.equal(failed, 0)
  t.notOk(servers['db2'])
  db2.server.process().resume()
  await marked(db2, true)
})

await t.test('a dead agent takes its server out, a started one brings it back', async (t) => {
  await db1.agent().kill()
  await marked(db1, false)
  const { failed } = await watch()
  t.equal(failed, 0)
  await db1.startAgent()
  await marked(db1, true)
})
