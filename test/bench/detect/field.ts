// Two balancers and HAProxy that look at the same servers through the same agents, and what can happen to one of those.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Agent, startAgent } from '../../e2e/agent.ts'
import { type OurSide, startOurs } from '../../e2e/sides.ts'
import { startGalera } from '../../lab/galera-cluster.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import type { LabProcess } from '../../lab/lab-process.ts'
import { type MariaDb, startMariaDb } from '../../lab/mariadb.ts'
import { waitFor } from '../../lab/wait-for.ts'

/** Who looks at the servers. `name` of a server is `single` or `member`. */
export type Observer = {
  readonly name: string
  /** The lines in which it says that a server went down or came up, so far. */
  readonly changes: (server: string, state: 'UP' | 'DOWN') => readonly string[]
  /** Whether it knows the server to be up, and is ready for what comes. */
  readonly isReady: (server: string) => Promise<boolean>
}

/** A server that something happens to. */
export type Subject = {
  readonly name: 'single' | 'member'
  readonly host: Host
  readonly server: MariaDb
  readonly agent: () => Agent
  readonly startAgent: () => Promise<void>
}

export type Field = {
  readonly ours: readonly OurSide[]
  readonly observers: readonly Observer[]
  readonly single: Subject
  /** One of three nodes of a Galera cluster. */
  readonly member: Subject
}

const path = '/primary'
const agentPort = 9222

/** Builds it, with the defaults of agent and balancer. HAProxy asks each second, with `fall 1` and with `fall 3`. */
export const buildField = async (lab: Lab, { haproxy }: { readonly haproxy: boolean }): Promise<Field> => {
  const lbs = [await lab.addHost('lb1', '198.18.0.2/24'), await lab.addHost('lb2', '198.18.0.3/24')]
  const [alone, ...cluster] = await Promise.all(
    ['db1', 'g1', 'g2', 'g3'].map((name, i) => lab.addHost(name, `198.18.0.${11 + i}/24`)),
  )
  const [firstNode] = cluster
  if (alone === undefined || firstNode === undefined) throw new Error('there are too few hosts')
  const server = await startMariaDb({ lab, name: alone.name, host: alone })
  const [node] = await startGalera(lab, cluster)
  if (node === undefined) throw new Error('there is no cluster')
  const single = await subjectOf(lab, 'single', alone, server)
  const member = await subjectOf(lab, 'member', firstNode, node)
  const servers = [single, member]

  const ours = await Promise.all(lbs.map((host) => startOn(lab, host, servers)))
  const observers = ours.map((side, i) => ourObserver(side, lbs[i]?.name ?? ''))
  const [first] = lbs
  const theirs = haproxy && first !== undefined ? haproxyObservers(lab, first, servers) : []
  const field = { ours, observers: [...observers, ...theirs], single, member }
  for (const one of servers) await untilReady(field, one)
  return field
}

/** Waits until everybody knows the server to be up. */
export const untilReady = async ({ observers }: Field, { name }: Subject): Promise<void> => {
  for (const observer of observers) {
    await waitFor(`${observer.name} to see ${name} up`, () => observer.isReady(name), { limit: 60_000 })
  }
}

const subjectOf = async (lab: Lab, name: Subject['name'], host: Host, server: MariaDb): Promise<Subject> => {
  const start = (): Promise<Agent> => startAgent(lab, host, server, '')
  let agent = await start()
  return {
    name,
    host,
    server,
    agent: () => agent,
    startAgent: async () => {
      agent = await start()
    },
  }
}

const startOn = async (lab: Lab, host: Host, servers: readonly Subject[]): Promise<OurSide> => {
  const directory = join(lab.directory, `${host.name}-balancer`)
  mkdirSync(directory)
  const listener = {
    name: 'mysql',
    bind: `${host.address}:3306`,
    check: { path, port: agentPort },
    servers: servers.map(({ name, host: { address } }) => ({ name, address: `${address}:3306` })),
  }
  return startOurs({ directory, spawn: host.spawn }, [listener], new Map())
}

const linesOf = (process: LabProcess, pattern: RegExp): readonly string[] =>
  process.lines().filter((line) => pattern.test(line))

const ourObserver = (side: OurSide, name: string): Observer => ({
  name: `balancer on ${name}`,
  changes: (server, state) => linesOf(side.process, new RegExp(`Server mysql/${server} is ${state}\\b`)),
  isReady: async (server) => {
    const found = (await side.show('mysql')).servers.find((one) => one.name === server)
    return found?.status === 'UP' && found.watched
  },
})

