// A balancer, two servers and clients on one segment, with the rules of the direct datapath: a listener on port 3306, where servers
// listen on the same port, and one on 3366, which servers redirect to 3307.

import { fileURLToPath } from 'node:url'
import type { Endpoint } from '../../../../balancer/core/endpoint.ts'
import { flowsName } from '../../../../balancer/datapath/direct/core/names.ts'
import { mustRun } from '../../../lab/command.ts'
import type { Host } from '../../../lab/host.ts'
import { createLab, type Lab } from '../../../lab/lab.ts'
import type { LabProcess } from '../../../lab/lab-process.ts'
import type { EndingsOrder, EndingsTold } from './endings-messages.ts'
import { listener, tableOf } from './sample-rules.ts'
import type { SessionsOrder, SessionsTold, SessionTold } from './sessions-process.ts'

export const virtual = { ipv4: '198.18.0.100', ipv6: 'fd00::100' }
export const plainPort = 3306
export const movedPort = 3366
const movedTo = 3307
export const numbers = { db1: 1, db2: 2, lb1: 3 }
export type ServerName = keyof typeof numbers

/** Sessions of one process on a client's host. */
export type Sessions = {
  readonly open: (order: Omit<Extract<SessionsOrder, { do: 'open' }>, 'do'>) => Promise<readonly SessionTold[]>
  readonly look: () => Promise<readonly SessionTold[]>
  readonly letGo: () => Promise<void>
}

export type EndingsLab = {
  readonly lab: Lab
  readonly host: (name: string) => Host
  readonly binds: readonly Endpoint[]
  /** Who takes new sessions; flows stay as they are. */
  readonly direct: (targets: readonly ServerName[]) => Promise<void>
  readonly endings: (order: EndingsOrder) => Promise<EndingsTold>
  /** Ends the process that ends sessions, and starts another one. */
  readonly restart: () => Promise<void>
  readonly sessions: (client: string) => Promise<Sessions>
  /** Stand-ins on both ports of the server; `port` alone one. */
  readonly serve: (name: ServerName, port: number) => Promise<LabProcess>
  /** Sessions that the server's kernel has. */
  readonly atServer: (name: ServerName) => Promise<readonly string[]>
  /** How many forged packets have come to these hosts. */
  readonly forged: (...names: readonly string[]) => Promise<number>
  /** Keys that are in the map of a bind more than once. */
  readonly twins: (bind: Endpoint) => Promise<readonly string[]>
  /** The map of a bind as nft lists it. */
  readonly flows: (bind: Endpoint) => Promise<string>
}

const programs = {
  endings: fileURLToPath(new URL('./endings-process.js', import.meta.url)),
  sessions: fileURLToPath(new URL('./sessions-process.js', import.meta.url)),
  standIn: fileURLToPath(new URL('./stand-in-process.js', import.meta.url)),
}

const macOf = async (host: Host): Promise<string> => {
  const { stdout } = await host.run('ip', ['-o', 'link', 'show', 'eth0'])
  return /link\/ether (\S+)/.exec(stdout)?.[1] ?? ''
}

/** By which forged packets are told from those of the kernel. */
const forgedWindow = 1024

