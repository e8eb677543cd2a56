// The whole road in a lab: a Galera cluster with agents, two balancers with a virtual address, and a client.

import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { hashPassword } from '../../balancer/config/password-file.ts'
import type { Datapath } from '../../balancer/core/forwarders.ts'
import type { CommandResult } from './command.ts'
import { directReturn, directReturnKeys } from './direct-return.ts'
import { startForwarder } from './forwarder.ts'
import { type GaleraOptions, startGalera } from './galera-cluster.ts'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'
import type { LabProcess } from './lab-process.ts'
import type { MariaDb } from './mariadb.ts'
import { appUser, checkUser } from './mariadb-files.ts'
import { agentProgram, balancerProgram as usualProgram } from './programs.ts'
import { addRouter } from './router.ts'
import { waitFor } from './wait-for.ts'

/** The address that clients know, and its port. */
export const virtualAddress = '198.18.0.100'
/** The same of a site whose service is IPv6. */
export const virtualAddress6 = '2001:2::100'
export const servicePort = 3306
/** Of the listener in user space that a site may have beside the usual one. */
export const proxiedPort = 3307
export const statusPort = 8888
export const agentPort = 9222
export const instanceName = 'VI_1'
const peersPort = 9224
/** Of a balancer on a machine that does much besides, in milliseconds: each of its processes loads its program. */
const startLimit = 90_000

/** User and password of the status page. */
export const statusLogin = { user: 'admin', password: 'lab-status-password' }

/** A database host: its server, its agent, and the file that takes it out. */
export type DatabaseHost = {
  readonly host: Host
  readonly server: MariaDb
  readonly agent: () => LabProcess
  readonly configFile: string
  readonly startAgent: () => Promise<void>
  /** Prepares the host for listeners with `datapath: direct`, or undoes that. */
  readonly directReturn: (what: 'up' | 'down') => Promise<void>
  readonly forceFailFile: string
  readonly forceFail: (reason: string) => void
  readonly clearForceFail: () => void
}

/** What a test or a viewer needs of `/status/json`. */
const statusSchema = z.object({
  router_id: z.string(),
  vrrp: z.array(
    z.object({
      name: z.string(),
      state: z.string(),
      sent: z.number(),
      received: z.number(),
      transitions: z.number(),
      dropped: z.record(z.string(), z.number()),
    }),
  ),
  listeners: z.array(
    z.object({
      name: z.string(),
      sessions: z.number().nullable(),
      total_sessions: z.number().nullable(),
      ends: z.record(z.string(), z.number()),
      binds: z.array(z.object({ address: z.string(), open: z.boolean() })),
      servers: z.array(
        z.object({
          name: z.string(),
          status: z.string(),
          up: z.boolean(),
          sessions: z.number().nullable(),
          total_sessions: z.number().nullable(),
          last_check: z.object({ status: z.string(), reason: z.string(), text: z.string() }).nullable(),
        }),
      ),
    }),
  ),
})

/** The status document of one balancer. */
export type SiteStatus = z.output<typeof statusSchema>

/** A load-balancer host and the balancer on it. */
export type BalancerHost = {
  readonly host: Host
  readonly process: () => LabProcess
  readonly configFile: string
  /** What its programs have in their environment: where they remember how the host was, which goes with the lab. */
  readonly env: Readonly<Record<string, string>>
  /** Starts the balancer and waits until all its processes run. */
  readonly start: () => Promise<void>
  /** Its status document, asked for at the host's own address; throws when it does not answer. */
  readonly status: () => Promise<SiteStatus>
  /** The same with all that is in it. */
  readonly document: () => Promise<unknown>
  readonly holdsAddress: () => Promise<boolean>
  readonly adminSocket: string
  /** What `balancer check` says there. */
  readonly check: () => Promise<CommandResult>
}

/** All of it. */
export type Site = {
  readonly lab: Lab
  readonly client: Host
  readonly databases: readonly DatabaseHost[]
  readonly balancers: readonly BalancerHost[]
  /** The one balancer host that holds the virtual address; waits until exactly one does. */
  readonly holder: () => Promise<BalancerHost>
}

