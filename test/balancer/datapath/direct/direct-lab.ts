// Hosts around one switch for tests of the rules: balancers, servers that have the virtual addresses on lo, and a client.

import { fileURLToPath } from 'node:url'
import type {
  DirectHost,
  DirectListener,
  DirectServer,
} from '../../../../balancer/datapath/direct/core/direct-table.ts'
import { refusalCounter, serverCounter, type TurnedAway } from '../../../../balancer/datapath/direct/core/names.ts'
import { createLab, type Lab } from '../../../lab/lab.ts'
import { type Peer, startPeer } from '../kernel/peer.ts'
import type { RulesAnswer, RulesOrder } from './rules-process.ts'
import { listener } from './sample-rules.ts'

/** The port of the virtual addresses, and of the servers. */
export const port = 3366

const numbers = { lb1: 2, lb2: 3, db1: 11, db2: 12, db3: 13, client: 200 }
export type HostName = keyof typeof numbers
export type BalancerName = 'lb1' | 'lb2'

/** Addresses of one family. */
export type Family = {
  readonly name: 'ipv4' | 'ipv6'
  readonly virtual: string
  readonly bits: number
  readonly of: (host: HostName) => string
}
export const families: readonly Family[] = [
  { name: 'ipv4', virtual: '198.18.0.100', bits: 32, of: (host) => `198.18.0.${numbers[host]}` },
  { name: 'ipv6', virtual: 'fd00::100', bits: 128, of: (host) => `fd00::${numbers[host]}` },
]

export type DirectLab = {
  readonly lab: Lab
  readonly peer: (name: HostName) => Peer
  readonly macOf: (name: HostName) => string
  /** The server of a host as a balancer sees it. */
  readonly serverOn: (name: HostName, balancer?: BalancerName) => DirectServer
  /** The listener `mysql` with both virtual addresses and a server on each host of db1, db2, db3. */
  readonly listener: (changes?: Partial<DirectListener>) => DirectListener
  /** Brings exactly these listeners into force; the transaction that was needed. */
  readonly put: (
    balancer: BalancerName,
    listeners: readonly DirectListener[],
    host?: Partial<DirectHost>,
  ) => Promise<string>
  /** A process keeps these listeners' rules on lb1 until the end; how often it has put them back. */
  readonly keep: (listeners: readonly DirectListener[]) => Promise<void>
  readonly repairs: () => Promise<number>
  readonly found: (balancer: BalancerName) => Promise<NonNullable<RulesAnswer['servers']>>
  /** Packets that clients sent to a server through lb1, or another one. */
  readonly packetsTo: (name: HostName, balancer?: BalancerName) => Promise<number>
  readonly turnedAway: (reason: TurnedAway) => Promise<number>
  /** Runs a command in a host; throws where it fails. */
  readonly run: (name: HostName, command: string, ...words: readonly string[]) => Promise<string>
}

