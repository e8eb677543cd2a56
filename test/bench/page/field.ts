// A lab with a whole balancer, many listeners and servers, those who look at its page, and what is seen of it from outside.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { hashPassword } from '../../../balancer/config/password-file.ts'
import { ask } from '../../e2e/sides.ts'
import { mustRun } from '../../lab/command.ts'
import { type Forwarder, startForwarder } from '../../lab/forwarder.ts'
import type { Host } from '../../lab/host.ts'
import type { Lab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import type { ViewersOrder } from './viewers-process.ts'

/** How much there is, and how often servers are checked and the master advertises, milliseconds. */
export type Size = {
  readonly listeners: number
  readonly servers: number
  readonly check: number
  readonly advertisement: number
}

/** The field; times are milliseconds. */
export type Field = {
  readonly user: { readonly username: string; readonly password: string }
  /** The status page as this machine reaches it. */
  readonly door: Forwarder
  /** Asks for a document as curl does, from another host: the time it took, its bytes on the wire. */
  readonly fetch: (
    path: string,
    ...words: readonly string[]
  ) => Promise<{ readonly took: number; readonly bytes: number }>
  /** Sets who looks. */
  readonly look: (who: Pick<ViewersOrder, 'live' | 'slow' | 'slowPages'>) => void
  /** How far checks were from their time since this was asked last. */
  readonly checksOffBy: () => Promise<readonly number[]>
  /** How far advertisements on the wire were from their time since this was asked last. */
  readonly advertisementsOffBy: () => readonly number[]
  /** Processor time that the director has had. */
  readonly directorCpu: () => number
}

const [agentPort, statusPort] = [9222, 8888]
/** A stream is one of 16 of an address at most. */
const sources = 8
const tick = 10
const program = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const message = z.array(z.number())

const configOf = (balancer: Host, directory: string, passwordFile: string, size: Size): object => ({
  router_id: 'lb1',
  vrrp: {
    instances: [
      {
        name: 'VI_1',
        interface: 'eth0',
        virtual_router_id: 51,
        version: 3,
        advertisement_interval: `${size.advertisement}ms`,
        virtual_addresses: ['198.18.0.100/15'],
      },
    ],
  },
  listeners: Array.from({ length: size.listeners }, (_, i) => ({
    name: `mysql${i}`,
    bind: `198.18.0.100:${4000 + i}`,
    check: { type: 'http', port: agentPort, path: `/?listener=${i}`, interval: `${size.check}ms` },
    servers: Array.from({ length: size.servers }, (_, j) => ({ name: `db${j}`, address: `198.19.${i}.${j + 1}:3306` })),
  })),
  admin: {
    socket: join(directory, 'admin.sock'),
    http: {
      bind: `${balancer.address}:${statusPort}`,
      users: [{ name: 'admin', role: 'operator', password_file: passwordFile }],
    },
  },
})

/** Builds it and waits until every server is up and the address is held. */
export const openField = async (lab: Lab, size: Size): Promise<Field> => {
  const [balancer, servers, viewers] = [
    await lab.addHost('lb', '198.18.0.2/15'),
    await lab.addHost('servers', '198.18.0.10/15'),
    await lab.addHost('viewers', '198.18.0.20/15'),
  ]
  // Behind a router: a thousand neighbours are more than a kernel's table of them holds.
  await mustRun('ip', ['-n', servers.namespace, 'route', 'add', 'local', '198.19.0.0/16', 'dev', 'lo'])
  await mustRun('ip', ['-n', balancer.namespace, 'route', 'add', '198.19.0.0/16', 'via', servers.address])
  const addresses = Array.from({ length: sources }, (_, i) => `198.18.0.${30 + i}`)
  for (const address of addresses) {
    await mustRun('ip', ['-n', viewers.namespace, 'address', 'add', `${address}/15`, 'dev', 'eth0'])
  }
  const user = { username: 'admin', password: 'bench' }
  const passwordFile = join(lab.directory, 'password')
  writeFileSync(passwordFile, await hashPassword(user.password), { mode: 0o600 })
  const configFile = join(lab.directory, 'balancer.yaml')
  writeFileSync(configFile, JSON.stringify(configOf(balancer, lab.directory, passwordFile, size)))

  const node = (host: Host, name: string, args: readonly string[]) =>
    host.spawn(name, process.execPath, [program(`./${name}-process.js`), ...args], { ipc: true })
  const standIns = node(servers, 'servers', [`${agentPort}`, `${size.check}`])
  let hear: ((offBy: readonly number[]) => void) | undefined
  standIns.onMessage((text) => hear?.(message.parse(text)))
  const lookers = node(viewers, 'viewers', [])
  const tcpdump = viewers.spawn('tcpdump', 'tcpdump', ['-l', '-n', '-tt', '-i', 'eth0', '-Z', 'root', 'ip proto 112'])
  const env = { RUNTIME_DIRECTORY: lab.directory }
  const daemon = balancer.spawn(
    'balancer',
    process.execPath,
    [program('../../../balancer/main.js'), '--config', configFile],
    { env },
  )
  const [, director = ''] = await daemon.waitForOutput(/"childPid":(\d+).*Process director started/)
  await daemon.waitForOutput(/Balancer is running/)
  const all = size.listeners * size.servers
  const socket = join(lab.directory, 'admin.sock')
  await waitFor('all servers to be up', async () => {
    const shown = await ask(socket, 'show servers')
    return shown.split('\n').filter((line) => /^mysql\d+\/db\d+ +UP/.test(line)).length === all
  })
  await waitFor('the address to be held', async () => (await ask(socket, 'show vrrp')).includes('MASTER'))
  let heardAt = 0
  const address = `http://${balancer.address}:${statusPort}`
  const login = `${user.username}:${user.password}`
  return {
    user,
    door: await startForwarder(balancer, { target: { address: balancer.address, port: statusPort } }),
    fetch: async (path, ...words) => {
      const format = '%{time_total} %{size_download}'
      const args = ['--silent', '--output', '/dev/null', '--write-out', format, '--user', login, ...words]
      const { stdout } = await viewers.run('curl', [...args, `${address}${path}`])
      const [seconds = Number.NaN, bytes = Number.NaN] = stdout.split(' ').map(Number)
      return { took: seconds * 1000, bytes }
    },
    look: (who) => {
      const target = { host: balancer.address, port: statusPort }
      const order: ViewersOrder = { target, sources: addresses, login: Buffer.from(login).toString('base64'), ...who }
      lookers.send(order)
    },
    checksOffBy: () =>
      new Promise((resolve) => {
        hear = resolve
        standIns.send({})
      }),
    advertisementsOffBy: () => {
      const moments = tcpdump
        .lines()
        .flatMap((line) => /^(\d+\.\d+) IP /.exec(line)?.[1] ?? [])
        .map((text) => Number(text) * 1000)
      const fresh = moments.filter((at) => at >= heardAt)
      heardAt = fresh.at(-1) ?? heardAt
      return fresh.slice(1).map((at, i) => Math.abs(at - (fresh[i] ?? at) - size.advertisement))
    },
    directorCpu: () => {
      const [user = 0, system = 0] = readFileSync(`/proc/${director}/stat`, 'latin1')
        .replace(/^.*\) /, '')
        .split(' ')
        .slice(11, 13)
        .map(Number)
      return (user + system) * tick
    },
  }
}