const haproxyObservers = (lab: Lab, host: Host, servers: readonly Subject[]): readonly Observer[] => {
  const file = join(lab.directory, 'detect-haproxy.cfg')
  const backend = (fall: number): string => `listen fall${fall}
  bind ${host.address}:${4000 + fall}
  mode tcp
  option httpchk GET ${path}
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  default-server inter 1s fall ${fall} rise 2 port ${agentPort} check
${servers.map(({ name, host: { address } }) => `  server ${name} ${address}:3306`).join('\n')}`
  writeFileSync(
    file,
    `global\n  maxconn 500\n  log stdout format raw local0\ndefaults\n  log global\n${[1, 3].map(backend).join('\n')}\n`,
  )
  const process = host.spawn('haproxy', 'haproxy', ['-db', '-f', file])
  const lines = (fall: number, server: string, state: string): readonly string[] =>
    linesOf(process, new RegExp(`Server fall${fall}/${server} is ${state}\\b`))
  return [1, 3].map((fall) => ({
    name: `HAProxy inter 1s fall ${fall}`,
    changes: (server, state) => lines(fall, server, state),
    isReady: async (server) => lines(fall, server, 'UP').length === lines(fall, server, 'DOWN').length,
  }))
}

/** What can happen to a server. `happen` returns when it has happened, `undo` when all is as before. */
export type Mishap = {
  readonly name: string
  readonly of: (field: Field) => Subject
  /** Whether the server has to go down of it. */
  readonly isFatal: boolean
  /** Its beginning is not in our hands: time is counted from when `happen` saw it. */
  readonly beginsWhenDone?: true
  readonly happen: (subject: Subject) => Promise<void> | void
  readonly undo: (subject: Subject) => Promise<void> | void
}

const single = ({ single: one }: Field): Subject => one

const cluster = async ({ host }: Subject, isCut: boolean): Promise<void> => {
  const table = 'inet detect'
  const chain = (hook: string): string =>
    `chain ${hook}_4567 {\ntype filter hook ${hook} priority 0\ntcp dport 4567 drop\ntcp sport 4567 drop\n}\n`
  const cut = `table ${table} {\n${chain('input')}${chain('output')}}\n`
  const { code, stderr } = await host.run('nft', ['-f', '-'], { input: isCut ? cut : `delete table ${table}` })
  if (code !== 0) throw new Error(`nft: ${stderr}`)
}
const clusterStatus = async ({ server }: Subject): Promise<unknown> =>
  (await server.query("SHOW STATUS LIKE 'wsrep_cluster_status'"))[0]?.['Value']

/** All that the table tells of. */
export const mishaps: readonly Mishap[] = [
  {
    name: 'kill -9 of MariaDB',
    of: single,
    isFatal: true,
    happen: ({ server }) => void server.kill9(),
    undo: ({ server }) => server.start(),
  },
  {
    name: 'clean shutdown',
    of: single,
    isFatal: true,
    happen: ({ server }) => void server.stop(),
    undo: async ({ server }) => {
      await server.process().exited
      await server.start()
    },
  },
  {
    name: 'force-fail file',
    of: single,
    isFatal: true,
    happen: ({ agent }) => writeFileSync(agent().forceFailFile, 'by an operator\n'),
    undo: ({ agent }) => rmSync(agent().forceFailFile),
  },
  {
    name: 'loss of the primary component',
    of: ({ member }) => member,
    isFatal: true,
    beginsWhenDone: true,
    happen: async (subject) => {
      await cluster(subject, true)
      await waitFor('the loss', async () => (await clusterStatus(subject)) !== 'Primary', { interval: 2 })
    },
    undo: async (subject) => {
      await cluster(subject, false)
      await subject.server.waitReady()
    },
  },
  {
    name: 'read_only set',
    of: single,
    isFatal: true,
    happen: async ({ server }) => void (await server.query('SET GLOBAL read_only = 1')),
    undo: async ({ server }) => void (await server.query('SET GLOBAL read_only = 0')),
  },
  {
    name: 'SIGSTOP of MariaDB',
    of: single,
    isFatal: true,
    happen: ({ server }) => server.process().stall(),
    undo: ({ server }) => server.process().resume(),
  },
  {
    name: 'agent killed',
    of: single,
    isFatal: true,
    happen: ({ agent }) => void agent().process().kill(),
    undo: ({ startAgent: start }) => start(),
  },
  {
    name: 'host cut off',
    of: single,
    isFatal: true,
    happen: ({ host }) => host.cutLink(),
    undo: ({ host }) => host.restoreLink(),
  },
  {
    name: 'agent upgraded (stopped and started)',
    of: single,
    isFatal: false,
    happen: async ({ agent, startAgent: start }) => {
      await agent().process().stop()
      await start()
    },
    undo: () => {},
  },
]
