import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { directReturnAt } from '../../../agent/config/direct-return.ts'
import { loadConfig } from '../../../agent/config/load.ts'
import type { Secrets } from '../../../agent/config/login.ts'

const secret = 'hunter2secret'
const directory = t.testdir()
let files = 0

/** Loads a text; the result's lines come without the path of the file. */
const load = (text: string, { mode = 0o640, secrets = 'read' as Secrets } = {}) => {
  files += 1
  const path = join(directory, `agent${files}.yaml`)
  writeFileSync(path, text)
  chmodSync(path, mode)
  const loaded = loadConfig(path, secrets)
  const bare = (lines: readonly string[]) => lines.map((line) => line.replace(`${path}:`, ''))
  return {
    config: loaded.ok ? loaded.config : undefined,
    problems: loaded.ok ? [] : bare(loaded.problems),
    warnings: bare(loaded.warnings),
    all: JSON.stringify(loaded),
  }
}

const passwordFile = (content: string, mode = 0o640): string => {
  files += 1
  const path = join(directory, `password${files}`)
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

t.test('a file that says nothing is refused: it may be one that is being written', async (t) => {
  for (const text of ['', '\n', '# only a comment\n']) {
    t.match(load(text).problems, [/^1:1: .*the file says nothing; write {} /], JSON.stringify(text))
  }
})

t.test('an empty map gives the documented defaults', async (t) => {
  const { config, problems } = load('{}')
  t.same(problems, [])
  t.match(config, {
    listen: { address: '0.0.0.0', port: 9222, tls: null },
    agent_check: null,
    mysql: { target: { kind: 'socket', path: '/run/mysqld/mysqld.sock' }, user: 'mysqlchkusr', extra: null },
    check: {
      mode: 'auto',
      query: 'SELECT 1',
      timeout: 1000,
      interval: 1000,
      max_age: 500,
      available_when_donor: false,
      expect: null,
      max_replication_lag: 30_000,
      disk: null,
      heartbeat: null,
      connections: null,
    },
    force_fail_file: '/dev/shm/proxyoff',
    access: { allow: [], deny: [], max_connections: 512, max_connections_per_source: 64, rate_limit: null },
    response: { body: 'classic' },
    log: { level: 'info' },
  })
})

t.test('every mistake is reported in one run, each with its place and the way out', async (t) => {
  const { problems } = load(`listen: { address: localhost, prot: 9222 }
mysql:
  socket: /run/mysqld/mysqld.sock
  host: 127.0.0.1
  password_file: /nowhere/password
check:
  mode: galrea
  timeout: 1
  interval: 1ms
access: { allow: [10.0.0.0/40], max_connections: 0 }
`)
  t.same(problems, [
    '1:20: listen.address: found "localhost"; write an IP address, such as 0.0.0.0 (every address of this host), 127.0.0.1 or ::',
    '1:31: listen.prot: unknown key; did you mean port?',
    '4:9: mysql.host: mysql.socket and mysql.host are two ways to the same server; keep one of them',
    '5:18: mysql.password_file: /nowhere/password does not exist; create it, or correct the path',
    '7:9: check.mode: found "galrea"; allowed are auto, ping, galera, replica, group_replication, ndb; did you mean galera?',
    '8:12: check.timeout: found 1; a duration needs a unit; write "1s" for seconds or "1ms" for milliseconds',
    '9:13: check.interval: found "1ms"; allowed are 100ms to 1m',
    '10:19: access.allow[0]: found "10.0.0.0/40"; write an address or a network, such as 10.1.6.203, 10.1.6.0/24 or fd00::/8',
    '10:50: access.max_connections: found 0; allowed are the whole numbers 1 to 10000',
  ])
})

t.test('no mistake makes a password appear', async (t) => {
  const mistakes = [
    `mysql: { password: [${secret}] }`,
    `mysql: { pasword: ${secret} }`,
    `mysql: [${secret}]`,
    `mysql: { user: { name: ${secret} } }`,
    `mysql: { password: !${secret} x }`,
    `mysql: { password: *${secret} }`,
    `mysql:\n  password: |${secret}\n`,
    `mysql:\n  password: "${secret}\n`,
    `mysql:\n  password: ${secret}\n  password_file: ${passwordFile(`${secret}\n${secret}\n`)}\n`,
    `mysql: { password_file: ${passwordFile(`${secret}\nmore\n`)} }`,
    `mysql:\n  password:${secret}\n`,
    `mysql:\n  user: x\n  password:${secret}\n`,
    `mysql: { user: x, password:${secret} }`,
    `mysql: { password=${secret} }`,
    `mysql: ${secret}`,
    secret,
    `mysql: { password_file: ${secret} }`,
    `mysql: { password_credential: "${secret} x" }`,
    `? [${secret}]\n: x\n`,
    `password:${secret}: x`,
  ]
  for (const text of mistakes) {
    const { problems, all } = load(text)
    t.not(problems.length, 0, text)
    t.notMatch(all, secret)
    t.match(problems[0], /^\d+:\d+: /)
  }
})

t.test('a colon without its space is told as that', async (t) => {
  t.same(load(`mysql: { user: x, password:${secret} }`).problems, [
    '1:19: mysql.password: unknown key; write password: with a space behind the colon',
  ])
  t.same(load(`mysql:\n  password:${secret}\n`).problems, [
    '2:3: mysql: found (not shown); a mapping (key: value) is needed',
  ])
})

t.test('what is no configuration at all is a problem and no exception', async (t) => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]']
  for (const [one, before] of ['ba', 'cb', 'dc', 'ed'].map((pair) => [...pair])) {
    bomb.push(`${one}: &${one} [${Array.from({ length: 10 }, () => `*${before}`).join(', ')}]`)
  }
  const table: readonly [string, RegExp][] = [
    [bomb.join('\n'), /anchors are used too often/],
    ['['.repeat(20_000), /^1:\d+: \(YAML\): /],
    [`a: ${'['.repeat(3000)}${']'.repeat(3000)}`, /^1:\d+: /],
    ['a: 1\na: 2', /^2:1: \(YAML\): Map keys must be unique/],
    ['a: 1\n---\nb: 2', /^2:1: \(YAML\): /],
    ['check:', /^1:7: check: found null; a mapping .* is needed/],
    ['- a', /^1:1: \(top level\): found "a list"; a mapping .* is needed/],
    ['1: x\n? [a]\n: b\nnull: 3\n__proto__: { x: 1 }\n', /unknown key/],
    ['mysql: { host: 127.0.0.1, password: *p }', /refers to an anchor that does not exist/],
    [Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 37) % 256)).toString('latin1'), /^\d+:\d+: /],
  ]
  for (const [text, problem] of table) t.match(load(text).problems[0], problem, text.slice(0, 40))
  t.match(loadConfig(directory, 'read'), { ok: false, problems: [/is a directory; write the path of a file/] })
})

