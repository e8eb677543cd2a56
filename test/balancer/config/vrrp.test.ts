import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../../balancer/config/load.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-vrrp-config-'))
t.teardown(() => rmSync(directory, { recursive: true }))

const load = (instances: readonly string[], groups = '') => {
  const file = join(directory, 'balancer.yaml')
  const text = `router_id: lb1
vrrp:
  instances:
${instances.map((instance) => `    - { ${instance} }`).join('\n')}
${groups === '' ? '' : `  sync_groups: [${groups}]`}
listeners:
  - { name: mysql, bind: 198.18.0.100:3306, servers: [{ name: db1, address: 198.18.0.11:3306 }] }
`
  writeFileSync(file, text, { mode: 0o640 })
  const loaded = loadConfig(file, null)
  return loaded.ok
    ? { ok: true as const, warnings: loaded.warnings, first: loaded.config.vrrp.instances[0], vrrp: loaded.config.vrrp }
    : { ok: false as const, problems: loaded.problems.map((line) => line.replace(/^.*?: vrrp\./, '')) }
}

const plain = 'name: V, interface: eth0, virtual_router_id: 1, virtual_addresses: [198.18.0.100/24]'
const six = 'name: V6, interface: eth0, virtual_router_id: 1, version: 3, virtual_addresses: ["fe80::100/64"]'

t.test('a short instance gets the documented defaults', async (t) => {
  t.match(load([plain]), {
    ok: true,
    first: {
      version: 2,
      priority: 100,
      preempt: true,
      preempt_delay: 0,
      checksum_with_ipv4_pseudoheader: true,
      virtual_mac: false,
      virtual_addresses_excluded: [],
      garp_master_repeat: 5,
      garp_master_delay: 5000,
      garp_master_refresh: 0,
      garp_master_refresh_repeat: 1,
    },
  })
})

t.test('every key is accepted where it has a meaning', async (t) => {
  const all = `${plain}, preempt_delay: 1m, virtual_mac: true, garp_master_refresh: 1m,
      virtual_addresses_excluded: ["2001:DB8:0:0::1/64", { address: 198.18.0.101, dev: lo, label: "lo:1" }],
      virtual_routes: [{ to: 198.19.0.0/16, via: 198.18.0.254, dev: eth0, metric: 10 }]`
  t.match(load([all.replaceAll('\n', ' ')]), {
    ok: true,
    first: {
      virtual_addresses_excluded: [
        { address: { address: '2001:db8::1', prefixLength: 64 } },
        { address: { address: '198.18.0.101', prefixLength: 32 }, dev: 'lo', label: 'lo:1' },
      ],
      virtual_routes: [
        { to: { address: '198.19.0.0', prefixLength: 16 }, via: '198.18.0.254', dev: 'eth0', metric: 10, track: null },
      ],
    },
  })
  t.match(load([`${plain}, unicast: { source: 198.18.0.1, peers: [198.18.0.2] }`]), {
    first: { unicast: { min_ttl: 255 } },
  })
  t.ok(load([plain, six]).ok, 'both families may use one virtual_router_id on one interface')
})

