// The login of agent and balancer to a server that has TLS and limits; other versions of servers are in test/servers.

import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { MysqlConfig } from '../../agent/config/login.ts'
import { millis } from '../../agent/core/time.ts'
import { createBacklogWatch } from '../../agent/probe/backlog-watch.ts'
import { createHeartbeat } from '../../agent/probe/heartbeat.ts'
import { createProber } from '../../agent/probe/prober.ts'
import { startStallWatch } from '../../agent/probe/stall-watch.ts'
import { checkSchema, type MysqlCheckConfig } from '../../balancer/config/check-schema.ts'
import { createMysqlProbe } from '../../balancer/health/checks/mysql.ts'
import { mustRun } from '../lab/command.ts'
import { createLab } from '../lab/lab.ts'
import { freePort, startMariaDb } from '../lab/mariadb.ts'
import { makeCertificates } from '../lab/server-root.ts'
import { waitFor } from '../lab/wait-for.ts'
import { startOurs } from './sides.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'server-login' })
const stalls = startStallWatch()
t.teardown(async () => {
  stalls.stop()
  await lab.destroy()
})
const certificates = await makeCertificates(lab)
const file = (name: string): string => join(certificates, name)
const port = await freePort()
const db = await startMariaDb({
  lab,
  name: 'db',
  port,
  settings: {
    ssl_ca: file('ca.crt'),
    ssl_cert: file('server.crt'),
    ssl_key: file('server.key'),
    plugin_load_add: 'auth_ed25519',
  },
})
const password = 'secret'
writeFileSync(file('password'), `\uFEFF${password}\n`, { mode: 0o600 })
for (const [user, demand] of [
  ['plain', 'NONE'],
  ['needs_tls', 'SSL'],
  ['needs_certificate', 'X509'],
]) {
  await db.query(`CREATE USER ${user}@'127.0.0.1' IDENTIFIED BY '${password}' REQUIRE ${demand}`)
}

const trusted = { ca: readFileSync(file('ca.crt')), verify: 'identity', serverName: '127.0.0.1' } as const
const withCertificate = { ...trusted, cert: readFileSync(file('client.crt')), key: readFileSync(file('client.key')) }
const target = { kind: 'tcp', host: '127.0.0.1', port } as const

const ask = async (login: Partial<MysqlConfig>, more = {}, times = 1): Promise<readonly string[]> => {
  const mysql = { target, extra: null, user: 'plain', password: () => password, tls: null, ...login }
  const inquiry = { query: 'SELECT 1', expect: null, disk: null, heartbeat: null }
  const whole = { ...inquiry, backlog: createBacklogWatch(), ...more }
  const one = createProber({ mysql, inquiry: whole, timeout: millis(5000), loginInterval: millis(0) }, stalls)
  const answers: string[] = []
  for (let i = 0; i < times; i += 1) {
    const outcome = await waitFor('a probe in time', async () => {
      const probed = await one.probe()
      return probed.outcome.kind === 'late' ? undefined : probed.outcome
    })
    const failure = outcome.kind === 'failed' ? outcome.failure : (outcome.facts.check ?? outcome.facts.write)
    answers.push(failure === null ? 'ok' : `${failure.code}: ${failure.text}`)
  }
  one.close()
  return answers
}

t.test('the agent encrypts its login as mysql.tls says', async (t) => {
  t.same(await ask({ user: 'needs_tls', tls: trusted }), ['ok'])
  t.same(await ask({ user: 'needs_certificate', tls: withCertificate }), ['ok'])
  t.match(await ask({ user: 'needs_tls' }), [/^access-denied/])
  t.match(await ask({ user: 'needs_certificate', tls: trusted }), [/^access-denied/])
  t.match(await ask({ tls: { ...trusted, serverName: 'other.test' } }), [/^tls-failed: .* is for another name/])
  t.match(await ask({ tls: { verify: 'identity', serverName: '127.0.0.1' } }), [
    /^tls-failed: .*has not signed the certificate/,
  ])
  await db.query('SET GLOBAL require_secure_transport = ON')
  // MariaDB 11 and MySQL say why: test/servers.
  t.match(await ask({}), [/^access-denied/])
  t.same(await ask({ tls: trusted }), ['ok'])
  await db.query('SET GLOBAL require_secure_transport = OFF')
})

t.test('the agent proves a password by ed25519, and a wrong one proves nothing', async (t) => {
  const word = 'ж and a password longer than a key of 32 bytes'
  await db.query(`CREATE USER curve@'127.0.0.1' IDENTIFIED VIA ed25519 USING PASSWORD('${word}')`)
  t.same(await ask({ user: 'curve', password: () => word }, {}, 2), ['ok', 'ok'])
  t.match(await ask({ user: 'curve', password: () => `${word}.` }), [/^access-denied: error 1045/])
})

