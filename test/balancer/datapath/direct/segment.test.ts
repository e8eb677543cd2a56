// The ways to servers on a real network: how they are found, and followed when hosts, cards and interfaces change.

import { fileURLToPath } from 'node:url'
import t from 'tap'
import { mustRun } from '../../../lab/command.ts'
import type { Host } from '../../../lab/host.ts'
import { createLab } from '../../../lab/lab.ts'
import type { LabProcess } from '../../../lab/lab-process.ts'
import { waitFor } from '../../../lab/wait-for.ts'

t.setTimeout(600_000)
const program = fileURLToPath(new URL('./segment-process.js', import.meta.url))
const lab = await createLab({ name: 'segment' })
t.teardown(() => lab.destroy())
const lb = await lab.addHost('lb1', '198.18.0.1/24')
const db1 = await lab.addHost('db1', '198.18.0.11/24')
const db2 = await lab.addHost('db2', '198.18.0.12/24')

const ip = (host: Host, ...words: readonly string[]): Promise<string> => mustRun('ip', ['-n', host.namespace, ...words])
const macOf = async (host: Host, device = 'eth0'): Promise<string> => {
  const [{ address }] = JSON.parse(await ip(host, '-json', 'link', 'show', 'dev', device))
  return address
}
const start = (bind: string, ...servers: readonly string[]): LabProcess =>
  lb.spawn('segment', process.execPath, [program, bind, ...servers])
const link = (mac: string, device = 'eth0') => ({ kind: 'link', device, mac })

type State = { readonly paths: readonly unknown[]; readonly devices: readonly unknown[] }
const last = (watch: LabProcess): State =>
  JSON.parse(watch.lines().findLast((line) => line.includes('"paths"')) ?? '{}')
const until = (watch: LabProcess, what: string, is: (state: State) => boolean): Promise<unknown> =>
  waitFor(what, () => is(last(watch)))
const pathIs = (i: number, path: unknown) => (state: State) => JSON.stringify(state.paths?.[i]) === JSON.stringify(path)

t.test('servers that nobody has spoken to are found, and a new card of one is followed', async (t) => {
  const watch = start('198.18.0.100', '198.18.0.11', '198.18.0.12', '198.18.0.1', '203.0.113.7')
  await until(watch, 'db1', pathIs(0, link(await macOf(db1))))
  await until(watch, 'db2', pathIs(1, link(await macOf(db2))))
  t.same(last(watch).paths.slice(2), [{ kind: 'here' }, null])
  t.same(last(watch).devices, [{ name: 'eth0', mac: await macOf(lb) }])
  await watch.waitForOutput(/db4 \(203\.0\.113\.7\): this host has no route to it/)

  t.comment('another card, which says so by itself')
  await ip(db1, 'link', 'set', 'eth0', 'address', '02:00:00:00:aa:01')
  await ip(db1, 'neigh', 'flush', 'dev', 'eth0')
  await db1.run('ping', ['-c1', '-W1', '198.18.0.1'])
  await until(watch, 'the new MAC address', pathIs(0, link('02:00:00:00:aa:01')))

  t.comment('another card, of which nobody says a word')
  await ip(db2, 'link', 'set', 'eth0', 'address', '02:00:00:00:aa:02')
  await until(watch, 'the new MAC address', pathIs(1, link('02:00:00:00:aa:02')))

  t.comment('a host that is gone keeps the address it had, until another takes its place')
  await db2.powerCut()
  await watch.waitForOutput(
    /db2 \(198\.18\.0\.12\): nobody answers for it on eth0 \(ARP\): its frames go to .* 02:00:00:00:aa:02/,
  )
  t.same(last(watch).paths[1], link('02:00:00:00:aa:02'))
  await db2.powerOn()
  await until(watch, 'the host that came back', pathIs(1, link(await macOf(db2))))
  await watch.waitForOutput(/db2 \(198\.18\.0\.12\) is found on the network again/)
  await watch.stop()
})

t.test('IPv6, and an interface that is made anew under the same name', async (t) => {
  await ip(lb, 'address', 'add', 'fd00::1/64', 'dev', 'eth0', 'nodad')
  await ip(db1, 'address', 'add', 'fd00::11/64', 'dev', 'eth0', 'nodad')
  const watch = start('fd00::100', 'fd00::11', 'fd00::1')
  await until(watch, 'db1', pathIs(0, link('02:00:00:00:aa:01')))
  t.same(last(watch).paths[1], { kind: 'here' })
  const former = await macOf(lb)
  await lb.powerCut()
  await ip(lb, 'link', 'delete', 'eth0')
  const other = start('fd00::100', 'fd00::11', 'fd00::1')
  await until(other, 'no interface', (state) => state.devices?.length === 0)
  const switchNamespace = `mlab-${lab.id}-switch`
  await ip(lb, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'lb1', 'netns', switchNamespace)
  await mustRun('ip', ['-n', switchNamespace, 'link', 'set', 'dev', 'lb1', 'master', 'br0', 'up'])
  await ip(lb, 'link', 'set', 'eth0', 'up')
  await ip(lb, 'address', 'add', 'fd00::1/64', 'dev', 'eth0', 'nodad')
  await until(other, 'db1 by the new interface', pathIs(0, link('02:00:00:00:aa:01')))
  t.same(last(other).paths[1], { kind: 'here' })
  t.same(last(other).devices, [{ name: 'eth0', mac: await macOf(lb) }])
  t.not(await macOf(lb), former)
  await other.stop()
})

t.test('a server that had this host under another MAC address is told, at once and later (IPv6)', async (t) => {
  // Else it would find out by itself, in a minute.
  await db1.run('sysctl', ['-qw', 'net.ipv6.neigh.eth0.base_reachable_time_ms=3600000'])
  await ip(db1, 'neigh', 'replace', 'fd00::1', 'lladdr', '02:00:00:00:bb:01', 'dev', 'eth0', 'nud', 'reachable')
  const known = () => ip(db1, '-json', 'neigh', 'show', 'fd00::1', 'dev', 'eth0')
  const isNow = async () => (await known()).includes(await macOf(lb))
  await ip(lb, 'neigh', 'flush', 'dev', 'eth0')
  const watch = start('fd00::100', 'fd00::11')
  await until(watch, 'db1', pathIs(0, link('02:00:00:00:aa:01')))
  await waitFor('db1 to know the card of now', isNow)

  t.comment('and while it is known, and with the virtual address on the interface')
  await ip(lb, 'address', 'add', 'fd00::100/64', 'dev', 'eth0', 'nodad')
  await ip(lb, 'address', 'add', 'fd00::2/64', 'dev', 'eth0', 'nodad')
  await ip(db1, 'neigh', 'replace', 'fd00::1', 'lladdr', '02:00:00:00:bb:01', 'dev', 'eth0', 'nud', 'reachable')
  await waitFor('db1 to know the card of now', isNow)
  await waitFor('db1 to know the other address', async () =>
    (await ip(db1, 'neigh', 'show', 'fd00::2', 'dev', 'eth0')).includes(await macOf(lb)),
  )
  t.equal(await ip(db1, 'neigh', 'show', 'fd00::100', 'dev', 'eth0'), '')
  await watch.stop()
})