t.test('what contradicts itself is refused with the way out', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    [`${plain}, unicast: { source: "fe80::1", peers: [198.18.0.2] }`, 'the virtual addresses are IPv4'],
    [plain.replace('198.18.0.100/24', '{ adress: 198.18.0.100/24 }'), 'adress: unknown key; did you mean address?'],
    [`${plain}, unicast: { source: 198.18.0.1, peers: [198.18.0.1] }`, 'this is the own source'],
    [`${plain}, unicast: { source: 198.18.0.1, peers: [198.18.0.2] }, virtual_mac: true`, 'works with multicast only'],
    [`${plain}, unicast: { source: 198.18.0.1, peers: [] }`, 'name at least one peer'],
    [`${plain}, version: 3, authentication: { type: pass, password: a }`, 'version 3 has no authentication'],
    [`${plain}, authentication: { type: ah, password: a }`, 'only pass is known'],
    [`${plain}, authentication: { type: pass }`, 'write either password_file or password'],
    [`${plain}, authentication: { type: pass, password_file: /nonexistent }`, 'cannot read /nonexistent (ENOENT)'],
    [`${plain}, preempt: false, preempt_delay: 5s`, 'without preempt nothing is delayed'],
    [`${plain}, preempt: false, priority: 255`, 'the address owner (priority 255) always preempts'],
    [`${plain}, checksum_with_ipv4_pseudoheader: false`, 'only version 3 with IPv4 has this choice'],
    [six.replace('version: 3', 'version: 2'), 'IPv6 needs version: 3'],
    [six.replace('"fe80::100/64"', '"fe80::100/64", 198.18.0.9'), 'one instance advertises one family'],
    [plain.replace('/24', '/33'), 'write an IP address with its prefix length'],
    [plain.replace('198.18.0.100/24', '{ address: 198.18.0.100, lable: x }'), 'unknown key'],
    [`${plain}, virtual_routes: [{ to: 198.19.0.0/16 }, { to: 198.19.0.0/16 }]`, 'write another metric'],
    [`${plain}, virtual_routes: [{ to: 198.19.0.0/16, track: yes }]`, 'write true, false or { weight: -50 }'],
    [`${plain}, priority: 255, virtual_routes: [{ to: 198.19.0.0/16, track: { weight: -5 } }]`, 'keeps its priority'],
    [`${six}, virtual_routes: [{ to: 198.19.0.0/16 }]`, 'an IPv4 route ends with an IPv4 address'],
  ]
  for (const [instance, expected] of cases) {
    const loaded = load([instance])
    t.ok(!loaded.ok && loaded.problems.some((problem) => problem.includes(expected)), expected)
  }
})

t.test('instances and sync groups fit together', async (t) => {
  const second = plain.replace('name: V,', 'name: W,').replace('_id: 1', '_id: 2')
  const other = second.replace('.100', '.101')
  t.match(load([plain, second]), { problems: [/198.18.0.100 is a virtual address already/] })
  t.match(load([plain, other], '{ name: G, instances: [V, W] }'), { vrrp: { sync_groups: [{ name: 'G' }] } })
  t.match(load([plain, other], '{ name: G, instances: [V] }'), { problems: [/at least two instances/] })
  t.match(load([plain, other], '{ name: G, instances: [V, X] }'), { problems: [/there is no instance X/] })
  t.match(load([plain, `${other}, priority: 90`], '{ name: G, instances: [V, W] }'), {
    problems: [/W and V have a different priority \(90, 100\); a group wins or loses together: write the same/],
  })
  t.match(load([plain, `${other}, preempt: false`], '{ name: G, instances: [V, W] }'), {
    problems: [/W and V have a different preempt \(false, true\)/],
  })
  t.match(load([plain, `${other}, preempt_delay: 5s`], '{ name: G, instances: [V, W] }'), {
    problems: [/W and V have a different preempt_delay \(5s, 0s\)/],
  })
  const written = `${other}, priority: 100, preempt: true, preempt_delay: 0ms`
  t.ok(load([plain, written], '{ name: G, instances: [V, W] }').ok, 'what is written may be the default')
  t.match(load([plain, other], '{ name: G, instances: [V, W] }, { name: H, instances: [W, V] }'), {
    problems: [/W is in a sync group already/, /V is in a sync group already/],
  })
})

t.test('a password comes from its file, is never shown, and everyone who may read it is warned of', async (t) => {
  const file = join(directory, 'vrrp.password')
  const instance = `${plain}, authentication: { type: pass, password_file: ${file} }`
  writeFileSync(file, 'too long a secret\n', { mode: 0o600 })
  const refused = load([instance])
  t.match(refused, { ok: false, problems: [/is no VRRP password; write 1 to 8 printable characters/] })
  t.notMatch(JSON.stringify(refused), /too long a secret/)
  writeFileSync(file, 'secret\n')
  t.match(load([instance]), { warnings: [], first: { authentication: { password: 'secret' } } })
  chmodSync(file, 0o644)
  t.match(load([instance]), { warnings: [/vrrp.password is readable by everyone; run: chmod o=/] })

  const inline = `${plain}, authentication: { type: pass, password: hunter2-hunter2 }`
  const long = load([inline])
  t.match(long, { ok: false, problems: [/found \(not shown\); write 1 to 8 printable/] })
  t.notMatch(JSON.stringify(long), /hunter2/)
  chmodSync(join(directory, 'balancer.yaml'), 0o644)
  t.match(load([inline.replace('-hunter2', '')]), {
    warnings: [
      /authentication.password: everyone may read this file, and the password in it; run: chmod o= .*balancer.yaml$/,
    ],
  })
})
