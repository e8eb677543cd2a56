// The host side of the kernel datapath on real hosts: a balancer with one interface between clients and a server, both families.

import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { HostDemand } from '../../../../balancer/datapath/kernel/core/host-settings.ts'
import type { KernelListener } from '../../../../balancer/datapath/kernel/core/kernel-listener.ts'
import { kernelOwnTable, kernelTable } from '../../../../balancer/datapath/kernel/core/kernel-table.ts'
import { type Counts, lossesBetween, lossText } from '../../../../balancer/datapath/kernel/core/path-witness.ts'
import type { SettingsReport } from '../../../../balancer/datapath/kernel/host-settings.ts'
import { readCounters } from '../../../../balancer/datapath/rules/core/listing.ts'
import { tableText } from '../../../../balancer/datapath/rules/core/table.ts'
import { mustRun } from '../../../lab/command.ts'
import type { Host } from '../../../lab/host.ts'
import { createLab } from '../../../lab/lab.ts'
import { listener, rules, target } from './sample-rules.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'kernel-host' })
t.teardown(() => lab.destroy())
const lb = await lab.addHost('lb1', '198.18.0.1/24')
const client = await lab.addHost('client1', '198.18.0.2/24')
const db = await lab.addHost('db1', '198.18.0.3/24')
for (const [i, host] of [lb, client, db].entries()) {
  await mustRun('ip', ['-n', host.namespace, 'address', 'add', `2001:db8::${i + 1}/64`, 'dev', 'eth0', 'nodad'])
}
await mustRun('ip', ['-n', lb.namespace, 'address', 'add', '198.18.0.100/32', 'dev', 'eth0'])
await mustRun('ip', ['-n', lb.namespace, 'address', 'add', '2001:db8::100/128', 'dev', 'eth0', 'nodad'])

const inHost = (host: Host, command: string, ...args: readonly string[]): Promise<string> =>
  mustRun('nsenter', [`--net=/run/netns/${host.namespace}`, '--', command, ...args])
const nft = async (rules: string): Promise<void> => {
  await mustRun('nsenter', [`--net=/run/netns/${lb.namespace}`, '--', 'nft', '-f', '-'], { input: rules })
}

const vips = { ipv4: '198.18.0.100', ipv6: '2001:db8::100' } as const
const servers = { ipv4: '198.18.0.3', ipv6: '2001:db8::3' } as const
const families = ['ipv4', 'ipv6'] as const
const listenerOf = (family: (typeof families)[number]): KernelListener =>
  listener({
    name: family,
    binds: [{ address: vips[family], port: 3366 }],
    servers: [{ name: 'db1', address: servers[family], port: 3306 }],
    targets: [target('db1')],
  })
await nft(tableText(kernelTable({ ...rules(families.map(listenerOf)), isPathWatched: true })))
await nft(`table inet watcher {
  counter redirects { }
  chain out { type filter hook output priority 10; icmp type redirect counter name redirects; icmpv6 type nd-redirect counter name redirects; }
}
`)

const serve = `const net = require('node:net')
for (const host of ['0.0.0.0', '::']) net.createServer((socket) => socket.end('hello')).listen({ port: 3306, host, ipv6Only: host === '::' })
setTimeout(() => process.stdout.write('listening\\n'), 100)`
const server = db.spawn('server', process.execPath, ['-e', serve])
await server.waitForOutput(/listening/)

/** Connects with a limit of its own: what is dropped is asked for again a second later. */
const connect = `const socket = require('node:net').connect(3366, process.argv[1])
socket.on('data', () => { console.log('served'); process.exit() })
socket.on('error', ({ code }) => { console.log(code); process.exit() })
setTimeout(() => { console.log('silence'); process.exit() }, Number(process.argv[2]))`
const asks = async (family: keyof typeof vips, limit = 5000): Promise<string> =>
  (await inHost(client, process.execPath, '-e', connect, vips[family], `${limit}`)).trim()

