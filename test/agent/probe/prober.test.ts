import { readdirSync } from 'node:fs'
import t from 'tap'
import type { MysqlConfig } from '../../../agent/config/login.ts'
import { millis } from '../../../agent/core/time.ts'
import type { Outcome } from '../../../agent/probe/core/facts.ts'
import type { Inquiry } from '../../../agent/probe/gather.ts'
import { createProber, type Prober } from '../../../agent/probe/prober.ts'
import { startStallWatch } from '../../../agent/probe/stall-watch.ts'
import { createLab } from '../../lab/lab.ts'
import { freePort, startMariaDb } from '../../lab/mariadb.ts'
import { checkUser } from '../../lab/mariadb-files.ts'
import { waitFor } from '../../lab/wait-for.ts'

t.setTimeout(180_000)
const lab = await createLab({ name: 'agent-probe' })
const stalls = startStallWatch()
t.teardown(async () => {
  stalls.stop()
  await lab.destroy()
})

const { user, password } = checkUser
const port = await freePort()
const db = await startMariaDb({ lab, name: 'db1', port, settings: { max_connections: '12' } })

const overSocket: MysqlConfig = {
  target: { kind: 'socket', path: db.socket },
  extra: null,
  user,
  password: () => password,
}
const overTcp: MysqlConfig = { ...overSocket, target: { kind: 'tcp', host: '127.0.0.1', port } }
const plainInquiry: Inquiry = {
  query: 'SELECT 1',
  expect: null,
  countsConnections: false,
  disk: null,
  heartbeat: null,
}
const prober = (
  mysql: MysqlConfig,
  {
    timeout = 2000,
    freshLogin = 30_000,
    ...inquiry
  }: { timeout?: number; freshLogin?: number } & Partial<Inquiry> = {},
): Prober =>
  createProber(
    { mysql, inquiry: { ...plainInquiry, ...inquiry }, timeout: millis(timeout), freshLogin: millis(freshLogin) },
    stalls,
  )

/** The reason of a failed probe; `ok` where the query was answered, with its own reason where it was refused. */
const reasonOf = (outcome: Outcome): string => {
  switch (outcome.kind) {
    case 'answered':
      return outcome.facts.check?.code ?? 'ok'
    case 'failed':
      return outcome.failure.code
    case 'late':
      return 'late'
    default:
      return outcome satisfies never
  }
}
/** A probe that our own busy host did not spoil. */
const ask = (one: Prober): Promise<string> =>
  waitFor('a probe in time', async () => {
    const reason = reasonOf((await one.probe()).outcome)
    return reason === 'late' ? undefined : reason
  })
const connections = async (): Promise<readonly number[]> =>
  (await db.query(`SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '${user}' ORDER BY ID`)).map((row) =>
    Number(row['ID']),
  )
const openSockets = (): number => readdirSync('/proc/self/fd').length

t.test('a server that runs is told over its socket and over TCP, with its own words', async (t) => {
  for (const mysql of [overSocket, overTcp]) {
    const one = prober(mysql)
    const { outcome } = await one.probe()
    t.match(outcome, { kind: 'answered', facts: { check: null, words: { ok: true, value: { read_only: 'OFF' } } } })
    one.close()
  }
})

t.test('one connection is kept from probe to probe and closed at the end', async (t) => {
  const one = prober(overTcp)
  await waitFor('no connections of the tests before', async () => (await connections()).length === 0)
  t.equal(await ask(one), 'ok')
  const first = await connections()
  t.equal(first.length, 1)
  t.equal(await ask(one), 'ok')
  t.same(await connections(), first)
  one.close()
  await waitFor('the connection to go', async () => (await connections()).length === 0)
})

t.test('a connection that the server killed is replaced within the same probe', async (t) => {
  const one = prober(overSocket)
  t.equal(await ask(one), 'ok')
  for (const id of await connections()) await db.query(`KILL ${id}`)
  t.equal(await ask(one), 'ok')
  one.close()
})

t.test('a refused login and a failing query have their own reasons', async (t) => {
  const stranger = prober({ ...overSocket, password: () => 'wrong' })
  t.equal(await ask(stranger), 'access-denied')
  const { outcome } = await stranger.probe()
  t.notMatch(JSON.stringify(outcome), /wrong|lab-check-password/)
  const failing = prober(overSocket, { query: 'SELECT missing()' })
  t.equal(await ask(failing), 'query-failed')
  t.equal(await ask(failing), 'query-failed')
  for (const one of [stranger, failing]) one.close()
})

t.test('a full connection table is told apart, and does not hide behind an old connection', async (t) => {
  await waitFor('no connections of the tests before', async () => (await connections()).length === 0)
  const early = prober(overSocket, { freshLogin: 0 })
  t.equal(await ask(early), 'ok')
  const holders = Array.from({ length: 12 }, () => prober(overSocket))
  const answers: string[] = []
  for (const holder of holders) answers.push(await ask(holder))
  t.ok(answers.filter((answer) => answer === 'ok').length >= 10)
  const newcomer = prober(overSocket)
  t.equal(await ask(newcomer), 'too-many-connections')
  for (const holder of holders) holder.close()
  await waitFor('room for the newcomer', async () => (await ask(newcomer)) === 'ok')
  for (const one of [early, newcomer]) one.close()
})

t.test('a query that hangs in the server is left alone, and few of them at most', async (t) => {
  await waitFor('no connections of the tests before', async () => (await connections()).length === 0)
  const one = prober(overSocket, { query: 'SELECT SLEEP(60)', timeout: 300 })
  const reasons: string[] = []
  for (let i = 0; i < 8; i++) reasons.push(reasonOf((await one.probe()).outcome))
  t.ok(
    reasons.every((reason) => reason === 'timeout' || reason === 'late'),
    reasons.join(' '),
  )
  const hanging = await connections()
  t.ok(hanging.length <= 4, `${hanging.length} connections`)
  t.not(hanging.length, 0, 'nothing was killed')
  for (const id of hanging) await db.query(`KILL ${id}`)
  one.close()
})

t.test('a server that was stopped with SIGSTOP is a timeout, and sockets do not pile up', async (t) => {
  const one = prober(overSocket, { timeout: 300 })
  t.equal(await ask(one), 'ok')
  const before = openSockets()
  db.process().signal('SIGSTOP')
  const reasons: string[] = []
  for (let i = 0; i < 8; i++) reasons.push(await ask(one))
  db.process().signal('SIGCONT')
  t.same([...new Set(reasons)], ['timeout'])
  await waitFor('sockets to be closed', () => openSockets() <= before)
  await waitFor('the server to answer again', async () => (await ask(one)) === 'ok')
  await waitFor('only the kept connection', async () => (await connections()).length === 1)
  await waitFor('no more sockets than before', () => openSockets() <= before)
  one.close()
})

t.test('a killed server is refused at once and comes back with its restart', async (t) => {
  for (const mysql of [overSocket, overTcp]) {
    const one = prober(mysql)
    t.equal(await ask(one), 'ok')
    await db.kill9()
    t.equal(await ask(one), 'connection-refused')
    await db.start()
    t.equal(await ask(one), 'ok')
    one.close()
  }
})

t.test('a timeout that our own stalled loop caused is not blamed on the server', async (t) => {
  const one = prober(overSocket, { query: 'SELECT SLEEP(1)', timeout: 400 })
  const probing = one.probe()
  const until = performance.now() + 300
  while (performance.now() < until) {
    // Busy on purpose: nothing else may run.
  }
  t.equal(reasonOf((await probing).outcome), 'late')
  one.close()
})
