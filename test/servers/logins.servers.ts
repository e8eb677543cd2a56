// Every way to log in, over the Unix socket, TCP and TLS, on the servers of three versions; and what a login inherits.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { MysqlConfig, MysqlTarget } from '../../agent/config/login.ts'
import type { ServerTls } from '../../agent/config/server-tls.ts'
import { millis } from '../../agent/core/time.ts'
import { createBacklogWatch } from '../../agent/probe/backlog-watch.ts'
import { createHeartbeat } from '../../agent/probe/heartbeat.ts'
import { createProber } from '../../agent/probe/prober.ts'
import { openSession } from '../../agent/probe/session.ts'
import { startStallWatch } from '../../agent/probe/stall-watch.ts'
import { createLab } from '../lab/lab.ts'
import { freePort, startMariaDb } from '../lab/mariadb.ts'
import { makeCertificates, queryAsRoot, startRooted } from '../lab/server-root.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'logins' })
const stalls = startStallWatch()
t.teardown(async () => {
  stalls.stop()
  await lab.destroy()
})

const certificates = await makeCertificates(lab)
const pem = (name: string): Buffer => readFileSync(join(certificates, name))
const files = {
  'ssl-ca': join(certificates, 'ca.crt'),
  'ssl-cert': join(certificates, 'server.crt'),
  'ssl-key': join(certificates, 'server.key'),
}
const ports = await Promise.all([freePort(), freePort(), freePort()])
const [mysql, mariadb, old] = await Promise.all([
  startRooted({
    lab,
    product: 'mysql',
    name: 'mysql',
    port: ports[0],
    settings: { ...files, 'plugin-load-add': 'auth_socket.so' },
  }),
  startRooted({
    lab,
    product: 'mariadb',
    name: 'mariadb',
    port: ports[1],
    settings: { ...files, 'plugin-load-add': 'auth_ed25519;auth_parsec;auth_pam' },
  }),
  startMariaDb({
    lab,
    name: 'old',
    port: ports[2],
    settings: {
      plugin_load_add: 'auth_ed25519;auth_pam',
      ssl_ca: files['ssl-ca'],
      ssl_cert: files['ssl-cert'],
      ssl_key: files['ssl-key'],
    },
  }),
])
type Rows = readonly Readonly<Record<string, unknown>>[]
type Server = {
  readonly socket: string
  readonly port: number
  readonly query: (...statements: readonly string[]) => Promise<Rows>
}
const machines: Server = {
  ...old,
  query: (...statements) => queryAsRoot(old.socket, statements),
}
const all: readonly { readonly name: string; readonly server: Server; readonly plugins: readonly string[] }[] = [
  { name: 'MySQL', server: mysql, plugins: ['caching_sha2_password', 'sha256_password'] },
  { name: 'MariaDB 11.8', server: mariadb, plugins: ['mysql_native_password', 'ed25519', 'parsec'] },
  { name: 'MariaDB of this machine', server: machines, plugins: ['mysql_native_password', 'ed25519'] },
]

const password = "s3cret 'é#"
const quoted = password.replaceAll("'", "''")
const trusted = { ca: pem('ca.crt'), verify: 'identity', serverName: '127.0.0.1' } as const
const withCertificate = { ...trusted, cert: pem('client.crt'), key: pem('client.key') }

const logIn = async (target: MysqlTarget, user: string, tls: ServerTls | null, word = password): Promise<string> => {
  const session = openSession(target, { user, password: () => word, tls })
  const refused = await session.login()
  session.end()
  return refused === null ? 'in' : `${refused.code}: ${refused.text}`
}
const overSocket = ({ socket }: Server): MysqlTarget => ({ kind: 'socket', path: socket })
const overTcp = ({ port }: Server): MysqlTarget => ({ kind: 'tcp', host: '127.0.0.1', port })

