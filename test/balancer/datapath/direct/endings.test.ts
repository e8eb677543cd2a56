// Sessions that end are over for both sides, in every state that a session can be in; others do not notice.

import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import type { Endpoint } from '../../../../balancer/core/endpoint.ts'
import type { LabProcess } from '../../../lab/lab-process.ts'
import { startMariaDb } from '../../../lab/mariadb.ts'
import { appUser } from '../../../lab/mariadb-files.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import {
  movedPort,
  numbers,
  openEndingsLab,
  plainPort,
  type ServerName,
  type Sessions,
  virtual,
} from './endings-lab.ts'
import type { EndingsTold } from './endings-messages.ts'
import type { Kind, SessionTold } from './sessions-process.ts'

t.setTimeout(600_000)
const lab = await openEndingsLab()
t.teardown(() => lab.lab.destroy())
const kinds: readonly Kind[] = ['idle', 'wait', 'stream', 'echo']
const standIns = new Map<string, LabProcess>()
for (const name of ['db1', 'db2'] as const) {
  for (const port of [plainPort, movedPort]) {
    standIns.set(`${name} ${port}`, await lab.serve(name, port))
  }
}
const [client, walled, inner] = await Promise.all(['client', 'walled', 'inner'].map((name) => lab.sessions(name)))
if (client === undefined || walled === undefined || inner === undefined) throw new Error('no clients')
const bind = { address: virtual.ipv4, port: plainPort }

const on = (told: readonly SessionTold[], server: string) => told.filter((one) => one.server === server)
const alive = (told: readonly SessionTold[]) => told.filter(({ error }) => error === null)
const all = { client: null, ago: null, waits: true } as const
const endServer = (at: Endpoint, name: ServerName) =>
  lab.endings({ do: 'end', bind: at, server: numbers[name], ...all })
const gone = (sessions: Sessions, server: string) =>
  waitFor(`no session of ${server} to be left`, async () => alive(on(await sessions.look(), server)).length === 0)
/** How long after `begun` the last one of these was over, for whoever reads along. */
const slowest = (told: readonly SessionTold[], begun: number): string =>
  `${told.length} sessions over within ${Math.max(...told.map(({ endedAt }) => (endedAt ?? Number.NaN) - begun))} ms`
const total = ({ sessions }: EndingsTold): number => sessions.reduce((sum, [, count]) => sum + count, 0)
/** Sessions that both servers have. */
const servers = async () => (await lab.atServer('db1')).length + (await lab.atServer('db2')).length
const fresh = async (): Promise<void> => {
  for (const sessions of [client, walled, inner]) await sessions.letGo()
  await waitFor('the servers to have none', async () => (await servers()) === 0)
  await lab.direct(['db1', 'db2'])
}

t.test('a demoted server: clients in every state, behind firewalls too, and the server itself hear it', async (t) => {
  const elsewhere = await lab.sessions('client')
  await elsewhere.open({ kind: 'wait', count: 2, address: lab.host('db1').address, port: plainPort })
  for (const kind of kinds) {
    for (const { address, port } of lab.binds) {
      await client.open({ kind, count: 4, address, port })
      await walled.open({ kind, count: 4, address, port })
      if (!address.includes(':')) await inner.open({ kind, count: 4, address, port })
    }
  }
  await lab.direct(['db2'])
  const begun = Date.now()
  for (const one of lab.binds) {
    t.equal((await endServer(one, 'db1')).trouble, null)
    t.same(await lab.twins(one), [], 'no packet has put back what it was')
  }
  for (const sessions of [client, walled, inner]) {
    await gone(sessions, 'db1')
    const told = await sessions.look()
    t.comment(slowest(on(told, 'db1'), begun))
    for (const kind of kinds)
      t.ok(
        on(told, 'db1').some((one) => one.kind === kind),
        `${kind} was among them`,
      )
    t.same(
      on(told, 'db2').filter(({ error }) => error !== null),
      [],
      'those of others stay',
    )
  }
  const [one, other] = [lab.host('db1').address, lab.host('client').address]
  await waitFor('db1 to have the others alone', async () =>
    (await lab.atServer('db1')).every((line) => line.includes(`${one}]:`) && line.includes(`${other}]:`)),
  )
  t.equal(alive(await elsewhere.look()).length, 2, 'who came without the balancer stays')
  await elsewhere.letGo()
  const again = await client.open({ kind: 'wait', count: 1, ...bind })
  t.equal(again.at(-1)?.server, 'db2')
  await fresh()
})