/** Packets of the counters of our table, as the driver reads them. */
const counts = async (name = kernelOwnTable.name): Promise<Counts> => {
  const counters = readCounters(JSON.parse(await inHost(lb, 'nft', '-j', '-t', 'list', 'ruleset')), {
    family: 'inet',
    name,
  })
  return new Map([...(counters ?? [])].map(([name, { packets }]) => [name, packets]))
}

const program = fileURLToPath(new URL('./host-process.js', import.meta.url))
const file = join(lab.directory, 'deep', 'settings.json')
const onHost = async <T>(...words: readonly string[]): Promise<T> =>
  JSON.parse(await inHost(lb, process.execPath, program, ...words))
const demand: HostDemand = {
  forwarding: { ipv4: ['eth0'], ipv6: ['eth0'] },
  accounting: true,
  timestamps: true,
  events: true,
}
const hold = (wanted = demand): Promise<SettingsReport> => onHost('hold', file, JSON.stringify(wanted))
const settings = async (): Promise<string> => {
  const names = ['ipv4', 'ipv6'].flatMap((family) =>
    ['all', 'default', 'eth0', 'lo'].flatMap((device) =>
      ['forwarding', ...(family === 'ipv6' ? ['accept_ra', 'force_forwarding'] : ['send_redirects'])].map(
        (key) => `net.${family}.conf.${device}.${key}`,
      ),
    ),
  )
  return inHost(
    lb,
    'sysctl',
    '-e',
    ...names,
    'net.netfilter.nf_conntrack_acct',
    'net.netfilter.nf_conntrack_timestamp',
    'net.netfilter.nf_conntrack_events',
  )
}

const untouched = await settings()
const silent = 300

t.test('without forwarding nothing comes through, and the counters say where it ends', async (t) => {
  const before = await counts()
  for (let i = 0; i < 3; i += 1) t.equal(await asks('ipv4', silent), 'silence')
  const losses = lossesBetween(before, await counts())
  t.match(losses, [{ direction: 'request', version: { digit: '4' }, of: 3, isComplete: true }])
  t.match(losses.map(lossText), [
    /^All connections of clients to the servers over IPv4 are lost on this host\. .*forwarding = 0/,
  ])
})

t.test('the settings are made and remembered, and clients of both families are served', async (t) => {
  const { changed, failed } = await hold()
  t.same(failed, [])
  t.equal(changed.length, 5)
  t.equal(await asks('ipv4'), 'served')
  t.equal(await asks('ipv6'), 'served')
  t.same(
    JSON.parse(readFileSync(file, 'utf8')).map(({ before }: { before: string }) => before),
    ['0', '0', '0', '0', '2'],
  )
})

t.test('a second start changes nothing and forgets nothing', async (t) => {
  const remembered = readFileSync(file, 'utf8')
  t.match(await hold(), { changed: [], failed: [] })
  t.equal(readFileSync(file, 'utf8'), remembered)
})

t.test('what somebody sets back is set again', async (t) => {
  await inHost(lb, 'sysctl', '-qw', 'net.ipv4.conf.eth0.forwarding=0')
  t.same((await hold()).changed, [{ key: 'net/ipv4/conf/eth0/forwarding', value: '1' }])
  t.equal(await asks('ipv4'), 'served')
})

t.test('clients are not told of a shorter way, in neither family', async (t) => {
  for (const family of families) for (let i = 0; i < 3; i += 1) t.equal(await asks(family), 'served')
  t.equal((await counts('watcher')).get('redirects'), 0)
})

t.test('no loss is seen where there is none, nor where a filter lets ours pass', async (t) => {
  await nft(
    'table inet filter { chain f { type filter hook forward priority 10; policy drop; ct mark and 0xff000000 == 0xb1000000 accept; }; }',
  )
  const before = await counts()
  for (const family of families) for (let i = 0; i < 3; i += 1) t.equal(await asks(family), 'served')
  t.same(lossesBetween(before, await counts()), [])
  await nft('delete table inet filter')
})

