// Where it happens: one switch, a client, two MariaDB servers, and a host for each contestant.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { mustRun } from '../../lab/command.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { type MariaDb, startMariaDb } from '../../lab/mariadb.ts'
import type { Server, Site } from './contestant.ts'

/** The port of every contestant and of the servers. */
export const port = 3306
/** What is checked: a server can be found down without anything happening to its sessions. */
const checkPort = 3307

/** The hosts, with MariaDB running on `databases`. */
export type Field = {
  readonly lab: Lab
  readonly client: Host
  readonly databases: readonly [Host, Host]
  readonly servers: readonly MariaDb[]
  /** Whether the checks of the server that orders are given for are answered, or refused. */
  readonly answerChecks: (isAnswered: boolean) => void
}

/** How many servers a contestant has, and how often it looks at them, in milliseconds; one bad look is enough. */
export const crowds = {
  two: { servers: 2, checkInterval: 200 },
  thousand: { servers: 1000, checkInterval: 10_000 },
} as const
export type Crowd = keyof typeof crowds

/** Addresses of the first database host, all answered by its one MariaDB. */
const manyAddresses = '198.19.0.0/22'

/** Of new sessions this part goes to the one server that orders are given for, however many others there are. */
const heavyWeight = 250

// A lab's switch stands for one in hardware: bridged packets are not shown to the firewall of the machine.
const quietSwitch = ['iptables', 'ip6tables', 'arptables'].map((what) => `net.bridge.bridge-nf-call-${what}=0`)

// Short sessions come back to a port before its time of waiting is over.
const manyPorts = ['net.ipv4.tcp_tw_reuse=1', 'net.ipv4.ip_local_port_range=10000 65000']

/** Sets kernel parameters of a host. */
export const set = async (host: Host, settings: readonly string[]): Promise<void> => {
  await mustRun('ip', ['netns', 'exec', host.namespace, 'sysctl', '-qw', ...settings])
}

/** Makes the hosts and starts the servers. */
export const buildField = async (lab: Lab): Promise<Field> => {
  const client = await lab.addHost('client', '198.18.0.200/24')
  // Kernels without br_netfilter have none of these.
  const onSwitch = ['netns', 'exec', client.namespace.replace(/client$/, 'switch'), 'sysctl', '-qew', ...quietSwitch]
  await mustRun('ip', onSwitch)
  const databases = [await lab.addHost('db1', '198.18.0.11/24'), await lab.addHost('db2', '198.18.0.12/24')] as const
  await set(client, manyPorts)
  await mustRun('ip', ['-n', databases[0].namespace, 'route', 'add', 'local', manyAddresses, 'dev', 'lo'])
  const settings = { max_connections: '2000', innodb_buffer_pool_size: '64M' }
  const servers = await Promise.all(databases.map((host) => startMariaDb({ lab, host, name: host.name, settings })))
  const [, answer] = await Promise.all(databases.map(answererOn))
  if (answer === undefined) throw new Error('there are two database hosts')
  return { lab, client, databases, servers, answerChecks: answer }
}

const answerer = `
const server = require('node:net').createServer((socket) => socket.destroy())
const listen = () => server.listen(${checkPort}, () => console.log('listening'))
process.on('message', (isAnswered) => (isAnswered ? listen() : server.close()))
process.once('disconnect', () => process.exit(0))
listen()
`

/** Answers checks on a host, and stops and begins again as it is told. */
const answererOn = async (host: Host): Promise<Field['answerChecks']> => {
  const process = host.spawn('answerer', execPath, ['-e', answerer], { ipc: true })
  await process.waitForOutput(/listening/)
  return (isAnswered) => process.send(isAnswered)
}

/** Makes a contestant's host. `number` is told apart from others' by it. */
export const addContestantHost = async ({ lab, databases }: Field, name: string, number: number): Promise<Host> => {
  const host = await lab.addHost(`lb-${name}`, `198.18.0.${30 + number}/24`)
  await set(host, manyPorts)
  await mustRun('ip', ['-n', host.namespace, 'route', 'add', manyAddresses, 'via', databases[0].address])
  return host
}

/** The last one is `subject`, on the second database host, alone there. */
const serversOf = ({ databases: [first, second] }: Field, crowd: Crowd): readonly Server[] => {
  const others = crowds[crowd].servers - 1
  const addressOf = (i: number): string =>
    others === 1 ? first.address : `198.19.${Math.floor(i / 250)}.${(i % 250) + 1}`
  return [
    ...Array.from({ length: others }, (_, i) => ({ name: `s${i + 1}`, address: addressOf(i), port, weight: 1 })),
    { name: 'subject', address: second.address, port, weight: others === 1 ? 1 : heavyWeight },
  ]
}

/** What a contestant is started with. */
export const siteOn = (field: Field, host: Host, crowd: Crowd): Site => {
  const directory = join(field.lab.directory, `${host.name}-${crowd}`)
  mkdirSync(directory, { recursive: true })
  const { checkInterval } = crowds[crowd]
  return {
    host,
    virtualAddress: host.address.replace(/\.(\d+)$/, (_, last: string) => `.${Number(last) + 100}`),
    directory,
    databases: field.databases,
    servers: serversOf(field, crowd),
    port,
    checkPort,
    checkInterval,
  }
}

/** The server that orders are given for, and the host whose name its sessions hear. */
export const subjectOf = ({ servers, databases }: Site): { readonly server: Server; readonly hostName: string } => {
  const [server, host] = [servers.at(-1), databases[1]]
  if (server === undefined || host === undefined) throw new Error('a site has servers and two database hosts')
  return { server, hostName: host.name }
}