t.test('a good configuration does not show its password either', async (t) => {
  const { config, all } = load(`mysql: { password_file: ${passwordFile(`${secret}\n`)} }`)
  t.equal(config?.mysql.password(), secret)
  t.notMatch(all, secret)
  t.equal(load(`mysql: { password: ${secret} }`).config?.mysql.password(), secret)
})

t.test('a password that everybody can read is a warning', async (t) => {
  const inline = load(`mysql: { password: ${secret} }`, { mode: 0o644 })
  t.match(inline.warnings, [/^1:20: mysql\.password: warning: everybody on this host can read/])
  const file = load(`mysql: { password_file: ${passwordFile(secret, 0o644)} }`)
  t.match(file.warnings, [/^1:25: mysql\.password_file: warning: everybody on this host can read .*; run: chmod o= /])
  t.same(load(`mysql: { password_file: ${passwordFile(secret)} }`, { mode: 0o644 }).warnings, [])
  t.ok(inline.config && file.config, 'a warning does not stop the start')
})

t.test('an empty password file is a problem, and commands that do not log in do not care', async (t) => {
  const text = `mysql: { password_file: ${passwordFile('')} }`
  t.match(load(text).problems, [/^1:25: mysql\.password_file: .* is empty; /])
  t.same(load(text, { secrets: 'skip' }).problems, [])
})