export type SiteOptions = {
  readonly onProgress?: (line: string) => void
  readonly databases?: number
  /** As an operator writes it; VRRP version 3. */
  readonly advertisementInterval?: string
  /** The file that the balancers are started from. */
  readonly balancerProgram?: string
  readonly datapath?: Datapath
  /** How many balancers there are, 2 unless given; or they run on the database hosts, the first of them. */
  readonly balancers?: number
  readonly areTogether?: boolean
  /** Clients come through a router that sends each session to one of the balancers: there is no VRRP. The caller sets its routes. */
  readonly isRouted?: boolean
  /** Clients know `virtualAddress6`, and servers are reached by IPv6. A host that comes back from a power cut wants `addAddress6`. */
  readonly isIpv6?: boolean
  /** A second listener at the same address, in user space, on `proxiedPort`: what it does beside the first one. */
  readonly proxied?: boolean
  /** Starts the servers; default: a Galera cluster. */
  readonly startServers?: (
    lab: Lab,
    hosts: readonly Host[],
    options: Pick<GaleraOptions, 'onProgress'>,
  ) => Promise<readonly MariaDb[]>
}

/** Builds the site in a lab and waits until every server is up and one balancer holds the address. */
export const buildSite = async (lab: Lab, options: SiteOptions = {}): Promise<Site> => {
  const { onProgress = () => undefined, databases: count = 3, advertisementInterval = '100ms' } = options
  const {
    balancerProgram = usualProgram,
    datapath = 'userspace',
    startServers = startGalera,
    proxied = false,
  } = options
  const { balancers: balancerCount = 2, areTogether = false, isRouted = false, isIpv6 = false } = options
  const virtual = isIpv6 ? virtualAddress6 : virtualAddress
  const addHosts = async (name: string, first: number, many: number): Promise<readonly Host[]> => {
    const hosts: Host[] = []
    for (let i = 0; i < many; i += 1) hosts.push(await lab.addHost(`${name}${i + 1}`, `198.18.0.${first + i}/24`))
    return hosts
  }
  const ownHosts = await addHosts('lb', 2, areTogether ? 0 : balancerCount)
  const databaseHosts = await addHosts('db', 11, count)
  const balancerHosts = areTogether ? databaseHosts.slice(0, balancerCount) : ownHosts
  const client = await lab.addHost('client', isRouted ? '198.18.0.200/25' : '198.18.0.200/24')
  if (isIpv6) await Promise.all([...new Set([...balancerHosts, ...databaseHosts, client])].map(addAddress6))
  if (isRouted) await addRouter(lab, [client], [...new Set([...databaseHosts, ...balancerHosts])])
  writeFileSync(
    join(lab.directory, 'client.cnf'),
    `[client]\nhost=${virtual}\nport=${servicePort}\nuser=${appUser.user}\npassword=${appUser.password}\n`,
    { mode: 0o600 },
  )
  onProgress(`${lab.hosts().length} hosts and a switch are up`)

  const servers = await startServers(lab, databaseHosts, { onProgress: (line) => onProgress(`MariaDB: ${line}`) })
  const databases = databaseHosts.map((host, i) => databaseHost(lab, host, at(servers, i), datapath, virtual))
  if (datapath === 'direct') await Promise.all(databases.map(({ directReturn }) => directReturn('up')))
  await Promise.all(databases.map(({ startAgent }) => startAgent()))
  onProgress(`agents answer on port ${agentPort} of ${databaseHosts.map(({ name }) => name).join(', ')}`)

  const balancers = await Promise.all(
    balancerHosts.map((host, i) =>
      balancerHost(
        client,
        host,
        balancerProgram,
        balancerConfig(lab, host, databaseHosts, {
          priority: 101 - i,
          advertisementInterval,
          datapath,
          proxied,
          peers: balancerHosts,
          isRouted,
          virtual,
        }),
      ),
    ),
  )
  for (const { start } of balancers) await start()
  const site = { lab, client, databases, balancers, holder: () => findHolder(balancers) }
  const held = isRouted ? 'nobody' : (await site.holder()).host.name
  for (const balancer of balancers) {
    await waitFor(`all servers up on ${balancer.host.name}`, async () =>
      (await balancer.status()).listeners.every(({ servers: all }) => all.every(({ up }) => up)),
    )
  }
  onProgress(`balancers run on ${balancerHosts.map(({ name }) => name).join(' and ')}, ${held} holds ${virtualAddress}`)
  return site
}

