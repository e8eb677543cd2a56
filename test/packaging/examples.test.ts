// The examples for whole sites: each balancer.yaml with the agent.yaml that belongs to it says what it means.

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig as loadAgent } from '../../agent/config/load.ts'
import { accessRules } from '../../agent/server/admission.ts'
import { loadConfig as loadBalancer } from '../../balancer/config/load.ts'
import { hashPassword } from '../../balancer/config/password-file.ts'
import type { BalancerConfig } from '../../balancer/config/schema.ts'
import { outlookOf } from '../../balancer/vrrp/core/outlook.ts'
import { prospectsOf } from '../../balancer/vrrp/prospects.ts'
import { packaged, root } from './keys.ts'

const directory = mkdtempSync(join(tmpdir(), 'examples-'))
chmodSync(directory, 0o755)
t.teardown(() => rmSync(directory, { recursive: true }))
const hash = await hashPassword('example')

/** What each site is: the listeners with their datapath, balance, paths of checks and servers, and both unicast addresses. */
const sites: Readonly<Record<string, { readonly listeners: readonly string[]; readonly unicast: readonly string[] }>> =
  {
    'db-hosts': {
      listeners: ['10.1.6.173:3366 direct roundrobin http / mysql -> db1 10.1.6.203:3306, db2 10.1.6.205:3306'],
      unicast: [],
    },
    'own-hosts': {
      listeners: [
        '10.1.6.100:3306 direct roundrobin http / mysql -> db1 10.1.6.21:3306, db2 10.1.6.22:3306, db3 10.1.6.23:3306',
      ],
      unicast: [],
    },
    'cloud-unicast': {
      listeners: [
        '10.1.6.100:3306 userspace leastconn http / mysql -> db-a 10.1.16.21:3306, db-b 10.1.32.21:3306, db-c 10.1.48.21:3306',
      ],
      unicast: ['10.1.6.11 10.1.6.12', '10.1.6.12 10.1.6.11'],
    },
    'read-write-split': {
      listeners: [
        '10.1.6.100:3306 direct single http /primary mysql -> db1 10.1.6.21:3306, db2 10.1.6.22:3306, db3 10.1.6.23:3306',
        '10.1.6.100:3307 direct roundrobin http /replica?lag=10s mysql -> db1 10.1.6.21:3306, db2 10.1.6.22:3306, db3 10.1.6.23:3306',
      ],
      unicast: [],
    },
  }

const balancer = (text: string): BalancerConfig => {
  for (const [name, content] of [
    ['check.password', 'example\n'],
    ['status.password', hash],
    ['peers.key', 'a key of an example that is long enough\n'],
  ] as const) {
    writeFileSync(join(directory, name), content, { mode: 0o600 })
  }
  writeFileSync(join(directory, 'take-address'), '#!/bin/sh\n', { mode: 0o755 })
  const file = join(directory, 'balancer.yaml')
  writeFileSync(file, text.replaceAll('/etc/balancer', directory))
  const loaded = loadBalancer(file, null)
  if (!loaded.ok) throw new Error(loaded.problems.join('\n'))
  t.same(loaded.warnings, [])
  return loaded.config
}

/** The file of the other host: each value with a comment beside it that says what it is there. */
const otherHost = (text: string): string =>
  text.replaceAll(/^( *[a-z_]+: )[^#\n]*?( +# on (?:lb2|db2): )(.+)$/gm, '$1$3')

const shown = ({ listeners }: BalancerConfig): readonly string[] =>
  listeners.map(({ bind, datapath, balance, check, servers }) => {
    const checks = check.map((one) => (one.type === 'http' ? `http ${one.path}` : one.type))
    const targets = servers.map(({ name, address }) => `${name} ${address.address}:${address.port}`)
    const places = bind.map(({ address, port }) => `${address}:${port}`)
    return `${places.join(' ')} ${datapath} ${balance} ${checks.join(' ')} -> ${targets.join(', ')}`
  })

t.test('there is an example for each site, and no other', async (t) => {
  const folders = readdirSync(join(root, 'packaging/examples'), { withFileTypes: true }).filter((e) => e.isDirectory())
  t.same(folders.map(({ name }) => name).sort(), Object.keys(sites).sort())
})

for (const [name, { listeners, unicast }] of Object.entries(sites)) {
  t.test(`${name}: both balancers are valid without a warning, and differ where their comments say so`, async (t) => {
    const text = packaged(`examples/${name}/balancer.yaml`)
    const [one, other] = [balancer(text), balancer(otherHost(text))]
    t.same(shown(one), listeners)
    t.same(shown(other), listeners)
    t.not(one.router_id, other.router_id)
    const routers = [one, other].flatMap(({ vrrp }) => vrrp.instances)
    t.same(
      routers.map(({ priority, preempt, virtual_router_id }) => [priority, preempt, virtual_router_id]),
      [
        [101, false, 51],
        [100, false, 51],
      ],
    )
    t.same(
      routers.flatMap(({ unicast: u }) => (u == null ? [] : [`${u.source} ${u.peers.join(' ')}`])),
      unicast,
    )
    const bound = [one, other].map(({ admin }) => admin.http?.bind.map(({ address }) => address))
    t.not(bound[0]?.at(-1), bound[1]?.at(-1), 'each shows its page on an address of its own')
    if (one.peers !== undefined) {
      const [listen, ...rest] = [one, other].map(({ peers }) => peers?.listen)
      t.same(one.peers.to, [listen, ...rest])
      t.same(other.peers?.to, one.peers.to)
      t.notSame(listen, rest[0])
    }
    t.equal(
      one.peers !== undefined,
      one.listeners.some(({ datapath }) => datapath === 'direct'),
    )
    const warned = [one, other].flatMap(({ vrrp }) => prospectsOf(vrrp).flatMap(outlookOf)).filter((o) => o.isWarning)
    t.same(warned, [])
  })

  t.test(`${name}: the agent is valid without a warning, and lets the balancers in on their port`, async (t) => {
    const text = packaged(`examples/${name}/agent.yaml`)
    const place = join(directory, name)
    mkdirSync(place)
    const file = join(place, 'agent.yaml')
    writeFileSync(file, text)
    const loaded = loadAgent(file, 'skip')
    if (!loaded.ok) throw new Error(loaded.problems.join('\n'))
    t.same(loaded.warnings, [])
    const { listen, check, access } = loaded.config
    const asking = packaged(`examples/${name}/balancer.yaml`)
    const both = [balancer(asking), balancer(otherHost(asking))]
    const http = both.flatMap(({ listeners: all }) => all.flatMap((one) => one.check.filter((c) => c.type === 'http')))
    t.ok(http.length >= 2)
    for (const { port, timeout } of http) {
      t.equal(port, listen.port)
      t.ok(timeout > check.timeout, 'the balancer waits for the answer of an agent whose probe takes all its time')
    }
    const prepared = loaded.config.direct_return.entries.map(({ address, port: at }) => `${address}:${at}`)
    const direct = both.flatMap(({ listeners: all }) => all.filter(({ datapath }) => datapath === 'direct'))
    t.same([...new Set(direct.flatMap(({ bind }) => bind.map((one) => `${one.address}:${one.port}`)))], prepared)
    const isAllowed = accessRules(access)
    const own = both.map(({ admin }) => admin.http?.bind.at(-1)?.address ?? '')
    t.same(['127.0.0.1', ...own, '203.0.113.1'].map(isAllowed), [true, true, true, false])
  })
}