t.test('a server over TCP needs a host, and gets the usual port', async (t) => {
  t.same(load('mysql: { host: 127.0.0.1 }').config?.mysql.target, { kind: 'tcp', host: '127.0.0.1', port: 3306 })
  t.match(load('mysql: { port: 3306 }').problems, [/^1:16: mysql\.port: a port needs mysql\.host/])
})

t.test('an IPv4 address written as one of IPv6 is refused: peers are known by the IPv4 address', async (t) => {
  t.match(load('access: { allow: ["::ffff:10.0.0.1"] }').problems, [/write the IPv4 address, .* without ::ffff:/])
})

t.test('a missing configuration file is a problem with what to do', async (t) => {
  t.same(loadConfig('/nowhere/agent.yaml', 'read'), {
    ok: false,
    problems: ['/nowhere/agent.yaml:1:1: (file): /nowhere/agent.yaml does not exist; create it, or correct the path'],
    warnings: [],
  })
})

t.test('addresses, ports and networks that cannot work are errors, and those that hardly can warnings', async (t) => {
  const rows: readonly (readonly [text: string, found: readonly string[]])[] = [
    [
      'listen: { address: 224.0.0.1 }',
      ['1:20: listen.address: 224.0.0.1 is a multicast address; write an address of this host, or 0.0.0.0 for all'],
    ],
    [
      'listen: { address: ff02::1 }',
      ['1:20: listen.address: ff02::1 is a multicast address; write an address of this host, or 0.0.0.0 for all'],
    ],
    [
      'listen: { address: 255.255.255.255 }',
      [
        '1:20: listen.address: 255.255.255.255 is the broadcast address; write an address of this host, or 0.0.0.0 for all',
      ],
    ],
    [
      'listen: { address: "::ffff:10.0.0.1" }',
      [
        '1:20: listen.address: ::ffff:10.0.0.1 is an IPv4 address in the form of IPv6; write an address of this host, or 0.0.0.0 for all',
      ],
    ],
    [
      'listen: { address: 240.0.0.1 }',
      ['1:20: listen.address: 240.0.0.1 is reserved (240.0.0.0/4); write an address of this host, or 0.0.0.0 for all'],
    ],
    [
      'listen: { address: 203.0.113.77 }',
      [
        '1:20: listen.address: warning: this host does not have 203.0.113.77: the agent cannot start until it has; write an address of this host, or 0.0.0.0',
      ],
    ],
    ['listen: { port: 0 }', ['1:17: listen.port: found 0; allowed are the whole numbers 1 to 65535']],
    [
      'agent_check: { address: 239.1.1.1, port: 9223 }',
      [
        '1:25: agent_check.address: 239.1.1.1 is a multicast address; write an address of this host, or 0.0.0.0 for all',
      ],
    ],
    [
      'agent_check: { port: 9222 }',
      [
        '1:22: agent_check.port: 9222 is the port of HTTP (listen.port); agent-check needs one of its own, such as 9223',
      ],
    ],
    [
      'mysql: { host: 0.0.0.0 }',
      [
        '1:16: mysql.host: 0.0.0.0 stands for every address of a host; write the address of the server, such as 127.0.0.1',
      ],
    ],
    [
      'mysql: { host: 224.1.1.1 }',
      ['1:16: mysql.host: 224.1.1.1 is a multicast address; write the address of the server, such as 127.0.0.1'],
    ],
    [
      'mysql: { host: 127.0.0.1, port: 9222 }',
      ['1:33: mysql.port: 9222 is the agent itself (listen.port); write the port of the server, such as 3306'],
    ],
    [
      'access: { deny: [0.0.0.0/0] }',
      ['1:18: access.deny[0]: warning: nobody with an IPv4 address is answered; name the networks that shall not be'],
    ],
    [
      'access: { allow: [10.0.0.0/8], deny: [10.0.0.0/8] }',
      ['1:39: access.deny[0]: warning: 10.0.0.0/8 is allowed as well, and of two alike deny counts; keep one'],
    ],
    [
      'access: { max_connections: 8, max_connections_per_source: 9 }',
      [
        '1:59: access.max_connections_per_source: warning: found 9, more than the 8 of all sources together (max_connections), so that it bounds nothing; write a smaller number',
      ],
    ],
    ['access: { allow: [10.0.0.0/8], deny: [0.0.0.0/0] }', []],
    ['listen: { address: 127.0.0.1 }', []],
    ['listen: { address: "::" }', []],
  ]
  for (const [text, found] of rows) {
    const { problems, warnings } = load(text)
    t.same([...problems, ...warnings], found, text)
  }
})