/** The same host number as in its IPv4 address. */
const address6 = ({ address }: Host): string => `2001:2::${address.split('.').at(-1)}`
const inUrl = (address: string): string => (address.includes(':') ? `[${address}]` : address)
const isVirtual = (address: string): boolean => [virtualAddress, virtualAddress6].includes(address.replace(/\/.*/, ''))

/** Gives a host its IPv6 address, which it forgets when it loses its power. */
export const addAddress6 = async (host: Host): Promise<void> => {
  const { code, stderr } = await host.run('ip', ['address', 'add', `${address6(host)}/64`, 'dev', 'eth0', 'nodad'])
  if (code !== 0) throw new Error(`${host.name} has no IPv6 address: ${stderr}`)
}

const at = <T>(list: readonly T[], index: number): T => {
  const item = list[index]
  if (item === undefined) throw new Error(`there is no item ${index} among ${list.length}`)
  return item
}

const findHolder = (balancers: readonly BalancerHost[]): Promise<BalancerHost> =>
  waitFor(`exactly one holder of ${virtualAddress}`, async () => {
    const held = await Promise.all(balancers.map((balancer) => balancer.holdsAddress()))
    return held.filter(Boolean).length === 1 ? balancers[held.indexOf(true)] : undefined
  })

const daemonDirectory = (lab: Lab, host: Host): string => {
  const directory = join(lab.directory, `${host.name}-etc`)
  mkdirSync(directory, { recursive: true })
  chmodSync(directory, 0o755)
  return directory
}

