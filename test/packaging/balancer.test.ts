import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { isCollection, isPair, isScalar, type Pair, parse, parseDocument, visit } from 'yaml'
import { z } from 'zod'
import { loadConfig } from '../../balancer/config/load.ts'
import { hashPassword } from '../../balancer/config/password-file.ts'
import { balancerSchema } from '../../balancer/config/schema.ts'
import { shortages } from '../../balancer/core/shortage.ts'
import { sessionEnds } from '../../balancer/datapath/kernel/core/session-counts.ts'
import { jsonSchemas } from './json-schema.ts'
import { describedKeys, keysIn, keysOf, keysWithDefault, packaged, root, uncommented } from './keys.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-packaging-'))
chmodSync(directory, 0o755)
t.teardown(() => rmSync(directory, { recursive: true }))
const example = packaged('examples/balancer.yaml')
const whole = uncommented(example)
const schema = jsonSchemas().get('schema/balancer.schema.json')
const [keys, withDefault] = [keysOf(schema), keysWithDefault(schema)]
const noDefault = /#.*(no default|off by default|without it)/

const [key, certificate] = [join(directory, 'client.key'), join(directory, 'client.crt')]
const words = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=example']
execFileSync('openssl', [...words, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
for (const name of ['agent-ca.pem', 'mysql-ca.pem']) copyFileSync(certificate, join(directory, name))

/** What is wrong with a configuration whose files are all there. */
const problemsOf = async (text: string): Promise<readonly string[]> => {
  writeFileSync(join(directory, 'status.password'), await hashPassword('example'), { mode: 0o600 })
  for (const name of ['vrrp.password', 'check.password', 'token']) {
    writeFileSync(join(directory, name), 'example\n', { mode: 0o600 })
  }
  writeFileSync(join(directory, 'peers.key'), randomBytes(48).toString('base64'), { mode: 0o600 })
  for (const name of ['on-change', 'chk-disk']) {
    writeFileSync(join(directory, name), '#!/bin/sh\n')
    chmodSync(join(directory, name), 0o755)
  }
  const file = join(directory, 'balancer.yaml')
  writeFileSync(file, text.replaceAll('/etc/balancer', directory), { mode: 0o600 })
  const loaded = loadConfig(file, null)
  return loaded.ok ? loaded.warnings : loaded.problems
}

t.test('the man page tells how sessions end', async (t) => {
  const [, told = ''] =
    /balancer_listener_ends_total:([^.]*)/.exec(packaged('man/balancer.yaml.5').replaceAll('\\-', '-')) ?? []
  for (const word of [...sessionEnds, ...shortages]) t.match(told, new RegExp(`[\\s-]${word}\\b`), word)
})

t.test('the example of balancer.yaml is valid as it stands', async (t) => {
  t.same(await problemsOf(example), [])
})

t.test('what stands in its comments is valid too, but for what excludes each other', async (t) => {
  const changed = (change: (document: ReturnType<typeof parseDocument>) => void): string => {
    const document = parseDocument(whole)
    change(document)
    return document.toString()
  }
  const instance = ['vrrp', 'instances', 0]
  const multicastOfVersion3 = changed((document) => {
    document.deleteIn([...instance, 'authentication'])
    document.deleteIn(['vrrp', 'sync_groups'])
    document.deleteIn(['listeners', 0, 'fail_back'])
  })
  const [warning = '', ...others] = await problemsOf(multicastOfVersion3)
  t.match(warning, /peers: no listener has datapath: direct/)
  t.same(others, [])
  for (const other of ['password', 'password_file']) {
    const groupOfVersion2 = changed((document) => {
      document.setIn([...instance, 'version'], 2)
      document.setIn([...instance, 'advertisement_interval'], '1s')
      document.deleteIn([...instance, 'checksum_with_ipv4_pseudoheader'])
      document.deleteIn([...instance, 'authentication', other])
      document.deleteIn(['peers'])
      document.setIn(['listeners', 0, 'balance'], 'single')
      const second = { virtual_router_id: 52, virtual_addresses: ['198.18.0.110/24'] }
      const like = { interface: 'eth0', priority: 101, preempt: false }
      document.addIn(['vrrp', 'instances'], document.createNode({ name: 'VI_2', ...like, ...second }))
    })
    t.same(await problemsOf(groupOfVersion2), [])
  }
})

/** The example without its key number `i`; its place and its line, and those of the keys above it. */
const withoutKey = (i: number) => {
  const document = parseDocument(whole)
  let seen = 0
  let found: readonly Pair[] = []
  visit(document, {
    Pair: (_, pair, above) => {
      if (seen++ !== i) return undefined
      found = [...above.filter(isPair), pair]
      return visit.REMOVE
    },
  })
  const names = found.map(({ key }) => (isScalar(key) ? String(key.value) : ''))
  const lines = found.map(({ key }) => {
    const offset = (isScalar(key) ? key.range?.[0] : undefined) ?? 0
    return whole.slice(whole.lastIndexOf('\n', offset) + 1, whole.indexOf('\n', offset)).trim()
  })
  const isBlock = isCollection(found.at(-1)?.value) && lines.at(-1)?.match(/:\s*(#.*)?$/) !== null
  return { key: names.join('.'), lines, isBlock, config: balancerSchema.safeParse(document.toJS()) }
}

t.test('what it shows is the default, unless a comment beside it or above says that there is none', async (t) => {
  const shown = balancerSchema.parse(parse(whole))
  let defaults = 0
  let i = 0
  for (let without = withoutKey(i); without.key !== ''; without = withoutKey(++i)) {
    const { key, lines, isBlock, config } = without
    // A key that has to be given, or one whose parts are looked at in their own lines.
    if (!config.success || isBlock) continue
    if (isDeepStrictEqual(config.data, shown)) {
      defaults += 1
      continue
    }
    const beside = lines.at(-1) ?? ''
    const said = withDefault.has(key) ? /#.*\bdefault/.test(beside) : lines.some((line) => noDefault.test(line))
    t.ok(said, `${key}: ${beside}`)
  }
  t.ok(i > 150 && defaults > 50, `${i} keys, ${defaults} defaults`)
})

t.test(
  'each word of keepalived and HAProxy that operators bring along is there, and leads to keys that there are',
  async (t) => {
    const page = packaged('man/balancer.yaml.5').replaceAll('\\-', '-')
    const [, section = ''] = /^\.SH WORDS OF KEEPALIVED AND HAPROXY\n([\s\S]*?)^\.SH /m.exec(page) ?? []
    const rows = [...section.matchAll(/^(?!\.)(.{28}) (\S.*)$/gm)].map(([, words = '', told = '']) => ({ words, told }))
    t.ok(rows.length > 120, `${rows.length} words`)
    let led = 0
    for (const { told } of rows) {
      let last = ''
      for (const [name] of told.matchAll(/(?:\b(?:listeners|vrrp|admin|log|agent_check)|(?<=, ))(?:\.[a-z_0-9]+)+/g)) {
        last = name.startsWith('.') ? `${last.slice(0, last.lastIndexOf('.'))}${name}` : name
        t.ok(keys.includes(last), `${told}: ${last}`)
        led += 1
      }
    }
    t.ok(led > 90, `${led} keys`)
    const brought =
      'maxconn rise inter fastinter downinter on-marked-down shutdown-sessions backup nbsrv weight slowstart allbackups track_script nopreempt virtual_ipaddress notify notify_master advert_int auth_pass unicast_peer use_vmac stick-table default-server send-proxy check-ssl'
    const there = rows.flatMap(({ words }) => words.split(/[ ,]+/))
    for (const word of brought.split(' ')) t.ok(there.includes(word), word)
  },
)

t.test('every key of the schema stands in the example and in its man page, and no other in the page', async (t) => {
  t.ok(keys.length > 150 && keys.includes('listeners.check.expect.status'), `${keys.length} keys`)
  const [inExample, inPage] = [new Set(keysIn(parse(whole))), describedKeys(packaged('man/balancer.yaml.5'))]
  t.same(
    keys.filter((key) => !inExample.has(key)),
    [],
    'in the example',
  )
  t.same(
    keys.filter((key) => !inPage.has(key)),
    [],
    'in the man page',
  )
  t.same(
    [...inPage.keys()].filter((key) => !keys.includes(key)),
    [],
    'only in the man page',
  )
})

t.test('what the README shows as a first configuration is valid without a warning', async (t) => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const shown = z.string().parse(/^```yaml\n([^`]*^router_id:[^`]*)```/m.exec(readme)?.[1])
  t.same(await problemsOf(shown), [])
  const [listener] = balancerSchema.parse(parse(shown)).listeners
  t.equal(listener?.servers.length, 3)
})
