import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../../balancer/config/load.ts'
import { vrrpSchema } from '../../../balancer/config/vrrp-schema.ts'
import { changedKeys, changedSharedKeys } from '../../../balancer/vrrp/instance.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-track-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const script = join(directory, 'chk')
writeFileSync(script, '#!/bin/sh\n')
chmodSync(script, 0o755)

const load = (instance: string, shared = '') => {
  const file = join(directory, 'balancer.yaml')
  const text = `router_id: lb1
vrrp:
  instances:
    - { name: V, interface: eth0, virtual_router_id: 1, virtual_addresses: [198.18.0.100/24]${instance} }
${shared}
listeners:
  - { name: mysql, bind: 198.18.0.100:3306, servers: [{ name: db1, address: 198.18.0.11:3306 }] }
`
  writeFileSync(file, text)
  const loaded = loadConfig(file, null)
  return loaded.ok
    ? { vrrp: loaded.config.vrrp, first: loaded.config.vrrp.instances[0], warnings: loaded.warnings }
    : { problems: loaded.problems.map((line) => line.slice(directory.length + 1)) }
}

const scripts = `  scripts: [{ name: chk_disk, command: [${script}, -q] }]`

t.test('an instance without track follows serving, and nothing is notified', async (t) => {
  t.match(load(''), {
    first: {
      track: { serving: { weight: 0 }, interfaces: [], scripts: [], files: [], processes: [] },
      notify: undefined,
      peer: undefined,
    },
    vrrp: { scripts: [], track_files: [], track_processes: [], webhooks: [], script_user: undefined },
  })
})

t.test('names and objects with a weight both name what is tracked', async (t) => {
  const shared = `${scripts}
  track_files: [{ name: f, path: /run/f }]
  track_processes: [{ name: p, process: sshd }]`
  const track =
    ', track: { serving: { weight: -30 }, interfaces: [eth1, { interface: eth2, weight: -5 }], scripts: [chk_disk], files: [{ file: f, weight: 0 }], processes: [p] }, peer: { priority: 90 }'
  t.match(load(track, shared), {
    first: {
      track: {
        serving: { weight: -30 },
        interfaces: [
          { interface: 'eth1', weight: 0 },
          { interface: 'eth2', weight: -5 },
        ],
        scripts: [{ script: 'chk_disk' }],
        files: [{ file: 'f', weight: 0 }],
        processes: [{ process: 'p' }],
      },
      peer: { priority: 90, preempt: true },
    },
    vrrp: {
      scripts: [{ interval: 1000, timeout: undefined, rise: 1, fall: 1, weight: 0, init_fail: false }],
      track_files: [{ weight: 1 }],
      track_processes: [{ quorum: 1, delay: 0, weight: 0 }],
    },
  })
  t.match(load(', track: { serving: false }'), { first: { track: { serving: null } } })
})

t.test('a notification is a path or a list, and headers may come from files', async (t) => {
  const token = join(directory, 'token')
  writeFileSync(token, 'Bearer x\n', { mode: 0o600 })
  const shared = `  webhooks: [{ url: "http://198.18.0.9/hook", header_files: { Authorization: ${token} } }]`
  t.match(load(`, notify: { master: ${script}, any: [${script}, a] }`, shared), {
    first: { notify: { master: [script], any: [script, 'a'], timeout: 10_000 } },
    vrrp: { webhooks: [{ timeout: 5000, retries: 5, headers: {} }] },
    warnings: [],
  })
  chmodSync(token, 0o644)
  t.match(load('', shared), { warnings: [/token is readable by everyone; run: chmod o=/] })
})

