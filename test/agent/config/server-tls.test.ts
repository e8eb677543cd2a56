import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../../agent/config/load.ts'
import { mustRun } from '../../lab/command.ts'

const directory = t.testdir()
const file = (name: string): string => join(directory, name)
for (const name of ['one', 'two']) {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`]
  await mustRun('openssl', ['req', '-x509', ...key, '-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)])
  chmodSync(file(`${name}.key`), 0o600)
}
writeFileSync(file('text'), 'this is no certificate\n')

const load = (mysql: string) => {
  const path = file('agent.yaml')
  writeFileSync(path, `mysql: ${mysql}\n`)
  const loaded = loadConfig(path, 'read')
  const bare = (lines: readonly string[]) => lines.map((line) => line.replace(`${path}:`, ''))
  return {
    tls: loaded.ok ? loaded.config.mysql.tls : undefined,
    problems: loaded.ok ? [] : bare(loaded.problems),
    warnings: bare(loaded.warnings),
  }
}

t.test('mysql.tls encrypts the login, and compares the whole certificate unless it is told not to', async (t) => {
  t.equal(load('{}').tls, null)
  t.same(load('{ tls: {} }').tls, { verify: 'identity', serverName: null })
  t.same(load('{ tls: { verify: true, server_name: db.test } }').tls, { verify: 'identity', serverName: 'db.test' })
  t.same(load('{ tls: { verify: ca } }').tls, { verify: 'ca', serverName: null })
  t.same(load('{ tls: { verify: false } }').tls, { verify: 'none', serverName: null })
  const name = (mysql: string) => load(mysql).tls?.serverName
  t.equal(name('{ host: db1.test, extra_port: 3307, tls: {} }'), 'db1.test', 'the same at every port and address')
  t.equal(name('{ host: 127.0.0.1, client_address: db1.test, tls: { server_name: db.test } }'), 'db.test')
  const { tls } = load(`{ tls: { ca: ${file('one.crt')}, certificate: ${file('two.crt')}, key: ${file('two.key')} } }`)
  t.match(tls, { ca: /BEGIN CERTIFICATE/, cert: /BEGIN CERTIFICATE/, key: /BEGIN PRIVATE KEY/ })
})

t.test('what is wrong with mysql.tls is told with its place', async (t) => {
  const table: readonly [string, RegExp][] = [
    ['{ verify: maybe }', /^1:25: mysql\.tls\.verify: found "maybe"; allowed are true, false and ca$/],
    ['{ ca: /nowhere/ca.pem }', /mysql\.tls\.ca: \/nowhere\/ca\.pem does not exist/],
    [`{ ca: ${file('text')} }`, /mysql\.tls\.ca: the files cannot be used \(.*\); they must be PEM/],
    [`{ certificate: ${file('one.crt')} }`, /mysql\.tls\.certificate: a certificate for the login needs its key/],
    [`{ key: ${file('one.key')} }`, /mysql\.tls\.key: a key for the login needs its certificate/],
    [
      `{ certificate: ${file('one.crt')}, key: ${file('two.key')} }`,
      /mysql\.tls\.certificate: the files cannot be used/,
    ],
    ['{ cert: /x }', /unknown key/],
  ]
  for (const [tls, problem] of table) t.match(load(`{ tls: ${tls} }`).problems, [problem], tls)
  chmodSync(file('one.key'), 0o644)
  t.match(load(`{ tls: { certificate: ${file('one.crt')}, key: ${file('one.key')} } }`).warnings, [
    /warning: everybody on this host can read .*one\.key; run: chmod o= .*one\.key/,
  ])
})

t.test('a certificate of the listener that has expired, and one that is none, are told', async (t) => {
  const key = file('one.key')
  await mustRun('openssl', ['req', '-new', '-key', key, '-subj', '/CN=old', '-out', file('old.csr')])
  const signed = ['-in', file('old.csr'), '-signkey', key, '-days', '-1', '-out', file('old.crt')]
  await mustRun('openssl', ['x509', '-req', ...signed])
  const path = file('agent.yaml')
  const told = (tls: string) => {
    writeFileSync(path, `listen: { tls: { ${tls}, key: ${file('one.key')} } }\n`)
    const loaded = loadConfig(path, 'read')
    return [...(loaded.ok ? [] : loaded.problems), ...loaded.warnings].filter((line) => line.includes('listen.tls'))
  }
  chmodSync(file('one.key'), 0o600)
  t.same(told(`certificate: ${file('one.crt')}`), [])
  t.match(told(`certificate: ${file('old.crt')}`), [
    /listen\.tls\.certificate: warning: the certificate expired on .* GMT: clients .* renew it and reload/,
  ])
  t.match(told(`certificate: ${file('one.crt')}, client_ca: ${file('text')}`), [
    /listen\.tls\.client_ca: the file is no certificate/,
  ])
})

t.test('a pipe, a directory or a device in the place of a file is told at once, and never waited for', async (t) => {
  await mustRun('mkfifo', [file('pipe')])
  const path = file('agent.yaml')
  const pair = `certificate: ${file('one.crt')}, key: ${file('one.key')}`
  const places: readonly [string, (odd: string) => string][] = [
    ['mysql.tls.ca', (odd) => `mysql: { tls: { ca: ${odd} } }`],
    ['mysql.tls.certificate', (odd) => `mysql: { tls: { certificate: ${odd}, key: ${file('one.key')} } }`],
    ['mysql.tls.key', (odd) => `mysql: { tls: { certificate: ${file('one.crt')}, key: ${odd} } }`],
    ['mysql.password_file', (odd) => `mysql: { password_file: ${odd} }`],
    ['mysql.option_file', (odd) => `mysql: { option_file: ${odd} }`],
    ['listen.tls.certificate', (odd) => `listen: { tls: { certificate: ${odd}, key: ${file('one.key')} } }`],
    ['listen.tls.key', (odd) => `listen: { tls: { certificate: ${file('one.crt')}, key: ${odd} } }`],
    ['listen.tls.client_ca', (odd) => `listen: { tls: { ${pair}, client_ca: ${odd} } }`],
  ]
  for (const odd of [file('pipe'), directory, '/dev/zero']) {
    for (const [place, written] of places) {
      writeFileSync(path, `${written(odd)}\n`)
      const loaded = loadConfig(path, 'read')
      t.match(loaded.ok ? [] : loaded.problems, [`${place}: ${odd} is n`], `${place}, ${odd}`)
    }
  }
  writeFileSync(file('large'), Buffer.alloc(5 * 1024 * 1024))
  t.match(load(`{ tls: { ca: ${file('large')} } }`).problems, [/mysql\.tls\.ca: .* is larger than a certificate/])
})

t.test('an option file can say it too, and agent.yaml comes first', async (t) => {
  writeFileSync(file('my.cnf'), `[client]\nssl-ca=${file('one.crt')}\nssl-mode=VERIFY_IDENTITY\n`, { mode: 0o600 })
  t.match(load(`{ option_file: ${file('my.cnf')} }`).tls, { ca: /BEGIN/, verify: 'identity', serverName: null })
  t.same(load(`{ option_file: ${file('my.cnf')}, tls: { verify: false } }`).tls, { verify: 'none', serverName: null })
  writeFileSync(file('my.cnf'), '[client]\nssl-ca=/nowhere\n', { mode: 0o600 })
  t.match(load(`{ option_file: ${file('my.cnf')} }`).problems, [/mysql\.option_file: \/nowhere does not exist/])
})

t.test('a byte order mark does not belong to a password', async (t) => {
  writeFileSync(file('password'), '\uFEFFsecret\r\n', { mode: 0o600 })
  writeFileSync(file('agent.yaml'), `mysql: { password_file: ${file('password')} }\n`)
  const loaded = loadConfig(file('agent.yaml'), 'read')
  t.equal(loaded.ok && loaded.config.mysql.password(), 'secret')
})
