// A whole balancer with `datapath: kernel` on a host of a lab, between a client and servers that are stand-ins.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { tableName } from '../../../../balancer/datapath/kernel/core/names.ts'
import type { Host } from '../../../lab/host.ts'
import { createLab, type Lab } from '../../../lab/lab.ts'
import type { LabProcess } from '../../../lab/lab-process.ts'
import { balancerProgram as program } from '../../../lab/programs.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { type Peer, startPeer } from './peer.ts'

/** What clients connect to. */
export const virtualAddress = '198.18.0.100'
export const servicePort = 3366

const numbers = { lb1: 2, db1: 11, db2: 12, client: 200 }
export type HostName = keyof typeof numbers

const shown = z.array(
  z.object({
    name: z.string(),
    sessions: z.number().nullable(),
    total_sessions: z.number().nullable(),
    ends: z.record(z.string(), z.number()),
    binds: z.array(z.object({ address: z.string(), open: z.boolean(), why: z.string().nullable().optional() })),
    servers: z.array(
      z.object({
        name: z.string(),
        status: z.string(),
        up: z.boolean(),
        sessions: z.number().nullable(),
        total_sessions: z.number().nullable(),
        bytes_in: z.number().nullable(),
        bytes_out: z.number().nullable(),
        connect_failures: z.number().nullable(),
      }),
    ),
  }),
)
export type Shown = z.output<typeof shown>[number]

export type BalancerLab = {
  readonly lab: Lab
  readonly lb: Host
  readonly peer: (name: HostName) => Peer
  /** Writes the file, with a line of the listener `mysql` beside its name, bind and servers. */
  readonly write: (listener?: string, datapath?: 'kernel' | 'userspace') => void
  readonly spawn: () => LabProcess
  /** Starts the balancer and waits until all its processes run. */
  readonly start: () => Promise<LabProcess>
  /** A line of shell in the place of the program nft, as the balancer finds it; null: the real one. */
  readonly breakNft: (how: string | null) => void
  /** Has the running balancer answer a line of its runtime socket. */
  readonly ask: (line: string) => Promise<string>
  /** What `show servers` says of the listener. */
  readonly show: () => Promise<Shown>
  /** Waits until all servers are up and the address is here. */
  readonly isServing: () => Promise<void>
  /** Process ids of the balancer by role. */
  readonly pids: (role: string) => Promise<readonly number[]>
  readonly inLb: (command: string, ...args: readonly string[]) => Promise<string>
  readonly hasTable: () => Promise<boolean>
  /** Entries of connection tracking that bear our mark. */
  readonly entries: () => Promise<readonly string[]>
}

/** Hosts with servers on db1 and db2; no balancer runs yet. */
export const openBalancerLab = async (): Promise<BalancerLab> => {
  const lab = await createLab({ name: 'kernel' })
  const peers = new Map<string, Peer>()
  for (const [name, number] of Object.entries(numbers)) {
    peers.set(name, startPeer(await lab.addHost(name, `198.18.0.${number}/24`)))
  }
  const peer = (name: HostName): Peer => {
    const found = peers.get(name)
    if (found === undefined) throw new Error(`no host ${name}`)
    return found
  }
  for (const name of ['db1', 'db2'] as const) await peer(name).serve(3306)
  const lb = peer('lb1').host
  const file = join(lab.directory, 'balancer.yaml')
  const inLb = async (command: string, ...args: readonly string[]): Promise<string> =>
    (await lb.run(command, args, { env: { RUNTIME_DIRECTORY: lab.directory } })).stdout
  const programs = join(lab.directory, 'programs')
  mkdirSync(programs)
  const spawn = (): LabProcess =>
    lb.spawn('balancer', process.execPath, [program, '--config', file], {
      env: { RUNTIME_DIRECTORY: lab.directory, PATH: `${programs}:${process.env['PATH'] ?? ''}:/usr/sbin` },
    })
  const socket = join(lab.directory, 'admin.sock')
  const ask = (line: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const asking = connect(socket, () => asking.end(`${line}\n`))
      let answer = ''
      asking.setEncoding('utf8').on('data', (text: string) => {
        answer += text
      })
      asking.once('error', reject).once('end', () => resolve(answer))
    })
  const show = async (): Promise<Shown> => {
    const found = shown.parse(JSON.parse(await ask('show servers --json'))).find(({ name }) => name === 'mysql')
    if (found === undefined) throw new Error('no listener mysql')
    return found
  }
  return {
    lab,
    lb,
    peer,
    write: (listener = '', datapath = 'kernel') =>
      writeFileSync(
        file,
        `router_id: lb1
vrrp:
  instances:
    - name: VI_1
      interface: eth0
      virtual_router_id: 51
      version: 3
      priority: 101
      advertisement_interval: 1s
      virtual_addresses: [${virtualAddress}/24]
listeners:
  - name: mysql
    bind: ${virtualAddress}:${servicePort}
    datapath: ${datapath}
    check: { type: tcp, interval: 200ms, timeout: 1s, rise: 1, fall: 2 }
${listener === '' ? '' : `    ${listener}\n`}    servers:
      - { name: db1, address: 198.18.0.11:3306 }
      - { name: db2, address: 198.18.0.12:3306 }
admin: { socket: ${socket} }
log: { sessions: tcplog }
`,
      ),
    spawn,
    start: async () => {
      const started = spawn()
      await started.waitForOutput(/Balancer is running/)
      return started
    },
    breakNft: (how) => {
      const wrapper = join(programs, 'nft')
      if (how === null) rmSync(wrapper, { force: true })
      else writeFileSync(wrapper, `#!/bin/sh\n${how}\n`, { mode: 0o755 })
    },
    ask,
    show,
    isServing: async () => {
      await waitFor('all servers to be up', async () => {
        const { servers, binds } = await show().catch(() => ({ servers: [], binds: [] }))
        return servers.length > 0 && servers.every(({ up }) => up) && binds.every(({ open }) => open)
      })
      await waitFor('the address', async () =>
        (await lb.addresses()).some((address) => address.startsWith(`${virtualAddress}/`)),
      )
      await waitFor('targets', async () => (await inLb('nft', 'list', 'table', 'inet', tableName)).includes('slots'))
    },
    pids: async (role) => {
      const found = await lb.run('sh', [
        '-c',
        `for p in $(ip netns pids ${lb.namespace}); do tr '\\0' ' ' </proc/$p/cmdline | grep -q '^balancer: ${role}' && echo $p; done; true`,
      ])
      return found.stdout.split('\n').filter(Boolean).map(Number)
    },
    inLb,
    hasTable: async () => (await inLb('nft', 'list', 'tables')).includes(`inet ${tableName}`),
    entries: async () => {
      const text = await inLb('cat', '/proc/net/nf_conntrack')
      return text.split('\n').filter((line) => {
        const mark = Number(/ mark=(\d+)/.exec(line)?.[1] ?? 0)
        return mark >>> 24 === 0xb1
      })
    },
  }
}