t.test('what cannot work is reported with its place and the way out', async (t) => {
  const broken = join(directory, 'not-executable')
  writeFileSync(broken, '')
  const pipe = join(directory, 'pipe')
  execFileSync('mkfifo', [pipe])
  const odd = join(directory, 'odd')
  writeFileSync(odd, 'sécret\n', { mode: 0o600 })
  const cases: readonly (readonly [instance: string, shared: string, expected: string])[] = [
    [
      ', track: { scripts: [chk_dsk] }',
      scripts,
      'balancer.yaml:4:114: vrrp.instances[0].track.scripts[0]: vrrp.scripts has no chk_dsk; did you mean chk_disk?',
    ],
    [
      ', track: { scripts: [{ script: other }] }',
      scripts,
      'track.scripts[0].script: vrrp.scripts has no other (there are chk_disk)',
    ],
    [', track: { files: [f] }', '', 'vrrp.track_files has no f'],
    [', track: { srvng: true }', '', 'track.srvng: unknown key; did you mean serving?'],
    [', track: { scripts: [{ script: chk_disk, wieght: 1 }] }', scripts, 'did you mean weight?'],
    [', track: { serving: maybe }', '', 'write true, false or { weight: -50 }'],
    [', track: { scripts: [{ script: chk_disk, weight: 254 }] }', scripts, 'whole numbers -253 to 253'],
    [
      ', priority: 255, track: { scripts: [{ script: chk_disk, weight: -2 }] }',
      scripts,
      'the address owner (priority 255) keeps its priority',
    ],
    [', priority: 255, track: { interfaces: [{ interface: e, weight: 2 }] }', '', 'the address owner'],
    ['', '  scripts: [{ name: a, command: [chk] }]', 'scripts[0].command: found "a list"; write the absolute path'],
    ['', '  scripts: [{ name: a, command: [/nowhere/chk] }]', 'scripts[0].command: cannot find /nowhere/chk (ENOENT)'],
    ['', `  scripts: [{ name: a, command: [${broken}] }]`, `is not executable; run: chmod +x ${broken}`],
    ['', `  scripts: [{ name: a, command: [${directory}] }]`, 'is no file'],
    ['', `${scripts.slice(0, -1)}, { name: chk_disk, command: [${script}] }]`, 'the name is taken above'],
    ['', '  script_user: nobody-here', 'script_user: /etc/passwd has no user nobody-here; create it'],
    [`, notify: { master: /nowhere/x }`, '', 'notify.master: cannot find /nowhere/x'],
    [
      `, notify: { master: '${script} now', any: '/nowhere/y now' }`,
      '',
      `notify.master: cannot find ${script} now; write the program and its arguments as a list: [${script}, now]`,
    ],
    [`, notify: { any: '/nowhere/y now' }`, '', 'notify.any: cannot find /nowhere/y now (ENOENT)'],
    [`, notify: { mster: ${script} }`, '', 'did you mean master?'],
    ['', '  webhooks: ["http://secret"]', 'webhooks[0]: found (not shown); write a mapping: { url: https://… }'],
    ['', '  webhooks: [{ url: "ftp://secret" }]', 'url: found (not shown); write an address that begins with http'],
    ['', '  webhooks: [{ url: "http://a", headers: { A: "sécret" } }]', 'headers.A: found (not shown)'],
    ['', '  webhooks: [{ url: "http://a", header_files: { A: /nowhere } }]', 'cannot read /nowhere'],
    ['', `  webhooks: [{ url: "http://a", header_files: { A: ${pipe} } }]`, 'pipe is no file; write the password'],
    [
      '',
      `  webhooks: [{ url: "http://a", header_files: { A: ${odd} } }]`,
      'odd is no HTTP header; write printable ASCII',
    ],
    ['', '  webhooks: [{ url: "http://u:secret@a" }]', 'url: found (not shown); user and password do not belong here'],
    ['', '  webhooks: [{ url: "http://secret@a" }]', 'url: found (not shown); user and password do not belong here'],
    ['', '  webhooks: [{ url: "http://a", headers: { Content-Length: "1" } }]', 'the balancer sets this header itself'],
  ]
  for (const [instance, shared, expected] of cases) {
    const { problems = [] } = load(instance, shared)
    t.ok(
      problems.some((problem) => problem.includes(expected)),
      `${expected}\n${problems.join('\n')}`,
    )
    t.notMatch(problems.join(), /secret|sécret/)
  }
})

t.test('a script must be out of the reach of others than root and who runs it', async (t) => {
  const loose = join(directory, 'loose')
  writeFileSync(loose, '#!/bin/sh\n')
  chmodSync(loose, 0o777)
  const shared = `  scripts: [{ name: a, command: [${loose}] }]`
  t.match(load('', shared), { problems: [/would run as root, and others than root may write to .*loose/] })
  const folder = join(directory, 'loose-folder')
  mkdirSync(folder)
  chmodSync(folder, 0o777)
  symlinkSync('/bin/true', join(folder, 'second'))
  symlinkSync('loose-folder/second', join(directory, 'first'))
  t.match(load('', `  scripts: [{ name: a, command: [${join(directory, 'first')}] }]`), {
    problems: [/others than root may write to .*loose-folder; run/],
  })
  chmodSync(directory, 0o755)
  const ofNobody = shared.replace(' }]', ', user: nobody }]')
  t.match(load('', ofNobody), {
    problems: [/run as nobody, and others than root and nobody may write to .*loose; run/],
  })
  chmodSync(loose, 0o755)
  t.match(load('', ofNobody), { vrrp: { scripts: [{ user: 'nobody' }] } })
})

t.test('a reload tells which of these keys changed', async (t) => {
  const before = vrrpSchema.parse({})
  const after = vrrpSchema.parse({ scripts: [{ name: 'a', command: ['/bin/true'] }], script_user: 'nobody' })
  t.same(changedSharedKeys(before, before), [])
  t.same(changedSharedKeys(before, after), ['vrrp: scripts changed', 'vrrp: script_user changed'])
  const one = { name: 'V', interface: 'e', virtual_router_id: 1, virtual_addresses: ['198.18.0.100/24'] }
  const parse = (more: object) => vrrpSchema.parse({ instances: [{ ...one, ...more }] }).instances[0]
  const [plain, tracking] = [parse({}), parse({ track: { interfaces: ['eth1'] }, peer: { priority: 1 } })]
  if (plain === undefined || tracking === undefined) throw new Error('no instances')
  t.same(changedKeys(plain, tracking), ['vrrp V: track changed', 'vrrp V: peer changed'])
})
