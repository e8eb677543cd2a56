// Hosts around one switch for tests of the rules: balancers, servers and a client, with addresses of both families.

import { numberingOf, timeoutsOf } from '../../../../balancer/datapath/kernel/core/adoption.ts'
import type { KernelListener } from '../../../../balancer/datapath/kernel/core/kernel-listener.ts'
import { kernelTable } from '../../../../balancer/datapath/kernel/core/kernel-table.ts'
import { type RefusalReason, refusalCounter, tableName } from '../../../../balancer/datapath/kernel/core/names.ts'
import { changeText } from '../../../../balancer/datapath/rules/core/change.ts'
import { tableText } from '../../../../balancer/datapath/rules/core/table.ts'
import type { Host } from '../../../lab/host.ts'
import { createLab, type Lab } from '../../../lab/lab.ts'
import { applyText, listTable } from './nft-host.ts'
import { type Attempt, type Peer, startPeer } from './peer.ts'
import { listener, rules, target } from './sample-rules.ts'

/** The port of the virtual address; servers listen on 3306. */
export const port = 3366

const numbers = { lb1: 2, lb2: 3, db1: 11, db2: 12, db3: 13, client: 200 }
export type HostName = keyof typeof numbers

/** Addresses of one family: of a virtual router, and of each host. */
export type Family = {
  readonly name: string
  readonly virtual: string
  readonly prefix: number
  readonly of: (host: HostName) => string
}
export const families: readonly Family[] = [
  { name: 'ipv4', virtual: '198.18.0.100', prefix: 24, of: (host) => `198.18.0.${numbers[host]}` },
  { name: 'ipv6', virtual: 'fd00::100', prefix: 64, of: (host) => `fd00::${numbers[host]}` },
]

export type RulesLab = {
  readonly lab: Lab
  readonly peer: (name: HostName) => Peer
  /** Puts exactly these listeners into force on a balancer, by a change where a table is there. */
  readonly put: (balancer: HostName, ...listeners: readonly KernelListener[]) => Promise<void>
  /** The same, and the path of answers is watched until the next change. */
  readonly putWatched: (balancer: HostName, ...listeners: readonly KernelListener[]) => Promise<void>
  /** How many clients the listener `mysql` of lb1 has refused for this reason. */
  readonly refusals: (reason: RefusalReason) => Promise<number>
  /** The virtual addresses go to this balancer: added there first, announced, then taken from the other. */
  readonly moveAddresses: (from: HostName, to: HostName) => Promise<void>
  /** What conntrack of a host knows: one line for each entry. */
  readonly entries: (name: HostName) => Promise<readonly string[]>
}

const addressCommand = (host: Host, verb: 'add' | 'del', { virtual, prefix }: Family) =>
  host.run('ip', ['address', verb, `${virtual}/${prefix}`, 'dev', 'eth0', 'nodad'])

/** All hosts, with servers on each of them but the client; lb1 has the virtual addresses. */
export const openRulesLab = async (): Promise<RulesLab> => {
  const lab = await createLab({ name: 'rules' })
  const peers = new Map<string, Peer>()
  for (const [name, number] of Object.entries(numbers)) {
    const host = await lab.addHost(name, `198.18.0.${number}/24`)
    await host.run('ip', ['address', 'add', `fd00::${number}/64`, 'dev', 'eth0', 'nodad'])
    peers.set(name, startPeer(host))
  }
  const peer = (name: HostName): Peer => {
    const found = peers.get(name)
    if (found === undefined) throw new Error(`no host ${name}`)
    return found
  }
  for (const name of ['lb1', 'lb2'] as const) {
    const switches = ['net.ipv4.conf.eth0.forwarding=1', 'net.ipv6.conf.all.forwarding=1']
    await peer(name).host.run('sysctl', ['-qw', ...switches])
  }
  for (const family of families) await addressCommand(peer('lb1').host, 'add', family)
  for (const name of ['db1', 'db2', 'db3', 'lb1', 'lb2'] as const) await peer(name).serve(3306)
  const bring = async (
    balancer: HostName,
    listeners: readonly KernelListener[],
    isPathWatched: boolean,
  ): Promise<void> => {
    const { host } = peer(balancer)
    const there = await host.run('nft', ['list', 'table', 'inet', tableName])
    if (there.code !== 0) {
      await applyText(host, tableText(kernelTable({ ...rules(listeners), isPathWatched })))
      return
    }
    const listing = await listTable(host)
    const wanted = rules(listeners, numberingOf(listing), timeoutsOf(listing))
    await applyText(host, changeText(listing.snapshot, kernelTable({ ...wanted, isPathWatched })))
  }
  return {
    lab,
    peer,
    put: (balancer, ...listeners) => bring(balancer, listeners, false),
    putWatched: (balancer, ...listeners) => bring(balancer, listeners, true),
    refusals: async (reason) =>
      (await listTable(peer('lb1').host)).counters.get(refusalCounter(reason, 'mysql'))?.packets ?? -1,
    moveAddresses: async (from, to) => {
      for (const family of families) {
        await addressCommand(peer(to).host, 'add', family)
        await addressCommand(peer(from).host, 'del', family)
      }
      // Whoever knows the address by the old host's Ethernet address asks anew.
      for (const { host } of peers.values()) await host.run('ip', ['neighbour', 'flush', 'dev', 'eth0'])
    },
    entries: async (name) => (await peer(name).host.run('cat', ['/proc/net/nf_conntrack'])).stdout.trim().split('\n'),
  }
}

/** Servers of a listener on these hosts. */
const serversOn = (family: Family, names: readonly HostName[]) =>
  names.map((name) => ({ name, address: family.of(name), port: 3306 }))

/** The listener `mysql` of a family, with servers on these hosts, which take turns. */
export const listenerOn = (
  family: Family,
  names: readonly HostName[] = ['db1', 'db2', 'db3'],
  changes: Partial<KernelListener> = {},
): KernelListener =>
  listener({
    binds: [{ address: family.virtual, port }],
    servers: serversOn(family, names),
    targets: names.map((name) => target(name)),
    ...changes,
  })

/** How many attempts each server had, or each error. */
export const sharesOf = (attempts: readonly Attempt[]): Record<string, number> => {
  const shares: Record<string, number> = {}
  for (const { server, error } of attempts) shares[server || error] = (shares[server || error] ?? 0) + 1
  return shares
}
