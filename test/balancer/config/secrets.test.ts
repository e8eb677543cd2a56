import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../../balancer/config/load.ts'
import { describeSecretChanges } from '../../../balancer/config/secrets.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-secrets-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const place = (name: string): string => join(directory, name)
const write = (name: string, text: string): void => writeFileSync(place(name), text, { mode: 0o600 })

const file = place('balancer.yaml')
writeFileSync(
  file,
  JSON.stringify({
    router_id: 'lb1',
    vrrp: {
      instances: [
        {
          name: 'VI_1',
          interface: 'eth0',
          virtual_router_id: 51,
          virtual_addresses: ['198.18.0.100/24'],
          authentication: { type: 'pass', password_file: place('vrrp') },
        },
      ],
      webhooks: [{ url: 'https://198.18.0.9/hook?token=x', header_files: { Authorization: place('header') } }],
    },
    listeners: [
      {
        name: 'mysql',
        bind: '198.18.0.100:3306',
        check: [{ type: 'tcp' }, { type: 'mysql', user: 'u', password_file: place('login'), tls: { ca: place('ca') } }],
        servers: [{ name: 'db1', address: '198.18.0.11:3306' }],
      },
    ],
  }),
)

const certificateFor = (name: string): string => {
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    place('key'),
  ]
  execFileSync('openssl', [...args, '-out', place('made'), '-subj', `/CN=${name}`], { stdio: 'ignore' })
  return readFileSync(place('made'), 'utf8')
}

const load = () => {
  const loaded = loadConfig(file)
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'))
  return loaded.config
}

t.test('each secret that is another one has a line that says whose it is, and never what it is', async (t) => {
  write('vrrp', 'first')
  write('header', 'Bearer first')
  write('login', 'first login\n')
  write('ca', certificateFor('first'))
  const before = load()
  t.same(load(), before, 'the same files are the same configuration')
  write('vrrp', 'second')
  write('header', 'Bearer second')
  write('login', 'second login\n')
  write('ca', certificateFor('second'))
  const after = load()
  t.notSame(after.listeners, before.listeners, 'the check is another one')
  const lines = describeSecretChanges(before.secrets, after.secrets)
  t.same(lines, [
    'password of check 2 of listener mysql changed',
    'tls files of check 2 of listener mysql changed',
    'password of VRRP instance VI_1 changed',
    `header Authorization of webhook https://198.18.0.9 (${place('header')}) changed`,
  ])
  t.notMatch(JSON.stringify(after.secrets), /second|token/)
  t.same(describeSecretChanges({}, after.secrets), [], 'a new one is no other one')
})

t.test('a pipe or a directory in the place of a file is told at once, and never waited for', async (t) => {
  execFileSync('mkfifo', [place('pipe')])
  const text = readFileSync(file, 'utf8').replace(
    '"tls":{',
    `"tls":{"certificate":"${place('made')}","key":"${place('key')}",`,
  )
  write('odd.yaml', text)
  t.ok(loadConfig(place('odd.yaml')).ok)
  for (const odd of [place('pipe'), directory, '/dev/zero']) {
    for (const name of ['vrrp', 'header', 'login', 'ca', 'made', 'key']) {
      write('odd.yaml', text.replace(`"${place(name)}"`, `"${odd}"`))
      const loaded = loadConfig(place('odd.yaml'))
      t.match(loaded.ok ? [] : loaded.problems.join('\n'), `: ${odd} is no file; write`, `${name}, ${odd}`)
    }
  }
})

t.test('a key that everybody can read is a warning, as a password file is', async (t) => {
  const text = readFileSync(file, 'utf8').replace(
    '"tls":{',
    `"tls":{"certificate":"${place('made')}","key":"${place('key')}",`,
  )
  write('open.yaml', text)
  const warnings = (): string => {
    const loaded = loadConfig(place('open.yaml'))
    return loaded.ok ? loaded.warnings.join('\n') : loaded.problems.join('\n')
  }
  chmodSync(place('key'), 0o640)
  t.notMatch(warnings(), /readable/)
  chmodSync(place('key'), 0o644)
  t.match(
    warnings(),
    `listeners[0].check[1].tls.key: ${place('key')} is readable by everyone; run: chmod o= ${place('key')}`,
  )
})

t.test('who writes a secret where the name of its file should be does not read it again', async (t) => {
  const secret = 'S3cret'
  const wrong = place('wrong.yaml')
  const users = [{ name: 'admin', password_file: secret }]
  const server = { name: 'db1', address: '198.18.0.11:3306' }
  writeFileSync(
    wrong,
    JSON.stringify({
      router_id: 'lb1',
      vrrp: { webhooks: [{ url: 'https://198.18.0.9/', header_files: { Authorization: secret } }] },
      listeners: [
        {
          ...{ name: 'mysql', bind: '198.18.0.100:3306', servers: [server] },
          check: { type: 'mysql', user: 'u', password_file: secret },
        },
      ],
      peers: { key_file: secret, listen: '198.18.0.2:9224', to: ['198.18.0.3:9224'] },
      admin: { http: { bind: '198.18.0.2:8888', users } },
    }),
  )
  const loaded = loadConfig(wrong)
  const problems = loaded.ok ? [] : loaded.problems
  t.equal(problems.filter((text) => /found \(not shown\); write an absolute path/.test(text)).length, 4)
  t.notMatch(problems.join('\n'), secret)
})

t.test('a certificate of a check that has expired is told before anybody refuses it', (t) => {
  certificateFor('check')
  const openssl = (...words: readonly string[]) => execFileSync('openssl', words, { stdio: 'ignore' })
  openssl('req', '-new', '-key', place('key'), '-subj', '/CN=check', '-out', place('csr'))
  openssl('x509', '-req', '-in', place('csr'), '-signkey', place('key'), '-days', '-1', '-out', place('old'))
  const warned = (certificate: string): readonly string[] => {
    const tls = `"tls":{"certificate":"${place(certificate)}","key":"${place('key')}",`
    write('dated.yaml', readFileSync(file, 'utf8').replace('{"type":"tcp"}', `{"type":"http",${tls.slice(0, -1)}}}`))
    const loaded = loadConfig(place('dated.yaml'))
    return (loaded.ok ? loaded.warnings : loaded.problems).filter((line) => line.includes('tls.certificate'))
  }
  t.same(warned('made'), [])
  t.match(warned('old'), [/check\[0\]\.tls\.certificate: .*expired on .* GMT: .*renew it and reload$/])
  t.end()
})