export const openEndingsLab = async (): Promise<EndingsLab> => {
  const lab = await createLab({ name: 'endings' })
  const addresses: Record<string, number> = { lb1: 2, db1: 11, db2: 12, client: 20, walled: 21, gate: 22, inner: 23 }
  for (const [name, number] of Object.entries(addresses)) {
    const host = await lab.addHost(name, `198.18.0.${number}/24`)
    await host.run('ip', ['address', 'add', `fd00::${number}/64`, 'dev', 'eth0', 'nodad'])
  }
  const { host } = lab
  const must = async (name: string, words: readonly string[], input?: string): Promise<string> =>
    mustRun(
      'nsenter',
      [`--net=/run/netns/${host(name).namespace}`, '--', ...words],
      input === undefined ? {} : { input },
    )
  for (const [family, address] of Object.entries(virtual)) {
    const [length, single] = family === 'ipv4' ? [24, 32] : [64, 128]
    await must('lb1', [
      'ip',
      'address',
      'add',
      `${address}/${length}`,
      'dev',
      'eth0',
      ...(length === 64 ? ['nodad'] : []),
    ])
    for (const name of ['db1', 'db2']) await must(name, ['ip', 'address', 'add', `${address}/${single}`, 'dev', 'lo'])
  }
  // The balancer may be a server itself.
  for (const name of ['db1', 'db2', 'lb1']) {
    await must(name, ['sysctl', '-qw', 'net.ipv4.conf.eth0.arp_ignore=1', 'net.ipv4.conf.eth0.arp_announce=2'])
    await must(
      name,
      ['nft', '-f', '-'],
      `table inet direct {
        chain pre { type nat hook prerouting priority dstnat; ip daddr ${virtual.ipv4} tcp dport ${movedPort} redirect to :${movedTo}; ip6 daddr ${virtual.ipv6} tcp dport ${movedPort} redirect to :${movedTo}; }
        chain out { type filter hook postrouting priority 150; ip saddr ${virtual.ipv4} tcp flags & (rst|ack) == (rst|ack) tcp sequence 0 drop; ip6 saddr ${virtual.ipv6} tcp flags & (rst|ack) == (rst|ack) tcp sequence 0 drop; }
      }`,
    )
  }
  await must(
    'walled',
    ['nft', '-f', '-'],
    `table inet wall {
      counter refused { }
      chain in { type filter hook input priority filter; policy drop; iif lo accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept; ct state established,related accept; counter name refused; }
      chain out { type filter hook output priority filter; policy accept; ct state invalid counter name refused drop; }
    }`,
  )
  // A client behind a gateway that translates addresses; the lab has one switch.
  await must('gate', ['ip', 'address', 'add', '198.18.1.22/24', 'dev', 'eth0'])
  await must('gate', [
    'sysctl',
    '-qw',
    'net.ipv4.conf.eth0.forwarding=1',
    'net.ipv4.conf.eth0.send_redirects=0',
    'net.ipv4.conf.all.send_redirects=0',
  ])
  await must(
    'gate',
    ['nft', '-f', '-'],
    `table ip gate {
      chain out { type nat hook postrouting priority srcnat; ip saddr 198.18.1.0/24 masquerade; }
      chain through { type filter hook forward priority filter; policy drop; ct state established,related accept; ip saddr 198.18.1.0/24 ct state new accept; }
    }`,
  )
  await must('inner', ['ip', 'address', 'flush', 'dev', 'eth0', 'scope', 'global'])
  await must('inner', ['ip', 'address', 'add', '198.18.1.23/24', 'dev', 'eth0'])
  await must('inner', ['ip', 'route', 'add', 'default', 'via', '198.18.1.22'])
  for (const name of ['client', 'walled', 'inner', 'db1', 'db2']) {
    await must(
      name,
      ['nft', '-f', '-'],
      `table inet seen {
        counter forged { }
        chain in { type filter hook input priority raw; tcp flags & (syn|rst|fin) == syn tcp window ${forgedWindow} counter name forged; }
      }`,
    )
  }
  const macs = { lb1: await macOf(host('lb1')), db1: await macOf(host('db1')), db2: await macOf(host('db2')) }
  const bindsAt = (port: number): readonly Endpoint[] => Object.values(virtual).map((address) => ({ address, port }))
  const binds = [plainPort, movedPort].flatMap(bindsAt)
  const serversAt = (port: number) =>
    (['db1', 'db2', 'lb1'] as const).map((name) => ({
      name,
      number: numbers[name],
      address: host(name).address,
      port,
      path: name === 'lb1' ? { kind: 'here' as const } : { kind: 'link' as const, device: 'eth0', mac: macs[name] },
    }))
  const start = async (): Promise<LabProcess> => {
    const started = host('lb1').spawn('endings', process.execPath, [programs.endings], { ipc: true })
    await started.waitForOutput(/^ready/)
    return started
  }
  const answers: ((told: EndingsTold) => void)[] = []
  const listen = (to: LabProcess): LabProcess => {
    to.onMessage((message) => answers.shift()?.(message as EndingsTold))
    return to
  }
  let ending = listen(await start())
  const endings: EndingsLab['endings'] = (order) =>
    new Promise((resolve) => {
      answers.push(resolve)
      ending.send(order)
    })
  let targets: readonly ServerName[] = ['db1', 'db2']
  const direct = async (next: readonly ServerName[]): Promise<void> => {
    targets = next
    const listeners = [plainPort, movedPort].map((port) =>
      listener({
        name: `mysql${port}`,
        binds: bindsAt(port),
        servers: serversAt(port === movedPort ? movedTo : port),
        table: tableOf(targets),
      }),
    )
    await endings({ do: 'rules', listeners, host: { devices: [{ name: 'eth0', mac: macs.lb1 }], balancers: [] } })
  }
  await direct(targets)

  return {
    lab,
    host,
    binds,
    direct,
    endings,
    restart: async () => {
      await ending.kill()
      ending = listen(await start())
      await direct(targets)
    },
    sessions: async (name) => {
      const child = host(name).spawn('sessions', process.execPath, [programs.sessions], { ipc: true })
      const waiting: ((told: SessionsTold) => void)[] = []
      child.onMessage((message) => waiting.shift()?.(message as SessionsTold))
      await child.waitForOutput(/ready/)
      const ask = async (order: SessionsOrder): Promise<readonly SessionTold[]> => {
        const told = await new Promise<SessionsTold>((resolve) => {
          waiting.push(resolve)
          child.send(order)
        })
        return told.sessions
      }
      return {
        open: (order) => ask({ do: 'open', ...order }),
        look: () => ask({ do: 'look' }),
        letGo: async () => {
          await ask({ do: 'let-go' })
        },
      }
    },
    serve: async (name, port) => {
      const inside = port === movedPort ? movedTo : port
      const server = host(name).spawn(`server-${port}`, process.execPath, [programs.standIn, name, `${inside}`, '::'])
      await server.waitForOutput(/ready/)
      return server
    },
    atServer: async (name) => {
      const { stdout } = await host(name).run('ss', [
        '-Htn',
        'state',
        'connected',
        'exclude',
        'time-wait',
        `( sport = :${plainPort} or sport = :${movedTo} )`,
      ])
      return stdout.split('\n').filter((line) => line !== '')
    },
    forged: async (...names) => {
      const texts = await Promise.all(
        names.map((name) => must(name, ['nft', 'list', 'counter', 'inet', 'seen', 'forged'])),
      )
      return texts.reduce((sum, text) => sum + Number(/packets (\d+)/.exec(text)?.[1]), 0)
    },
    twins: async (bind) => {
      const text = await must('lb1', ['nft', 'list', 'map', 'netdev', 'balancer', flowsName(bind.address, bind.port)])
      const keys = [...text.matchAll(/(\S+ \. \S+) timeout/g)].map(([, key = '']) => key)
      return keys.filter((key, i) => keys.indexOf(key) !== i)
    },
    flows: async (bind) =>
      await must('lb1', ['nft', 'list', 'map', 'netdev', 'balancer', flowsName(bind.address, bind.port)]),
  }
}
