import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { createConnection } from 'mysql2/promise'
import t from 'tap'
import type { MysqlConfig } from '../../../agent/config/login.ts'
import { millis } from '../../../agent/core/time.ts'
import { createBacklogWatch } from '../../../agent/probe/backlog-watch.ts'
import type { Outcome } from '../../../agent/probe/core/facts.ts'
import { createDiskLook } from '../../../agent/probe/disk.ts'
import type { Inquiry } from '../../../agent/probe/gather.ts'
import { createHeartbeat } from '../../../agent/probe/heartbeat.ts'
import { createProber, type Prober } from '../../../agent/probe/prober.ts'
import { startStallWatch } from '../../../agent/probe/stall-watch.ts'
import { createLab } from '../../lab/lab.ts'
import { freePort, startMariaDb } from '../../lab/mariadb.ts'
import { checkUser } from '../../lab/mariadb-files.ts'
import { waitFor } from '../../lab/wait-for.ts'

t.setTimeout(600_000)
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
  tls: null,
}
const overTcp: MysqlConfig = { ...overSocket, target: { kind: 'tcp', host: '127.0.0.1', port } }
const plainInquiry: Inquiry = {
  query: 'SELECT 1',
  expect: null,
  disk: null,
  heartbeat: null,
  backlog: createBacklogWatch(),
}
const prober = (
  mysql: MysqlConfig,
  {
    timeout = 2000,
    loginInterval = 30_000,
    ...inquiry
  }: { timeout?: number; loginInterval?: number } & Partial<Inquiry> = {},
): Prober =>
  createProber(
    { mysql, inquiry: { ...plainInquiry, ...inquiry }, timeout: millis(timeout), loginInterval: millis(loginInterval) },
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

t.test('the first value of any query is compared as the server writes it, a procedure among them', async (t) => {
  await db.query('CREATE DATABASE mysqlchk')
  await db.query("CREATE PROCEDURE mysqlchk.p() SELECT 'up', 'more'")
  await db.query('CREATE PROCEDURE mysqlchk.silent() DO 1')
  await db.query("CREATE PROCEDURE mysqlchk.two() BEGIN SELECT 1 AS a; SELECT 2 AS b, 'x' AS c; END")
  await db.query(`GRANT EXECUTE ON mysqlchk.* TO ${user}@localhost`)
  const table: readonly [string, string, string][] = [
    ['CALL mysqlchk.p()', 'up', 'ok'],
    ['CALL mysqlchk.two()', '1', 'ok'],
    ['CALL mysqlchk.silent()', 'up', 'unexpected-result'],
    ["SELECT DATE'2026-01-02', 1", '2026-01-02', 'ok'],
    ['SELECT 9007199254740993', '9007199254740993', 'ok'],
    ['SELECT 1.50', '1.50', 'ok'],
    ["SELECT 'é'", 'é', 'ok'],
    ["SELECT x'41'", 'A', 'ok'],
    ['SELECT NULL', '', 'unexpected-result'],
    ['SELECT 1 FROM DUAL WHERE 1 = 0', '', 'unexpected-result'],
    ['DO 1', '', 'unexpected-result'],
    ['SELECT 1; SELECT 2', '1', 'query-failed'],
    ['CALL mysql.missing()', '1', 'access-denied'],
  ]
  for (const [query, expect, reason] of table) {
    const one = prober(overSocket, { query, expect })
    t.equal(await ask(one), reason, query)
    t.equal(await ask(one), reason, `${query}, once more over the same login`)
    one.close()
  }
})

t.test('a full connection table is told apart, and does not hide behind an old connection', async (t) => {
  await waitFor('no connections of the tests before', async () => (await connections()).length === 0)
  const early = prober(overSocket, { loginInterval: 0 })
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
  const texts = new Set<string>()
  for (let i = 0; i < 8; i++) {
    const { outcome } = await one.probe()
    reasons.push(reasonOf(outcome))
    if (outcome.kind === 'failed') texts.add(outcome.failure.text)
  }
  t.ok(texts.has('no answer within 300 ms to the check query'), [...texts].join(', '))
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
  await waitFor('the server to answer in time', async () => (await ask(one)) === 'ok')
  const before = openSockets()
  db.process().signal('SIGSTOP')
  const reasons: string[] = []
  for (let i = 0; i < 8; i++) reasons.push(await ask(one))
  const { outcome } = await one.probe()
  if (outcome.kind === 'failed') t.match(outcome.failure.text, /^no answer within 300 ms to the login$/)
  db.process().signal('SIGCONT')
  t.same([...new Set(reasons)], ['timeout'])
  await waitFor('sockets to be closed', () => openSockets() <= before)
  await waitFor('the server to answer again', async () => (await ask(one)) === 'ok')
  await waitFor('only the kept connection', async () => (await connections()).length === 1)
  await waitFor('no more sockets than before', () => openSockets() <= before)
  one.close()
})

t.test('a statement of ours that is blocked is named', async (t) => {
  await db.query('CREATE TABLE mysqlchk.heartbeat (node VARCHAR(255) PRIMARY KEY, beat_at TIMESTAMP(6) NOT NULL)')
  await db.query(`GRANT SELECT, INSERT, UPDATE ON mysqlchk.heartbeat TO ${user}@localhost`)
  const locker = await createConnection({ socketPath: db.socket, user: 'root' })
  await locker.query('LOCK TABLES mysqlchk.heartbeat WRITE')
  const heartbeat = createHeartbeat({ table: 'mysqlchk.heartbeat', interval: millis(0) })
  const one = prober(overSocket, { heartbeat, timeout: 500 })
  t.equal(await ask(one), 'timeout')
  const { outcome } = await one.probe()
  if (outcome.kind === 'failed') t.match(outcome.failure.text, /to INSERT INTO `mysqlchk`\.`heartbeat`/)
  await locker.end()
  await waitFor('the write to go through', async () => (await ask(one)) === 'ok')
  one.close()
})

t.test('what does not speak the protocol is a failure with a text, and no exception', async (t) => {
  const greetings: Readonly<Record<string, Buffer | string>> = {
    http: 'HTTP/1.0 400 Bad Request\r\n\r\nthis is no database',
    ssh: 'SSH-2.0-OpenSSH_9.2p1\r\n',
    zeros: Buffer.alloc(1000),
    ones: Buffer.alloc(1000, 0xff),
    half: Buffer.of(0x4a, 0, 0, 0, 10, 0x35, 0x2e),
    nothing: Buffer.of(0, 0, 0, 0),
    short: Buffer.of(1, 0, 0, 0, 10),
    old: Buffer.of(5, 0, 0, 0, 9, 0x33, 0x2e, 0x32, 0),
    'short error': Buffer.of(1, 0, 0, 0, 0xff),
    silence: '',
  }
  for (const [name, bytes] of Object.entries(greetings)) {
    const stranger = createServer((socket) => {
      socket.on('error', () => undefined)
      if (bytes.length > 0) socket.write(bytes)
    }).listen(0, '127.0.0.1')
    await once(stranger, 'listening')
    const address = stranger.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    const one = prober({ ...overTcp, target: { kind: 'tcp', host: '127.0.0.1', port } }, { timeout: 100 })
    for (let i = 0; i < 2; i += 1) t.match(await ask(one), /^(timeout|connection-lost)$/, name)
    const { outcome } = await one.probe()
    if (name === 'short' && outcome.kind === 'failed') t.match(outcome.failure.text, /does not speak the protocol/)
    one.close()
    stranger.close()
  }
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

t.test('a disk that cannot be looked at is no full one', async (t) => {
  const look = createDiskLook('/nowhere', millis(1000))
  t.match(await look({}), { ok: false, failure: { code: 'disk-unknown', text: /ENOENT.*\/nowhere/ } })
  t.match(await createDiskLook(null, millis(1000))({ datadir: db.dataDirectory }), {
    ok: true,
    value: { directory: 'the data directory' },
  })
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
