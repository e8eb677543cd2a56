import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../../balancer/config/load.ts'
import { hashPassword, isPassword, parsePasswordHash } from '../../../balancer/config/password-file.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-config-'))
t.teardown(() => rmSync(directory, { recursive: true }))

const load = (text: string) => {
  const file = join(directory, 'balancer.yaml')
  writeFileSync(file, text)
  const loaded = loadConfig(file, null)
  return loaded.ok ? loaded : { ...loaded, problems: loaded.problems.map((line) => line.replace(`${file}:`, '')) }
}

const minimal = `
router_id: lb1
listeners:
  - name: mysql
    bind: 198.18.0.100:3306
    servers: [{ name: db1, address: 198.18.0.11:3306 }]
`

t.test('a short configuration gets the documented defaults', async (t) => {
  const loaded = load(minimal)
  t.match(loaded, {
    ok: true,
    config: {
      router_id: 'lb1',
      vrrp: { instances: [] },
      listeners: [
        {
          bind: [{ address: '198.18.0.100', port: 3306 }],
          balance: 'roundrobin',
          datapath: 'userspace',
          retries: 3,
          redispatch: true,
          on_marked_down: 'shutdown_sessions',
          timeouts: { connect: 5000, client: 28_800_000, server: 28_800_000, queue: 5000 },
          check: [{ type: 'http', port: 9222, path: '/', interval: 2000, timeout: 2000, rise: 2, fall: 3 }],
          servers: [{ name: 'db1', weight: 1, max_connections: 0 }],
        },
      ],
      log: { level: 'info' },
    },
  })
})

t.test('five mistakes are five problems, each with its place and the way out', async (t) => {
  const loaded = load(`router_id: lb1
vrrp:
  instances:
    - name: VI_1
      interface: eth0
      virtual_router_id: 300
      advertisement_interval: 100ms
      virtual_addresses: [198.18.0.100/24]
listeners:
  - name: mysql
    bind: 198.18.0.100:3306
    timeouts: { connect: 5 }
    servers:
      - { name: db1, address: 198.18.0.11:3306, wieght: 1 }
      - { name: db1, address: 198.18.0.12:3306 }
`)
  t.same(loaded, {
    ok: false,
    problems: [
      '6:26: vrrp.instances[0].virtual_router_id: found 300; allowed are the whole numbers 1 to 255',
      '7:31: vrrp.instances[0].advertisement_interval: found "100ms"; VRRP version 2 knows whole seconds only; write 1s, or set version: 3',
      '12:26: listeners[0].timeouts.connect: found 5; a duration needs a unit; write "5s" for seconds or "5ms" for milliseconds',
      '14:49: listeners[0].servers[0].wieght: unknown key; did you mean weight?',
      '15:17: listeners[0].servers[1].name: found "db1"; the name is taken above; choose another',
    ],
  })
})