for (const { name, rule, direction } of [
  { name: 'of requests', rule: 'tcp dport 3306 drop', direction: 'request' },
  { name: 'of answers', rule: 'tcp sport 3306 drop', direction: 'answer' },
]) {
  t.test(`a loss ${name} in a filter of somebody else is seen, whatever its rules are`, async (t) => {
    await nft(`table ip6 filter { chain f { type filter hook forward priority 300; ${rule}; }; }`)
    const before = await counts()
    for (let i = 0; i < 3; i += 1) t.equal(await asks('ipv6', silent), 'silence')
    t.equal(await asks('ipv4'), 'served')
    const losses = lossesBetween(before, await counts())
    t.match(losses, [{ direction, version: { digit: '6' }, isComplete: true }])
    t.match(losses.map(lossText), [/over IPv6 are lost on this host\. .*rules of another program drop them in forward/])
    await nft('delete table ip6 filter')
  })
}

t.test('the settings are put back as they were', async (t) => {
  t.match(await onHost('release', file), { failed: [] })
  t.equal(await settings(), untouched)
  t.notOk(existsSync(file))
  t.match(await onHost('release', file), { changed: [], failed: [] }, 'a second time there is nothing')
})

t.test('a file that somebody has written is nothing to go by', async (t) => {
  for (const text of [
    '{"a":1}',
    '[{"key":"kernel/core_pattern","before":"x","ours":"core"}]',
    '[{"key":"net/../kernel/x","before":"1","ours":"2"}]',
  ]) {
    writeFileSync(file, text)
    t.match(await onHost('release', file), { changed: [], failed: [] }, text)
  }
})

/** A program nft that answers as the text of a shell script says. */
const standIn = (name: string, script: string): string => {
  const directory = join(lab.directory, name)
  mkdirSync(directory)
  writeFileSync(join(directory, 'nft'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(directory, 'nft'), 0o755)
  return directory
}

t.test('what is missing is one clear line', async (t) => {
  const missing = async (path: string, ...prefix: readonly string[]): Promise<readonly string[]> =>
    JSON.parse(
      await inHost(
        lb,
        ...(['env', `PATH=${path}`, ...prefix, process.execPath, program, 'missing'] as [string, ...string[]]),
      ),
    )
  const path = process.env['PATH'] ?? ''
  t.same(await missing(path), [], 'nothing, on this host')
  t.match(await missing(path, 'setpriv', '--bounding-set=-net_admin', '--inh-caps=-all'), [
    /^nft may not change the rules of this host: it needs CAP_NET_ADMIN, which a container gets with --cap-add NET_ADMIN$/,
  ])
  const cases = [
    { name: 'slow', script: 'exec sleep 60', said: [/^nft gave no answer within 2 s$/] },
    {
      name: 'garbage',
      script: 'echo what >&2; exit 3',
      said: [/^nft failed \(exit code 3\): what; run: nft list ruleset$/],
    },
    {
      name: 'old-kernel',
      script: `rules=$(cat); case "$rules" in *fib*) echo 'Error: Could not process rule: No such file or directory' >&2; exit 1;; esac`,
      said: [
        /^the kernel of this host has no looking up whose an address is \(fib\) \(module nft_fib_inet; nft failed .*No such file or directory\): load it with modprobe/,
      ],
    },
  ]
  for (const { name, script, said } of cases) t.match(await missing(`${standIn(name, script)}:${path}`), said, name)
})

t.test('a table of our name that somebody else made is told apart', async (t) => {
  t.equal(await onHost('taken'), null, 'ours')
  await nft('delete table inet balancer\ntable inet balancer { chain his { }\n}\n')
  t.match(
    await onHost('taken'),
    /^there is a table inet balancer that this program did not make, and it is not touched; look at it with/,
  )
  t.same(await onHost('release-all', '3'), {
    removed: ['rules: nft table inet balancer', '3 session(s) of the kernel datapath'],
    failed: [],
  })
  t.equal(await onHost('taken'), null)
  t.same(await onHost('release-all', '0'), { removed: [], failed: [] })
})
