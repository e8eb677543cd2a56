// Balancers on the servers themselves: the virtual address is on lo of each for good, as `mysqlchk-agent direct-return up` puts it
// there, and on the network of the master alone.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import { mustRun } from '../../lab/command.ts'
import type { Host } from '../../lab/host.ts'
import { createLab } from '../../lab/lab.ts'
import { balancerProgram as balancer } from '../../lab/programs.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { instance, startRouter, virtualAddress, vrrpOf } from './router.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'vrrp-direct-return' })
t.teardown(() => lab.destroy())
const db1 = await lab.addHost('db1', '198.18.0.1/24')
const db2 = await lab.addHost('db2', '198.18.0.2/24')
const client = await lab.addHost('client', '198.18.0.200/24')
const addresses = [virtualAddress.address, 'fd00::100']

const ip = (host: Host, ...words: readonly string[]): Promise<string> => mustRun('ip', ['-n', host.namespace, ...words])
for (const [i, host] of [db1, db2, client].entries()) {
  await ip(host, 'address', 'add', `fd00::${i + 1}/64`, 'dev', 'eth0', 'nodad')
  if (host === client) continue
  await ip(host, 'address', 'add', `${virtualAddress.address}/32`, 'dev', 'lo', 'scope', 'host')
  await ip(host, 'address', 'add', 'fd00::100/128', 'dev', 'lo', 'preferred_lft', '0', 'nodad')
  await host.run('sysctl', ['-qw', 'net.ipv4.conf.eth0.arp_ignore=1', 'net.ipv4.conf.eth0.arp_announce=2'])
}
const addressesOn = async (host: Host, device: string): Promise<readonly string[]> => {
  const [{ addr_info: held = [] }] = JSON.parse(await ip(host, '-json', 'address', 'show', 'dev', device))
  return held.map(({ local }: { readonly local: string }) => local).filter((one: string) => addresses.includes(one))
}
const isOnLo = async (host: Host): Promise<boolean> => (await addressesOn(host, 'lo')).join() === addresses.join()
const onNetwork = (host: Host): Promise<readonly string[]> => addressesOn(host, 'eth0')
const macOf = async (host: Host): Promise<string> =>
  JSON.parse(await ip(host, '-json', 'link', 'show', 'dev', 'eth0'))[0].address
/** At whose MAC address a client that knows nothing finds both. */
const isFoundAt = async (host: Host): Promise<boolean> => {
  await ip(client, 'neigh', 'flush', 'dev', 'eth0')
  const mac = await macOf(host)
  for (const address of addresses) {
    await client.run('ping', ['-n', '-c', '1', '-W', '1', address])
    const [found] = JSON.parse(await ip(client, '-json', 'neigh', 'show', address))
    if (found?.lladdr !== mac) return false
  }
  return true
}

const [v6] = vrrpOf([]).instances.concat(instance({ name: 'VI_6', virtual_router_id: 61 }))
const both = (priority: number) =>
  vrrpOf([
    instance({ priority }),
    ...(v6 === undefined
      ? []
      : [
          {
            ...v6,
            priority,
            virtual_addresses: ['fe80::100', 'fd00::100'].map((address) => ({
              ...{ address: { address, prefixLength: 64 }, dev: undefined, label: undefined },
            })),
          },
        ]),
  ])

t.test(
  'only the master has the address on the network; a death, a return and a hand-over leave lo alone',
  async (t) => {
    const first = startRouter(db1, both(150))
    await waitFor('both instances to be master', () => first.factOf('VI_6')?.state === 'master')
    await first.waitForState('master')
    const second = startRouter(db2, both(100))
    await waitFor('the other to hear it', () => (second.factOf('VI_6')?.received ?? 0) > 3)
    t.same(await onNetwork(db1), addresses)
    t.same(await onNetwork(db2), [])
    t.ok(await waitFor('a client to find it', () => isFoundAt(db1)))

    t.comment('a death: the lease ends on the network alone')
    first.process.signal('SIGKILL')
    await second.waitForState('master')
    await waitFor('the lease to end', async () => (await onNetwork(db1)).length === 0)
    t.ok(await isOnLo(db1))
    t.ok(await waitFor('a client to find it at the other', () => isFoundAt(db2)))

    t.comment('a return, and a hand-over')
    const again = startRouter(db1, both(150))
    await again.waitForState('master')
    await waitFor('both to have moved', async () => (await onNetwork(db2)).length === 0)
    t.ok(await waitFor('a client to find it at the first again', () => isFoundAt(db1)))
    again.process.signal('SIGTERM')
    await waitFor('it to end', () => !again.process.isRunning())
    await second.waitForState('master')
    t.same(await onNetwork(db1), [])
    t.ok(await waitFor('a client to find it at the other', () => isFoundAt(db2)))
    await second.process.stop()
    t.ok((await isOnLo(db1)) && (await isOnLo(db2)))
  },
)

t.test('what a dead balancer left is taken from the network, and lo keeps its own', async (t) => {
  // The program that releases may take longer to start than a lease of two seconds.
  const slow = both(150)
  const instancesOfSlow = slow.instances.map((one) => ({ ...one, advertisement_interval: millis(3000) }))
  const router = startRouter(db1, { ...slow, instances: instancesOfSlow })
  await waitFor('both instances to be master', () => router.factOf('VI_6')?.state === 'master')
  await router.waitForState('master')
  router.process.signal('SIGKILL')
  const file = join(lab.directory, 'balancer.yaml')
  const instances = [
    { name: 'VI_1', interface: 'eth0', virtual_router_id: 51, priority: 150, virtual_addresses: ['198.18.0.100/24'] },
  ]
  writeFileSync(file, JSON.stringify({ router_id: 'db1', vrrp: { instances }, listeners: [], admin: {} }))
  const { stdout, stderr } = await db1.run(process.execPath, [balancer, 'release', '--config', file])
  t.match(stdout + stderr, /198\.18\.0\.100\/24 on eth0/)
  t.notMatch(stdout + stderr, / on lo/)
  await waitFor('the lease to end', async () => (await onNetwork(db1)).length === 0)
  t.ok(await isOnLo(db1))
})