for (const { name, server, plugins } of all) {
  t.test(`${name}: each plugin over socket, TCP and TLS, with a cold cache and a warm one`, async (t) => {
    for (const plugin of plugins) {
      const how =
        server === mysql
          ? `IDENTIFIED WITH ${plugin} BY '${quoted}'`
          : `IDENTIFIED VIA ${plugin} USING PASSWORD('${quoted}')`
      const users = ['NONE', 'SSL', 'X509'].map((demand) => `${demand.toLowerCase()}_${plugin}`)
      for (const user of users) {
        await server.query(`CREATE USER ${user}@'%' ${how} REQUIRE ${user.replace(/_.*/, '').toUpperCase()}`)
      }
      const ways: readonly [string, MysqlTarget, ServerTls | null, readonly boolean[]][] = [
        ['socket', overSocket(server), null, [true, false, false]],
        ['TCP', overTcp(server), null, [true, false, false]],
        ['TLS over the socket', overSocket(server), trusted, [true, true, false]],
        ['TLS over TCP', overTcp(server), trusted, [true, true, false]],
        ['TLS with a certificate', overTcp(server), withCertificate, [true, true, true]],
      ]
      for (const [way, target, tls, lets] of ways) {
        for (const [i, user] of users.entries()) {
          // Empties the cache of caching_sha2_password.
          await server.query('FLUSH PRIVILEGES')
          for (const cache of ['cold', 'warm']) {
            t.match(
              await logIn(target, user, tls),
              lets[i] ? /^in$/ : /^access-denied: error 1045/,
              `${user}, ${way}, ${cache}`,
            )
          }
        }
      }
    }
  })
}

t.test('a user of the operating system needs no password over the socket', async (t) => {
  for (const { name, server } of all) {
    // The tests run as root. MySQL's root has a password of its own.
    const user = server === mysql ? 'os' : 'root'
    if (server === mysql) await server.query("CREATE USER os@localhost IDENTIFIED WITH auth_socket AS 'root'")
    else await server.query('ALTER USER root@localhost IDENTIFIED VIA unix_socket')
    t.equal(await logIn(overSocket(server), user, null), 'in', name)
  }
})

t.test('a password of any length and in any script is proved by ed25519', async (t) => {
  for (const { name, server } of all.slice(1)) {
    for (const [i, word] of ['x', 'ж'.repeat(40), 'a'.repeat(79)].entries()) {
      await server.query(`CREATE USER curve${i}@'%' IDENTIFIED VIA ed25519 USING PASSWORD('${word}')`)
      t.equal(await logIn(overTcp(server), `curve${i}`, null, word), 'in', `${name}, ${word}`)
      t.match(await logIn(overTcp(server), `curve${i}`, null, `${word}y`), /^access-denied: error 1045/, name)
    }
  }
})

t.test('a way to log in that the agent does not speak is named', async (t) => {
  for (const server of [mariadb, old]) {
    await server.query('CREATE USER pam@localhost IDENTIFIED VIA pam')
    t.match(await logIn(overSocket(server), 'pam', null), /^access-denied: the user logs in with dialog, which the/)
  }
})

t.test('what is wrong with TLS is told', async (t) => {
  const server = mysql
  const table: readonly [string, Partial<ServerTls>, RegExp][] = [
    ['the name in the certificate', { serverName: 'db.test' }, /^in$/],
    ['another name', { serverName: 'other.test' }, /^tls-failed: TLS with the server failed: .* is for another name/],
    ['another name, and only the authority compared', { serverName: 'other.test', verify: 'ca' }, /^in$/],
    ['an authority that did not sign it', { ca: pem('client.crt') }, /^tls-failed: .*certificate/],
    ['such an authority, and nothing compared', { ca: pem('client.crt'), verify: 'none' }, /^in$/],
  ]
  for (const [title, change, wanted] of table) {
    t.match(await logIn(overTcp(server), 'none_caching_sha2_password', { ...trusted, ...change }), wanted, title)
  }
  for (const { name, server: one } of all.slice(0, 2)) {
    await one.query('SET GLOBAL require_secure_transport = ON')
    const user = one === mysql ? 'none_caching_sha2_password' : 'none_parsec'
    t.match(
      await logIn(overTcp(one), user, null),
      /^tls-failed: error 3159: the server wants TLS .*set mysql\.tls/,
      name,
    )
    t.equal(await logIn(overSocket(one), user, null), 'in', 'a socket is secure')
    await one.query('SET GLOBAL require_secure_transport = OFF')
  }
})