t.test("the balancer's mysql check encrypts its login as its tls says", async (t) => {
  const check = async (user: string, tls?: object): Promise<string> => {
    const parsed = checkSchema.parse({ type: 'mysql', user, password_file: file('password'), timeout: '5s', tls })
    const { passed, text } = await createMysqlProbe({ address: '127.0.0.1', port }, parsed as MysqlCheckConfig).run()
    return passed ? 'passed' : text
  }
  const ca = file('ca.crt')
  const own = { certificate: file('client.crt'), key: file('client.key') }
  t.equal(await check('plain'), 'passed')
  t.match(await check('needs_tls'), /error 1045/)
  t.equal(await check('needs_tls', { ca }), 'passed')
  t.equal(await check('needs_tls', { verify: false }), 'passed')
  t.equal(await check('needs_certificate', { ca, ...own }), 'passed')
  t.match(await check('needs_tls', { ca, server_name: 'other.test' }), /is for another name/)
  t.equal(await check('needs_tls', { ca, server_name: 'other.test', verify: 'ca' }), 'passed')
  await t.rejects(check('needs_tls', { ca: '/nowhere' }), /cannot read \/nowhere \(ENOENT\)/)
})

t.test('a reload takes new TLS files of a running mysql check over, and refuses a pipe in their place', async (t) => {
  const own = (name: string): string => join(lab.directory, `check-${name}`)
  const renewed = await makeCertificates(lab, 'renewed')
  const give = (from: string, names: readonly string[], to: (name: string) => string): void => {
    for (const name of names) writeFileSync(to(name), readFileSync(join(from, name)), { mode: 0o600 })
  }
  const ofCheck = ['ca.crt', 'client.crt', 'client.key']
  give(certificates, ofCheck, own)
  const tls = { ca: own('ca.crt'), certificate: own('client.crt'), key: own('client.key') }
  const login = { type: 'mysql', user: 'needs_certificate', password_file: file('password'), tls }
  const listener = {
    name: 'mysql',
    bind: `127.0.0.1:${await freePort()}`,
    check: { ...login, interval: '200ms', timeout: '5s', rise: 1, fall: 2 },
    servers: [{ name: 'db', address: `127.0.0.1:${port}` }],
  }
  const balancer = await startOurs({ directory: lab.directory, spawn: lab.spawn }, [listener], new Map())
  const sees = (state: RegExp) =>
    waitFor(`${state} for the check`, async () => {
      const [{ status, last_check: last } = { status: 'none', last_check: null }] = (await balancer.show('mysql'))
        .servers
      const seen = `${status} ${last?.reason}: ${last?.text}`
      if (!state.test(seen)) throw new Error(`it is ${seen}`)
      return seen
    })
  t.ok(await sees(/^UP ok: the query answers/))
  t.match(await balancer.reload([listener]), /Nothing changed\./)

  give(renewed, ['ca.crt', 'server.crt', 'server.key'], file)
  for (const name of ['ca.crt', 'server.crt', 'server.key']) chmodSync(file(name), 0o644)
  await db.query('FLUSH SSL')
  t.ok(await sees(/^DOWN tls-failed: the ca of the check has not signed/))
  t.ok(await sees(/^DOWN tls-failed/))
  give(renewed, ofCheck, own)
  t.match(await balancer.reload([listener]), /tls files of the check of listener mysql changed/)
  t.ok(await sees(/^UP ok: the query answers/))

  rmSync(own('ca.crt'))
  await mustRun('mkfifo', [own('ca.crt')])
  t.match(await balancer.reload([listener]), /check\.tls\.ca: .*check-ca\.crt is no file; write PEM into one/)
  t.ok(await sees(/^UP ok: the query answers/), 'the old configuration stays')
  t.match(await balancer.process.stop(), { code: 0 })
})

t.test('a limit of the check user says nothing about the server while a login of it lives', async (t) => {
  await db.query(`CREATE USER one@'127.0.0.1' IDENTIFIED BY '${password}' WITH MAX_USER_CONNECTIONS 1`)
  t.same(await ask({ user: 'one' }, {}, 3), ['ok', 'ok', 'ok'])
})

t.test('a heartbeat is committed, whatever the server sets for everybody', async (t) => {
  await db.query('CREATE DATABASE mysqlchk')
  await db.query('CREATE TABLE mysqlchk.heartbeat (node VARCHAR(255) PRIMARY KEY, beat_at TIMESTAMP(6) NOT NULL)')
  await db.query("GRANT SELECT, INSERT, UPDATE ON mysqlchk.heartbeat TO plain@'127.0.0.1'")
  await db.query('SET GLOBAL autocommit = 0')
  await db.query(`SET GLOBAL init_connect = "SET autocommit = 0, sql_select_limit = 0, sql_mode = 'ANSI_QUOTES'"`)
  const heartbeat = createHeartbeat({ table: 'mysqlchk.heartbeat', interval: millis(0) })
  t.same(await ask({}, { heartbeat, query: 'SELECT "é"', expect: 'é' }), ['ok'])
  t.match(await db.query('SELECT COUNT(*) AS n FROM mysqlchk.heartbeat'), [{ n: 1 }])
})
