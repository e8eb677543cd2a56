import { once } from 'node:events'
import { createConnection } from 'node:net'
import t from 'tap'
import { startForwarder } from './forwarder.ts'
import { startProbe } from './gap-probe.ts'
import { createLab } from './lab.ts'
import { startMariaDb } from './mariadb.ts'
import { appUser, checkUser } from './mariadb-files.ts'
import { waitFor } from './wait-for.ts'

t.setTimeout(90_000)

const lab = await createLab({ name: 'probe' })
t.teardown(lab.destroy)
const db = await lab.addHost('db1', '198.18.0.11/24')
const client = await lab.addHost('client', '198.18.0.100/24')
const server = await startMariaDb({ lab, host: db, name: 'db1' })
const target = { address: db.address, port: server.port }

t.test('a probe sees who serves, for how long nobody does, and which sessions break', async (t) => {
  const probe = await startProbe(client, { target, ...appUser, sessions: 5 })
  await waitFor('all sessions to be open', () => probe.counters().openSessions === 5)

  const quiet = probe.mark()
  await waitFor('a hundred logins', () => probe.since(quiet).attempts > 100)
  await probe.settled()
  const calm = probe.since(quiet)
  t.match(calm, { failed: 0, lostSessions: 0, servers: { db1: calm.attempts } })

  const before = probe.mark()
  await server.kill9()
  const killed = probe.mark()
  await waitFor('failures', () => probe.since(before).failed > 5)
  const starting = probe.mark()
  await server.start()
  await waitFor('all sessions to be open again', () => probe.counters().openSessions === 5)
  await probe.settled()
  const outage = probe.since(before)
  t.ok(outage.longestGapMs >= starting.at - killed.at, `gap of ${outage.longestGapMs} ms`)
  t.equal(outage.lostSessions, 5)
  t.ok((outage.reasons['ECONNREFUSED'] ?? 0) > 0)
  t.match(probe.counters(), { lostSessions: 5, lastServer: 'db1' })
  await probe.stop()
})

t.test('a silent network makes attempts time out, one by one', async (t) => {
  const probe = await startProbe(client, { target, ...appUser, interval: 50, timeout: 300 })
  await waitFor('an answer', () => probe.counters().lastServer === 'db1')
  const before = probe.mark()
  await db.cutLink()
  await waitFor('timeouts', () => (probe.since(before).reasons['timeout'] ?? 0) > 2)
  await db.restoreLink()
  const restored = probe.mark()
  await waitFor('answers again', () => (probe.since(restored).servers['db1'] ?? 0) > 0)
  t.ok(probe.since(before).longestGapMs > 300)
  await probe.stop()
})

t.test('a refused login is a failure with its error number', async (t) => {
  const probe = await startProbe(client, { target, user: checkUser.user, password: 'wrong', interval: 50 })
  await waitFor('failures', () => probe.counters().failed > 1)
  await probe.settled()
  t.same(Object.keys(probe.since({ at: 0 }).reasons), ['mysql-1045'])
  await probe.stop()
})

t.test('a forwarder leads from the machine itself to what a host can reach', async (t) => {
  const forwarder = await startForwarder(client, { target })
  const socket = createConnection({ host: '127.0.0.1', port: forwarder.port })
  const [greeting] = await once(socket, 'data')
  t.match(String(greeting), /MariaDB/)
  socket.destroy()
  await forwarder.stop()
})