t.test('one session, one client: only these', async (t) => {
  await client.open({ kind: 'wait', count: 6, ...bind })
  await walled.open({ kind: 'wait', count: 6, ...bind })
  const [one, other] = await client.look()
  const end = (address: string, at: number | null) =>
    lab.endings({ do: 'end', bind, server: null, client: { address, port: at }, ago: null, waits: false })
  const host = lab.host('client').address
  t.same((await end(lab.host('inner').address, null)).sessions, [], 'who has none')
  t.equal(total(await end(host, one?.localPort ?? 0)), 1)
  await waitFor('the one session to be over', async () => (await client.look())[0]?.error === 'ECONNRESET')
  t.equal(alive(await client.look()).length, 5)
  t.equal(total(await end(host, other?.localPort ?? 0)), 1)
  t.equal(total(await end(host, null)), 4, 'once each')
  await waitFor('all of the client to be over', async () => alive(await client.look()).length === 0)
  t.equal(alive(await walled.look()).length, 6)
  await waitFor('the servers to have six', async () => (await servers()) === 6)
  await fresh()
})

t.test('those that began before a moment: who came since stays', async (t) => {
  await client.open({ kind: 'wait', count: 6, ...bind })
  await lab.endings({ do: 'see', bind })
  const begun = performance.now()
  // Longer than it may take to hear of a session.
  await wait(1500)
  await lab.endings({ do: 'see', bind })
  await walled.open({ kind: 'wait', count: 6, ...bind })
  const ago = performance.now() - begun
  t.equal(total(await lab.endings({ do: 'end', bind, server: null, client: null, ago, waits: true })), 6)
  await waitFor('the older ones to be over', async () => alive(await client.look()).length === 0)
  await lab.endings({ do: 'told' })
  t.equal(alive(await walled.look()).length, 6)
  await fresh()
})

t.test('a port that has a session again: it is not disturbed when the old one is told once more', async (t) => {
  const from = 40_000
  await client.open({ kind: 'wait', count: 20, from, ...bind })
  await lab.endings({ do: 'end', bind, server: null, ...all, waits: false })
  await waitFor('all to be over', async () => alive(await client.look()).length === 0)
  const again = await lab.sessions('client')
  await again.open({ kind: 'echo', count: 20, from, ...bind })
  await lab.endings({ do: 'told' })
  t.equal(alive(await again.look()).length, 20)
  t.equal(await servers(), 20)
  await again.letGo()
  await fresh()
})

t.test(
  'while another balancer has the address nothing is sent and marked; what is owed is done when it comes',
  async (t) => {
    await client.open({ kind: 'wait', count: 6, ...bind })
    await lab.endings({ do: 'left', address: bind.address })
    await lab.endings({ do: 'see', bind })
    const seen = ['client', 'walled', 'inner', 'db1', 'db2']
    const before = await lab.forged(...seen)
    t.equal(total(await lab.endings({ do: 'end', bind, server: null, ...all })), 0)
    const refused = await lab.endings({ do: 'end', bind, server: null, ...all, waits: false })
    t.match(refused.trouble, /another host/)
    await lab.endings({ do: 'told' })
    // Longer than it takes to tell somebody twice, and to give an address up.
    await wait(2500)
    t.equal(await lab.forged(...seen), before)
    t.notMatch(await lab.flows(bind), /: 0x0000400/)
    t.equal(alive(await client.look()).length, 6)
    await lab.endings({ do: 'see', bind })
    await walled.open({ kind: 'wait', count: 6, ...bind })
    await lab.endings({ do: 'came', address: bind.address })
    await waitFor('what was owed to be done', async () => alive(await client.look()).length === 0)
    await lab.endings({ do: 'told' })
    t.equal(alive(await walled.look()).length, 6, 'who came since stays')
    t.ok((await lab.forged(...seen)) > before)
    await fresh()
  },
)

t.test('an address that has left takes its marks away; a process that is started anew tells again', async (t) => {
  await client.open({ kind: 'wait', count: 6, ...bind })
  await lab.endings({ do: 'end', bind, server: null, ...all })
  t.match(await lab.flows(bind), /: 0x0000400/)
  await lab.endings({ do: 'told' })
  const before = await lab.forged('client')
  await lab.restart()
  await waitFor('all to be told once more', async () => (await lab.forged('client')) >= before + 6)
  await lab.endings({ do: 'told' })
  await lab.endings({ do: 'left', address: bind.address })
  await waitFor('the marks to be gone', async () => !(await lab.flows(bind)).includes(': 0x0000400'))
  await lab.endings({ do: 'came', address: bind.address })
  await fresh()
})

t.test('a server that is killed: nobody waits; one that hangs: its clients hear it, and its kernel too', async (t) => {
  const mine = { address: virtual.ipv4, port: movedPort }
  await client.open({ kind: 'wait', count: 10, ...mine })
  await walled.open({ kind: 'wait', count: 10, ...mine })
  await lab.direct(['db2'])
  standIns.get(`db1 ${movedPort}`)?.signal('SIGSTOP')
  await endServer(mine, 'db1')
  await gone(client, 'db1')
  await gone(walled, 'db1')
  await waitFor('the kernel of db1 to have none', async () => (await lab.atServer('db1')).length === 0)
  standIns.get(`db1 ${movedPort}`)?.signal('SIGCONT')
  await lab.direct(['db1', 'db2'])
  await client.open({ kind: 'wait', count: 10, ...mine })
  await standIns.get(`db1 ${movedPort}`)?.kill()
  await lab.direct(['db2'])
  await endServer(mine, 'db1')
  await gone(client, 'db1')
  t.same(
    on(await client.look(), 'db2').filter(({ error }) => error !== null),
    [],
  )
  standIns.set(`db1 ${movedPort}`, await lab.serve('db1', movedPort))
  await fresh()
})