t.test('direct_return knows the port of the server here, and one text of each address', async (t) => {
  const entries = (text: string) => load(text).config?.direct_return.entries
  const lines =
    "direct_return: [{ address: 203.0.113.7, port: 3366 }, { address: '2001:DB8:0::7', port: 1, server_port: 2 }]\n"
  const six = { address: '2001:db8::7', port: 1, serverPort: 2 }
  const four = (serverPort: number) => ({ address: '203.0.113.7', port: 3366, serverPort })
  t.same(entries(`${lines}mysql: { password: x }`), [four(3306), six])
  t.same(entries(`${lines}mysql: { host: 127.0.0.1, port: 3307, password: x }`), [four(3307), six])
  t.same(entries(`${lines}mysql: { client_address: '10.1.6.203:3308', password: x }`), [four(3308), six])
  t.same(entries('{}'), [])
  const { config } = load(lines)
  t.match(config?.direct_return, { directory: '/run/mysqlchk-agent-direct-return', unit: null })
  t.match(config?.direct_return.commands.up, /^mysqlchk-agent direct-return up --config /)
})

t.test('a configuration of a shipped unit has a unit of direct return, and the commands name it', async (t) => {
  t.match(directReturnAt('/etc/mysqlchk-agent/agent.yaml', '/run/x'), {
    name: 'agent',
    commands: {
      up: 'mysqlchk-agent direct-return up',
      prepare: 'systemctl enable --now mysqlchk-agent-direct-return',
      revive: 'systemctl restart mysqlchk-agent-direct-return',
    },
  })
  t.match(directReturnAt('/etc/mysqlchk-agent/3307.yaml', '/run/x'), {
    name: '3307',
    commands: {
      down: 'mysqlchk-agent direct-return down --config /etc/mysqlchk-agent/3307.yaml',
      prepare: 'systemctl enable --now mysqlchk-agent-direct-return@3307',
    },
  })
})

t.test('an entry of direct_return that nobody could use is refused, with the way out', async (t) => {
  const problems = (entries: string) => load(`direct_return: [${entries}]`).problems
  t.match(problems('{ address: 203.0.113.7 }'), [/direct_return\[0\]\.port: missing;/])
  t.match(problems('{ address: "fe80::1", port: 1 }'), [/is a link-local address; write the address of a listener/])
  t.match(problems('{ address: "::ffff:203.0.113.7", port: 1 }'), [/is an IPv4 address in the form of IPv6/])
  t.match(problems('{ address: 203.0.113.7, port: 1, server-port: 2 }'), [/unknown key; did you mean server_port\?/])
  const many = Array.from({ length: 17 }, (_, i) => `{ address: 203.0.113.7, port: ${i + 1} }`).join(', ')
  t.match(problems(many), [/direct_return: .*at most 16 entries/])
})