t.test('each kind of mistake has its own words', async (t) => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      'bind: 198.18.0.100:3306',
      'bind: 198.18.0.100',
      'listeners[0].bind: found "198.18.0.100"; the port is missing; write it behind the address, such as 198.18.0.100:3306',
    ],
    ['bind: 198.18.0.100:3306', 'bind: 198.18.0.100:99999', 'write an address and a port, such as 10.0.0.1:3306'],
    ['name: mysql', 'name: mysql\n    datapath: kernl', 'allowed are userspace, kernel, direct; did you mean kernel?'],
    ['name: mysql', 'name: mysql\n    on_marked_down: shutdown_session', 'did you mean shutdown_sessions?'],
    ['name: mysql', 'name: mysql\n    redispatch: maybe', 'found "maybe"; write true or false'],
    ['name: mysql', 'name: my sql', 'a name is 1 to 64 letters, digits and . _ : -'],
    ['name: mysql', 'name: mysql\n    session_sync: {}', 'this version does not have it yet; remove it'],
    ['router_id: lb1', '', 'router_id: missing; a text is needed'],
    [
      'router_id: lb1',
      'router_id: lb1\nadmin: { http: { bind: [198.18.0.100:3306], users: [] } }',
      'name at least one user',
    ],
    [
      'router_id: lb1',
      'router_id: lb1\nadmin: { http: { bind: [198.18.0.100:3306], users: [] } }',
      '198.18.0.100:3306 above has this address and port',
    ],
    [
      'name: mysql',
      'name: mysql\n    check: { interval: 1us }',
      'a duration is a number with a unit, such as 100ms, 2s, 5m or 8h',
    ],
    [
      'name: mysql',
      'name: mysql\n    check: { interval: 1ms }',
      'listeners[0].check.interval: found "1ms"; allowed are 50ms to 1h',
    ],
    [
      'name: mysql',
      'name: mysql\n    check: { type: smtp }',
      'listeners[0].check.type: found "smtp"; allowed types are http, tcp, mysql, icmp',
    ],
    [
      'name: mysql',
      'name: mysql\n    check: [{ type: tcp, prot: 1 }]',
      'listeners[0].check[0].prot: unknown key; did you mean port?',
    ],
    [
      'name: mysql',
      'name: mysql\n    check: { type: icmp, port: 1 }',
      'listeners[0].check.port: unknown key; known here: type, interval',
    ],
    ['name: mysql', 'name: mysql\n    check: { pat: / }', 'listeners[0].check.pat: unknown key; did you mean path?'],
    [
      'name: mysql',
      'name: mysql\n    check: { expect: { status: 2xx } }',
      'found "2xx"; write statuses and ranges, such as 200-399 or 200,204',
    ],
    [
      'name: mysql',
      'name: mysql\n    check: { expect: { body_matches: "(" } }',
      'this is no regular expression: missing closing ): `(`',
    ],
    [
      'name: mysql',
      'name: mysql\n    check: { expect: { body_matches: "(?=a)b" } }',
      'this is no regular expression: invalid or unsupported Perl syntax: `(?=`; RE2',
    ],
    [
      'name: mysql',
      'name: mysql\n    check: { expect: { body_matches: "(a?){500}" } }',
      'steps, and 100 are allowed: repeat less',
    ],
    ['name: mysql', 'name: mysql\n    check: { type: mysql, query: SELECT 1 }', 'a query or a password needs a user'],
    [
      'name: mysql',
      'name: mysql\n    check: { type: mysql, user: u, password_file: /nowhere/pw }',
      'cannot read /nowhere/pw (ENOENT); write the password into its first line',
    ],
    [
      'name: mysql',
      'name: mysql\n    balance: single\n    on_marked_down: keep',
      'balance: single ends the sessions of a demoted writer; remove this key',
    ],
    [
      'name: mysql',
      'name: mysql\n    balance: single\n    panic_threshold: 1',
      'listeners[0].panic_threshold: not for writers',
    ],
    [
      'name: mysql',
      'name: mysql\n    check: { path: /primary }\n    panic_threshold: 1',
      'listeners[0].panic_threshold: not for writers',
    ],
    ['name: mysql', 'name: mysql\n    fail_back: true', 'it belongs to balance: single'],
    ['name: mysql', 'name: mysql\n    balance: leastcon', 'did you mean leastconn?'],
    ['listeners:', 'listeners: [', '(YAML): '],
    ['router_id: lb1', `router_id: &x lb1\nx: [${'*x, '.repeat(150)}]`, 'anchors are used too often'],
    ['bind: 198.18.0.100:3306', 'bind: [198.18.0.100:3306, 0.0.0.0:3306]', 'has this address and port'],
  ]
  for (const [from, to, expected] of cases) {
    const loaded = load(minimal.replace(from, to))
    t.ok(!loaded.ok && loaded.problems.some((problem) => problem.includes(expected)), expected)
    if (!loaded.ok)
      t.ok(
        loaded.problems.every((problem) => /^\d+:\d+: \S/.test(problem)),
        'every problem has its place',
      )
  }
})

t.test('VRRP intervals fit their version', async (t) => {
  const instance = (version: number, interval: string) =>
    `${minimal}\nvrrp: { instances: [{ name: V, interface: eth0, virtual_router_id: 1, version: ${version}, advertisement_interval: ${interval}, virtual_addresses: [198.18.0.100/24] }] }`
  t.ok(load(instance(2, '1s')).ok)
  t.ok(load(instance(3, '10ms')).ok)
  t.ok(load(instance(3, '40s')).ok)
  t.notOk(load(instance(2, '1500ms')).ok)
  t.notOk(load(instance(3, '15ms')).ok)
  t.notOk(load(instance(3, '41s')).ok)
})

t.test(
  'a missing or wrong password file is a problem, a readable one a warning, and its content is never shown',
  async (t) => {
    const file = join(directory, 'status.password')
    const text = `${minimal}\nadmin: { http: { bind: 198.18.0.2:8888, users: [{ name: admin, password_file: ${file} }] } }`
    t.match(load(text), { ok: false, problems: [/cannot read .*ENOENT.*balancer hash-password/] })
    writeFileSync(file, 'hunter2\n', { mode: 0o600 })
    const wrong = load(text)
    t.match(wrong, { ok: false, problems: [/holds no scrypt string/] })
    t.notMatch(JSON.stringify(wrong), /hunter2/)
    writeFileSync(file, `${await hashPassword('hunter2')}\n`)
    t.match(load(text), { ok: true, warnings: [] })
    rmSync(file)
    writeFileSync(file, `${await hashPassword('hunter2')}\n`, { mode: 0o644 })
    t.match(load(text), { ok: true, warnings: [/readable by everyone/] })
  },
)

t.test('a file that is not there is one clear line', async (t) => {
  t.match(loadConfig(join(directory, 'none.yaml')), { ok: false, problems: [/cannot be read: ENOENT.*--config FILE/] })
})

t.test('a password is recognised by its hash, and costs that would hurt this host are refused', async (t) => {
  const hash = parsePasswordHash(await hashPassword('correct horse'))
  t.ok(hash !== undefined && (await isPassword('correct horse', hash)))
  t.ok(hash !== undefined && !(await isPassword('Correct horse', hash)))
  t.equal(parsePasswordHash('scrypt$1048576$8$1$c2FsdHNhbHQ=$a2V5a2V5a2V5a2V5'), undefined)
  t.equal(parsePasswordHash('scrypt$1000$8$1$c2FsdHNhbHQ=$a2V5a2V5a2V5a2V5'), undefined)
  t.equal(parsePasswordHash('$6$salt$hash'), undefined)
})