t.test('a host that is gone: fifty clients that wait hear it within a second', async (t) => {
  for (const { address, port } of lab.binds) await client.open({ kind: 'wait', count: 25, address, port })
  const count = on(await client.look(), 'db1').length
  await lab.host('db1').cutLink()
  await lab.direct(['db2'])
  const begun = Date.now()
  await Promise.all(lab.binds.map((one) => endServer(one, 'db1')))
  await gone(client, 'db1')
  const told = await client.look()
  t.equal(on(told, 'db1').length, count)
  t.comment(slowest(on(told, 'db1'), begun))
  t.same(
    on(told, 'db2').filter(({ error }) => error !== null),
    [],
  )
  await lab.host('db1').restoreLink()
  await fresh()
})

t.test('thousands on one host, whose kernel answers no more than a thousand a second: all hear it', async (t) => {
  // What kernels before 6.1 do unless they are told otherwise (tcp_challenge_ack_limit).
  await lab.host('client').run('sysctl', ['-qw', 'net.ipv4.tcp_challenge_ack_limit=1000'])
  await client.open({ kind: 'wait', count: 2000, ...bind })
  await walled.open({ kind: 'echo', count: 20, ...bind })
  await lab.direct(['db2'])
  const begun = Date.now()
  await endServer(bind, 'db1')
  await gone(walled, 'db1')
  t.comment('who speaks:', slowest(on(await walled.look(), 'db1'), begun))
  await gone(client, 'db1')
  t.comment('who waits:', slowest(on(await client.look(), 'db1'), begun))
  t.same(
    on(await client.look(), 'db2').filter(({ error }) => error !== null),
    [],
  )
  await waitFor('db1 to have none', async () => (await lab.atServer('db1')).length === 0)
  await fresh()
})

t.test('a server on the balancer itself, on the same port and on another one', async (t) => {
  const here = await Promise.all([plainPort, movedPort].map((port) => lab.serve('lb1', port)))
  await lab.direct(['lb1'])
  for (const { address, port } of lab.binds) {
    await client.open({ kind: 'wait', count: 4, address, port })
    await walled.open({ kind: 'stream', count: 4, address, port })
  }
  t.equal((await lab.atServer('lb1')).length, 32)
  await lab.direct(['db2'])
  await Promise.all(lab.binds.map((one) => endServer(one, 'lb1')))
  await gone(client, 'lb1')
  await gone(walled, 'lb1')
  await waitFor('the balancer to have none', async () => (await lab.atServer('lb1')).length === 0)
  for (const one of here) await one.kill()
  await fresh()
})

t.test('MariaDB has no session left over, and its locks are free', async (t) => {
  await standIns.get(`db1 ${plainPort}`)?.kill()
  const maria = await startMariaDb({ lab: lab.lab, name: 'maria', host: lab.host('db1') })
  await lab.direct(['db1'])
  await maria.query('CREATE TABLE app.accounts (id INT PRIMARY KEY, amount INT) ENGINE=InnoDB')
  await maria.query('INSERT INTO app.accounts VALUES (1, 100), (2, 100)')
  const login = `mariadb --unbuffered -h ${virtual.ipv4} -u ${appUser.user} -p${appUser.password} ${appUser.database}`
  const take = (id: number) => `BEGIN; UPDATE accounts SET amount = amount - 1 WHERE id = ${id};`
  const shell = (name: string, words: string) => lab.host('client').spawn(name, 'sh', ['-c', words])
  const waiting = shell('waiting', `echo "${take(1)} SELECT SLEEP(600);" | ${login}`)
  const idle = shell('idle', `(echo "${take(2)}"; sleep 600) | ${login}`)
  const sessions = async () =>
    (await maria.query('SHOW PROCESSLIST')).filter((row) => row['User'] === appUser.user).map((row) => row['State'])
  const change = () => maria.query('UPDATE app.accounts SET amount = amount + 1')
  await maria.query('SET GLOBAL innodb_lock_wait_timeout = 1')
  await waitFor('both to be in their transaction', async () => (await sessions()).sort().join() === ',User sleep')
  await t.rejects(change(), /Lock wait timeout/)
  await lab.direct(['db2'])
  await endServer(bind, 'db1')
  t.equal((await waiting.exited).code, 1)
  t.match(waiting.lines().join(' '), /Lost connection/)
  await waitFor('no session to be left', async () => (await sessions()).length === 0)
  await change()
  const amounts = await maria.query('SELECT amount FROM app.accounts')
  t.same(amounts, [{ amount: 101 }, { amount: 101 }], 'what was not committed is undone')
  await idle.stop()
})