/** All hosts; lb1 has the virtual addresses, the servers serve them. */
export const openDirectLab = async (): Promise<DirectLab> => {
  const lab = await createLab({ name: 'direct' })
  const peers = new Map<string, Peer>()
  const macs = new Map<string, string>()
  for (const [name, number] of Object.entries(numbers)) {
    const host = await lab.addHost(name, `198.18.0.${number}/24`)
    await host.run('ip', ['address', 'add', `fd00::${number}/64`, 'dev', 'eth0', 'nodad'])
    const [, mac = ''] = /link\/ether (\S+)/.exec((await host.run('ip', ['link', 'show', 'eth0'])).stdout) ?? []
    macs.set(name, mac)
    peers.set(name, startPeer(host))
  }
  const known = <T>(map: ReadonlyMap<string, T>, name: string): T => {
    const found = map.get(name)
    if (found === undefined) throw new Error(`no host ${name}`)
    return found
  }
  const peer = (name: HostName): Peer => known(peers, name)
  const macOf = (name: HostName): string => known(macs, name)
  const run: DirectLab['run'] = async (name, command, ...words) => {
    const { code, stdout, stderr } = await peer(name).host.run(command, words)
    if (code !== 0) throw new Error(`${command} ${words.join(' ')}: ${stderr}`)
    return stdout
  }
  // The servers are prepared as an agent prepares them; on lb1 the same address is on eth0.
  for (const name of ['db1', 'db2', 'db3', 'lb1', 'lb2'] as const) {
    await run(name, 'sysctl', '-qw', 'net.ipv4.conf.eth0.arp_ignore=1', 'net.ipv4.conf.eth0.arp_announce=2')
    await peer(name).serve(port)
  }
  for (const { virtual, bits, name: family } of families) {
    for (const name of ['db1', 'db2', 'db3'] as const)
      await run(name, 'ip', 'address', 'add', `${virtual}/${bits}`, 'dev', 'lo')
    // As VRRP adds it: never the source of what this host says of its own accord.
    const options = family === 'ipv6' ? ['nodad', 'preferred_lft', '0'] : []
    await run('lb1', 'ip', 'address', 'add', `${virtual}/${bits}`, 'dev', 'eth0', ...options)
  }

  const program = fileURLToPath(new URL('./rules-process.js', import.meta.url))
  const waiting = new Map<number, (answer: RulesAnswer) => void>()
  let last = 0
  const keepers = new Map(
    (['lb1', 'lb2'] as const).map((name) => {
      const child = peer(name).host.spawn('rules', process.execPath, [program], { ipc: true })
      child.onMessage((message) => {
        const answer = message as RulesAnswer
        waiting.get(answer.number)?.(answer)
        waiting.delete(answer.number)
      })
      return [name, child] as const
    }),
  )
  type Order = RulesOrder extends infer One ? (One extends RulesOrder ? Omit<One, 'number'> : never) : never
  const order = async (balancer: BalancerName, what: Order): Promise<RulesAnswer> => {
    last += 1
    const number = last
    const answer = await new Promise<RulesAnswer>((resolve) => {
      waiting.set(number, resolve)
      keepers.get(balancer)?.send({ ...what, number })
    })
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer
  }

  const serverOn: DirectLab['serverOn'] = (name, balancer = 'lb1') => ({
    name,
    number: numbers[name],
    address: `198.18.0.${numbers[name]}`,
    port,
    path: name === balancer ? { kind: 'here' } : { kind: 'link', device: 'eth0', mac: macOf(name) },
  })
  const counter = async (balancer: BalancerName, name: string): Promise<number> =>
    new Map((await order(balancer, { do: 'look' })).counters).get(name) ?? 0
  const hostOf = (balancer: BalancerName): DirectHost => ({
    devices: [{ name: 'eth0', mac: macOf(balancer) }],
    balancers: [macOf(balancer === 'lb1' ? 'lb2' : 'lb1')],
  })
  return {
    lab,
    peer,
    macOf,
    serverOn,
    listener: (changes = {}) =>
      listener({
        binds: families.map(({ virtual }) => ({ address: virtual, port })),
        servers: (['db1', 'db2', 'db3'] as const).map((name) => serverOn(name)),
        ...changes,
      }),
    keep: async (listeners) => {
      await order('lb1', { do: 'keep', listeners, host: hostOf('lb1') })
    },
    repairs: async () => (await order('lb1', { do: 'count-repairs' })).repairs ?? 0,
    put: async (balancer, listeners, changes = {}) => {
      const host = { ...hostOf(balancer), ...changes }
      return (await order(balancer, { do: 'put', listeners, host })).change ?? ''
    },
    found: async (balancer) => (await order(balancer, { do: 'look' })).servers ?? [],
    packetsTo: (name, balancer = 'lb1') => counter(balancer, serverCounter('mysql', numbers[name])),
    turnedAway: (reason) => counter('lb1', refusalCounter(reason, 'mysql')),
    run,
  }
}