const databaseHost = (lab: Lab, host: Host, server: MariaDb, datapath: Datapath, virtual: string): DatabaseHost => {
  const directory = daemonDirectory(lab, host)
  const forceFailFile = join(directory, 'proxyoff')
  const passwordFile = join(directory, 'password')
  const configFile = join(directory, 'agent.yaml')
  writeFileSync(passwordFile, `${checkUser.password}\n`, { mode: 0o600 })
  writeFileSync(
    configFile,
    `listen: { address: ${virtual === virtualAddress6 ? "'::'" : '0.0.0.0'}, port: ${agentPort} }
mysql:
  socket: ${server.socket}
  user: ${checkUser.user}
  password_file: ${passwordFile}
check: { mode: auto, timeout: 1s, interval: 500ms, max_age: 200ms }
force_fail_file: ${forceFailFile}
${datapath === 'direct' ? directReturnKeys(directory, virtual, servicePort) : ''}`,
  )
  let agent: LabProcess | undefined
  return {
    host,
    server,
    configFile,
    agent: () => running(agent, `agent of ${host.name}`),
    startAgent: async () => {
      agent = host.spawn('agent', process.execPath, [agentProgram, '--config', configFile])
      await waitFor(`the agent of ${host.name}`, async () => {
        const answer = await host.run('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${agentPort}`])
        return answer.code === 0
      })
    },
    directReturn: (what) => directReturn(host, what, configFile),
    forceFailFile,
    forceFail: (reason) => writeFileSync(forceFailFile, `${reason}\n`),
    clearForceFail: () => rmSync(forceFailFile),
  }
}

const running = (process: LabProcess | undefined, name: string): LabProcess => {
  if (process === undefined) throw new Error(`${name} was never started`)
  return process
}

type BalancerFiles = { readonly configFile: string; readonly passwordFile: string }

const balancerConfig = (
  lab: Lab,
  host: Host,
  databases: readonly Host[],
  {
    priority,
    advertisementInterval,
    datapath,
    proxied,
    peers,
    isRouted,
    virtual,
  }: Required<Pick<SiteOptions, 'advertisementInterval' | 'datapath' | 'proxied'>> & {
    readonly priority: number
    readonly peers: readonly Host[]
    readonly isRouted: boolean
    readonly virtual: string
  },
): BalancerFiles => {
  const directory = daemonDirectory(lab, host)
  const passwordFile = join(directory, 'status.password')
  const configFile = join(directory, 'balancer.yaml')
  const servers = databases.map((database) => {
    const address = virtual === virtualAddress6 ? address6(database) : database.address
    return `      - { name: ${database.name}, address: '${inUrl(address)}:3306' }`
  })
  writeFileSync(
    configFile,
    `router_id: ${host.name}
${isRouted ? '' : routerOf(priority, advertisementInterval, virtual)}listeners:
${listener('mysql', `${inUrl(virtual)}:${servicePort}`, datapath, servers)}${proxied ? listener('proxied', `${virtual}:${proxiedPort}`, 'userspace', servers) : ''}${datapath === 'direct' ? peersOf(lab, host, peers) : ''}${datapath === 'direct' ? `state_file: ${join(directory, 'state.json')}\n` : ''}admin:
  socket: ${join(directory, 'admin.sock')}
  http:
    bind: [${isRouted ? '' : `'${inUrl(virtual)}:${statusPort}', `}${host.address}:${statusPort}]
    path: /status
    refresh: 2s
    users: [{ name: ${statusLogin.user}, password_file: ${passwordFile} }]
`,
  )
  return { configFile, passwordFile }
}

const routerOf = (priority: number, advertisementInterval: string, virtual: string): string => `vrrp:
  instances:
    - name: ${instanceName}
      interface: eth0
      virtual_router_id: 51
      version: 3
      priority: ${priority}
      advertisement_interval: ${advertisementInterval}
      preempt: false
      virtual_addresses: ['${virtual}/${virtual === virtualAddress6 ? 64 : 24}']
`

const listener = (
  name: string,
  bind: string,
  datapath: Datapath,
  servers: readonly string[],
): string => `  - name: ${name}
    bind: '${bind}'
    datapath: ${datapath}
    balance: roundrobin
    max_connections: 4000
    timeouts: { connect: 2s }
    check: { type: http, port: ${agentPort}, path: /, interval: 500ms, timeout: 1s, rise: 2, fall: 3 }
    servers:
${servers.join('\n')}
`

/** The balancers tell each other of sessions; both have the key. */
const peersOf = (lab: Lab, { address }: Host, peers: readonly Host[]): string => {
  const keyFile = join(lab.directory, 'peers.key')
  writeFileSync(keyFile, 'a key of the lab that is long enough for all balancers\n', { mode: 0o600 })
  const all = peers.map((one) => `${one.address}:${peersPort}`).join(', ')
  return `peers: { key_file: ${keyFile}, listen: ${address}:${peersPort}, to: [${all}] }\n`
}

const balancerHost = async (
  client: Host,
  host: Host,
  balancerProgram: string,
  { configFile, passwordFile }: BalancerFiles,
): Promise<BalancerHost> => {
  writeFileSync(passwordFile, `${await hashPassword(statusLogin.password)}\n`, { mode: 0o600 })
  const door = await startForwarder(client, { target: { address: host.address, port: statusPort } })
  const authorization = `Basic ${Buffer.from(`${statusLogin.user}:${statusLogin.password}`).toString('base64')}`
  const env = { RUNTIME_DIRECTORY: dirname(configFile) }
  let balancer: LabProcess | undefined
  const document = async (): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${door.port}/status/json`, {
      headers: { authorization, connection: 'close' },
      signal: AbortSignal.timeout(10_000),
    })
    if (!answer.ok) throw new Error(`the status page of ${host.name} says ${answer.status}`)
    return await answer.json()
  }
  return {
    host,
    configFile,
    env,
    process: () => running(balancer, `balancer of ${host.name}`),
    start: async () => {
      balancer = host.spawn('balancer', process.execPath, [balancerProgram, '--config', configFile], { env })
      await balancer.waitForOutput(/Balancer is running/, { limit: startLimit })
    },
    adminSocket: join(dirname(configFile), 'admin.sock'),
    check: () => host.run(process.execPath, [balancerProgram, 'check', '--config', configFile], { env }),
    status: async () => statusSchema.parse(await document()),
    document,
    holdsAddress: async () => (await host.addresses()).some((address) => isVirtual(address)),
  }
}