const prober = (server: Server, user: string, query = 'SELECT 1', more = {}, expect: string | null = null) => {
  const login: MysqlConfig = { target: overSocket(server), extra: null, user, password: () => password, tls: null }
  const inquiry = {
    ...{ query, expect, disk: null, heartbeat: null, backlog: createBacklogWatch() },
    ...more,
  }
  const one = createProber({ mysql: login, inquiry, timeout: millis(2000), loginInterval: millis(0) }, stalls)
  t.teardown(one.close)
  return async (): Promise<string> => {
    const { outcome } = await one.probe()
    if (outcome.kind === 'late') return 'late'
    const failure = outcome.kind === 'failed' ? outcome.failure : (outcome.facts.check ?? outcome.facts.write)
    return failure === null ? 'ok' : `${failure.code}: ${failure.text}`
  }
}

t.test('an expired password and a locked account are told apart', async (t) => {
  await mysql.query(`CREATE USER shut@localhost IDENTIFIED BY '${quoted}' PASSWORD EXPIRE`)
  t.match(await prober(mysql, 'shut')(), /^access-denied: .*the password has expired/)
  await mysql.query(`ALTER USER shut@localhost IDENTIFIED BY '${quoted}' ACCOUNT LOCK`)
  t.match(await prober(mysql, 'shut')(), /^access-denied: .*the account is locked/)
})

t.test('a limit of the check user itself says nothing about the server, while the login within it lives', async (t) => {
  for (const { name, server } of all) {
    for (const limit of ['MAX_USER_CONNECTIONS 1', 'MAX_CONNECTIONS_PER_HOUR 2']) {
      const user = limit.replace(/ .*/, '').slice(-8).toLowerCase()
      await server.query(`CREATE USER ${user}@localhost IDENTIFIED BY '${quoted}' WITH ${limit}`)
      const ask = prober(server, user)
      for (let i = 0; i < 4; i += 1) t.equal(await ask(), 'ok', `${name}, ${limit}, login ${i + 1}`)
    }
  }
})

t.test('an init_connect that fails is named', async (t) => {
  for (const { name, server } of all) {
    await server.query(`CREATE USER first@localhost IDENTIFIED BY '${quoted}'`, "SET GLOBAL init_connect = 'nonsense'")
    t.match(await prober(server, 'first')(), /^connection-lost: error 1184: .* init_connect fails$/, name)
    await server.query("SET GLOBAL init_connect = ''")
    t.equal(await prober(server, 'first')(), 'ok', name)
  }
})

t.test('what the server and its init_connect set for everybody does not decide a check', async (t) => {
  for (const { name, server } of all) {
    await server.query(
      'CREATE DATABASE mysqlchk',
      'CREATE TABLE mysqlchk.heartbeat (node VARCHAR(255) PRIMARY KEY, beat_at TIMESTAMP(6) NOT NULL)',
      `CREATE USER beat@localhost IDENTIFIED BY '${quoted}'`,
      'GRANT SELECT, INSERT, UPDATE ON mysqlchk.heartbeat TO beat@localhost',
      'SET GLOBAL autocommit = 0',
      'SET GLOBAL wait_timeout = 1',
      'SET GLOBAL init_connect = "SET NAMES latin1, sql_mode = \'ANSI_QUOTES\', sql_select_limit = 0, autocommit = 0"',
    )
    const heartbeat = createHeartbeat({ table: 'mysqlchk.heartbeat', interval: millis(0) })
    t.equal(await prober(server, 'beat', 'SELECT 1', { heartbeat })(), 'ok', name)
    t.match(
      await server.query('SELECT COUNT(*) AS n FROM mysqlchk.heartbeat'),
      [{ n: 1 }],
      'the heartbeat is committed',
    )
    const bounded = server === mysql ? '@@max_execution_time' : 'ROUND(@@max_statement_time * 1000)'
    const session = `IF(@@autocommit, 1, 0), @@sql_mode, @@sql_select_limit, @@wait_timeout, @@lock_wait_timeout, ${bounded}, "é"`
    const wanted = '1||18446744073709551615|600|3|3000|é'
    t.equal(await prober(server, 'beat', `SELECT CONCAT_WS('|', ${session})`, {}, wanted)(), 'ok', 'its session')
  }
})
