// Option files are read as the clients read them: MariaDB's own reader is asked what it makes of the same lines.

import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { parseOptionFile } from '../../../agent/config/core/option-file.ts'
import { loadConfig } from '../../../agent/config/load.ts'
import { mustRun } from '../../lab/command.ts'

const directory = t.testdir()

/** What `my_print_defaults` says to one line for each of many sections. */
const asTheClientsRead = async (lines: readonly string[]): Promise<readonly string[]> => {
  const path = join(directory, 'lines.cnf')
  writeFileSync(path, lines.map((line, i) => `[g${i}]\nkey=begin${i}\n${line}\n`).join(''))
  const groups = lines.map((_, i) => `g${i}`)
  const said = await mustRun('my_print_defaults', [`--defaults-file=${path}`, ...groups])
  const parts = said.split(/^--key=begin\d+\n/m).slice(1)
  return parts.map((part) => part.replace(/\n$/, '').replace(/^--password=/, ''))
}

t.test('a password is what the clients take for one, whatever quotes, comments and escapes are in it', async (t) => {
  const value = fc.string({ unit: fc.constantFrom(...`ab"'\\#;= \tsnrtq[]!%$é`), minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 50, maxLength: 150 }), async (values) => {
      const lines = values.map((one) => `password=${one}`)
      const theirs = await asTheClientsRead(lines)
      return lines.every((line, i) => parseOptionFile(`[client]\n${line}\n`).password === theirs[i])
    }),
    { numRuns: 20 },
  )
  t.equal(parseOptionFile('[client]\npassword=abc#def').password, 'abc')
  t.equal(parseOptionFile('[client]\npassword="abc#def"#ours').password, 'abc#def')
  t.equal(parseOptionFile('[client]\npassword="a\\"b\\\\c"').password, 'a"b\\c')
})

const load = (cnf: string, yaml = '', mode = 0o600) => {
  const [config, options] = [join(directory, 'agent.yaml'), join(directory, 'my.cnf')]
  writeFileSync(options, cnf)
  chmodSync(options, mode)
  writeFileSync(config, `mysql: { option_file: ${options}${yaml} }\n`)
  const loaded = loadConfig(config, 'read')
  if (!loaded.ok) return { problems: loaded.problems, warnings: loaded.warnings }
  const { target, user, password } = loaded.config.mysql
  return { problems: [], warnings: loaded.warnings, target, user, password: password() }
}

t.test('the server is found as the clients find it', async (t) => {
  const socket = { kind: 'socket', path: '/run/x.sock' }
  const table: readonly [string, object][] = [
    ['socket=/run/x.sock', socket],
    ['socket=/run/x.sock\nhost=localhost', socket],
    ['socket=/run/x.sock\nport=3307', socket],
    ['socket=/run/x.sock\nhost=10.0.0.5', { kind: 'tcp', host: '10.0.0.5', port: 3306 }],
    ['host=10.0.0.5\nport=3307', { kind: 'tcp', host: '10.0.0.5', port: 3307 }],
    ['socket=/run/x.sock\nhost=10.0.0.5\nprotocol=socket', socket],
    ['protocol=TCP', { kind: 'tcp', host: '127.0.0.1', port: 3306 }],
    ['protocol=tcp\nhost=localhost', { kind: 'tcp', host: '127.0.0.1', port: 3306 }],
    ['host=10.0.0.5\nport=0', { kind: 'tcp', host: '10.0.0.5', port: 3306 }],
    ['', { kind: 'socket', path: '/run/mysqld/mysqld.sock' }],
  ]
  for (const [lines, target] of table) t.match(load(`[client]\n${lines}\n`), { problems: [], target }, lines)
})

t.test('what stands in agent.yaml comes before the option file, and the rest is taken from it', async (t) => {
  const cnf = '[client]\nuser=them\npassword=theirs\nsocket=/run/x.sock\n[mysqld]\nuser=mysql\n'
  t.match(load(cnf), { user: 'them', password: 'theirs', target: { path: '/run/x.sock' } })
  t.match(load(cnf, ', password: ours'), { user: 'them', password: 'ours', target: { path: '/run/x.sock' } })
  t.match(load(cnf, ', user: us, host: 127.0.0.1'), { user: 'us', password: 'theirs', target: { host: '127.0.0.1' } })
  writeFileSync(join(directory, 'password'), 'ours\n', { mode: 0o600 })
  t.match(load(cnf, `, password_file: ${join(directory, 'password')}`), { user: 'them', password: 'ours' })
})

t.test('what the agent would not obey is refused, and what everybody can read is a warning', async (t) => {
  const lines = ['ssl-crl=/x', 'tls-version=TLSv1.3', 'ssl-mode=SOMETIMES', 'protocol=pipe', 'port=33o6', 'port=99999']
  for (const line of lines) {
    t.match(load(`[client]\n${line}\n`).problems, [/which the agent does not obey/], line)
    t.same(load(`[mysql]\n${line}\n`).problems, [], 'not a section of ours')
  }
  t.match(load('[client]\n!include /etc/x\n').problems, [/!include, which the agent does not obey/])
  for (const whole of ['\uFEFF[client]\n', 'user=x\n', '[client\nuser=x\n']) {
    t.match(load(whole).problems, [/which the agent does not obey/], 'the clients refuse it too')
  }
  t.match(load('[client]\npassword=x\n', '', 0o644).warnings, [
    /warning: everybody on this host can read .*; run: chmod o= /,
  ])
})

t.test(
  'names are read as the clients do: first letters, what stands before a name, the case of a section',
  async (t) => {
    const table: readonly [string, object][] = [
      ['[Client]\nuse=u\npass=p\n', { user: 'u', password: 'p' }],
      ['[CLIENT]\nloose-password=p\nloose_default_auth=x\n', { password: 'p' }],
      ['[client]\npassword=p\nskip-password\n', { password: '' }],
      ['[client]\nplugin-dir=/x\ndefault-auth=mysql_native_password\n', { unsafe: [] }],
      ['[ client]\nuser=u\n', { unsafe: [] }],
    ]
    for (const [text, wanted] of table) t.match(parseOptionFile(text), wanted, text)
    t.equal(parseOptionFile('[ client]\nuser=u\n').user, undefined)
  },
)

t.test('encryption is what both clients mean by their options', async (t) => {
  const table: readonly [string, object | null | undefined][] = [
    ['', undefined],
    ['ssl=0', null],
    ['skip-ssl', null],
    ['ssl-mode=DISABLED\nssl-ca=/ca', null],
    ['ssl_mode=preferred', null],
    ['ssl', { verify: 'none' }],
    ['enable-ssl=1', { verify: 'none' }],
    ['ssl-mode=REQUIRED', { verify: 'none' }],
    ['ssl-ca=/ca', { ca: '/ca', verify: 'ca' }],
    ['ssl-mode=VERIFY_CA\nssl-ca=/ca', { ca: '/ca', verify: 'ca' }],
    ['ssl-mode=VERIFY_IDENTITY\nssl-ca=/ca', { ca: '/ca', verify: 'identity' }],
    ['ssl-ca=/ca\nssl-verify-server-cert', { ca: '/ca', verify: 'identity' }],
    ['ssl-verify-server-cert=0', null],
    ['ssl-cert=/c\nssl-key=/k', { certificate: '/c', key: '/k', verify: 'none' }],
  ]
  for (const [lines, tls] of table) t.same(parseOptionFile(`[client]\n${lines}\n`).tls, tls, lines)
})
