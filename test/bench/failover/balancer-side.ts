// Our balancer, with any of its datapaths.

import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Datapath } from '../../../balancer/core/forwarders.ts'
import { ask } from '../../e2e/sides.ts'
import { run } from '../../lab/command.ts'
import type { Lab } from '../../lab/lab.ts'
import { processesInNamespaces } from '../../lab/proc.ts'
import type { Releases } from '../../lab/release.ts'
import { directoryOf, type Field, servicePort, virtualAddress } from './field.ts'
import { type Router, type RouterOptions, type Side, wordsOf } from './side.ts'

/** A host with our balancer, which can be asked about its virtual router. */
export type BalancerRouter = Router & { readonly show: () => Promise<ShownRouter> }

const shownRouters = z.array(
  z.object({
    state: z.string(),
    transitions: z.number(),
    received: z.number(),
    last_advertisement: z.object({ ago_ms: z.number() }).nullable(),
  }),
)

/** What `balancer show vrrp --json` tells. */
export type ShownRouter = z.output<typeof shownRouters>[number]

const shownServers = z.array(z.object({ servers: z.array(z.object({ status: z.string() })) }))

/** What of it is compared: user space and what was built, unless something else is given. */
export type BalancerOptions = { readonly datapath?: Datapath; readonly releases?: Releases }

/** The side with our balancer. */
export const balancerSide = (
  field: Field,
  { datapath = 'userspace', releases }: BalancerOptions = {},
): Omit<Side, 'start'> & {
  readonly start: (options: RouterOptions) => Promise<BalancerRouter>
} => ({
  name: 'balancer',
  title: 'balancer',
  refuses: async (options) => {
    const words = [built, 'check', '--config', writeConfig(field, options, datapath)]
    const { code, stderr } = await run(process.execPath, words)
    return code === 0 ? null : stderr.trim()
  },
  start: async (options) => {
    const { host } = options
    const tell = (line: string): Promise<string> => ask(socketOf(field.lab, options), line)
    const order = async (line: string, answer: RegExp): Promise<void> => {
      const text = await tell(line)
      if (!answer.test(text)) throw new Error(`${line} on ${host.name}: ${text}`)
    }
    // As /run after a boot.
    const remembered = join(directoryOf(field.lab, host, 'balancer'), 'run')
    rmSync(remembered, { recursive: true, force: true })
    const words = [releases?.program ?? built, '--config', writeConfig(field, options, datapath)]
    const env = { RUNTIME_DIRECTORY: directoryOf(field.lab, host, 'balancer/run') }
    const balancer = host.spawn('balancer', process.execPath, words, { env })
    let weight = options.weight ?? 1
    const show = async (): Promise<ShownRouter> => {
      const [router] = shownRouters.parse(JSON.parse(await tell('show vrrp --json')))
      if (router === undefined) throw new Error(`${host.name} shows no virtual router`)
      return router
    }
    await balancer.waitForOutput(/Balancer is running/)
    return {
      host,
      show,
      isBackup: async () => {
        const { state, received } = await show()
        return state === 'backup' && received > 0
      },
      stop: () => balancer.signal('SIGTERM'),
      killVrrp: () => {
        const found = processesInNamespaces([host.namespace]).find(({ pid }) => titleOf(pid) === 'balancer: vrrp')
        if (found === undefined) throw new Error(`there is no vrrp process on ${host.name}`)
        process.kill(found.pid, 'SIGKILL')
      },
      knowsServers: async () => {
        const listeners = shownServers.parse(JSON.parse(await tell('show servers --json')))
        return listeners.every(({ servers }) => servers.every(({ status }) => status.startsWith('UP')))
      },
      reload: () => {
        weight += 1
        writeConfig(field, { ...options, weight }, datapath)
        return order('reload', /changed/)
      },
      upgrade: async () => {
        if (releases === undefined) throw new Error('there are no releases to go on to')
        upgrades += 1
        releases.install(`1.${upgrades}.0`)
        await order('reexec', /^Version \S+ runs/)
      },
      order: async ({ name }, state) => void (await tell(`server ${listenerName}/${name} ${state}`)),
      lastWords: () => wordsOf(balancer),
    }
  },
})

const listenerName = 'mysql'
const peersPort = 7654
let upgrades = 0

const built = fileURLToPath(new URL('../../../balancer/main.js', import.meta.url))

// A process that writes its own title over its arguments leaves zeros behind it.
const titleOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0] ?? ''

const socketOf = (lab: Lab, { host }: RouterOptions): string => join(directoryOf(lab, host, 'balancer'), 'admin.sock')

/** The other balancer, which is told which sessions go another way than a new one would. */
const peersOf = ({ lab, balancers }: Field, { host }: RouterOptions): object => {
  const keyFile = join(lab.directory, 'peers.key')
  writeFileSync(keyFile, 'a key of this lab that nobody has to keep secret\n')
  chmodSync(keyFile, 0o600)
  const others = balancers.filter((one) => one !== host)
  return {
    key_file: keyFile,
    listen: `${host.address}:${peersPort}`,
    to: others.map(({ address }) => `${address}:${peersPort}`),
  }
}

const writeConfig = (field: Field, options: RouterOptions, datapath: Datapath): string => {
  const { host, priority, interval, preempt, script, weight = 1 } = options
  const file = join(directoryOf(field.lab, host, 'balancer'), 'balancer.yaml')
  const scripts =
    script === null
      ? {}
      : {
          scripts: [
            {
              name: 'chk',
              command: [script.command],
              interval: `${script.interval}ms`,
              rise: 1,
              fall: 1,
              weight: script.weight,
            },
          ],
        }
  const instance = {
    name: 'VI_1',
    interface: 'eth0',
    virtual_router_id: 51,
    version: 3,
    priority,
    advertisement_interval: `${interval}ms`,
    preempt,
    virtual_addresses: [`${virtualAddress}/24`],
    ...(script === null ? {} : { track: { scripts: ['chk'] } }),
  }
  const listener = {
    name: listenerName,
    bind: `${virtualAddress}:${servicePort}`,
    datapath,
    balance: 'roundrobin',
    max_connections: 4000,
    timeouts: { connect: '5s', client: '1m', server: '1m' },
    redispatch: true,
    check: { type: 'mysql', interval: '500ms', timeout: '500ms', rise: 2, fall: 3 },
    servers: field.databases.map(({ name, address }, i) => ({
      name,
      address: `${address}:3306`,
      weight: i === 0 ? weight : 1,
    })),
  }
  const config = {
    router_id: host.name,
    vrrp: { instances: [instance], ...scripts },
    listeners: [listener],
    ...(datapath === 'direct' ? { peers: peersOf(field, options) } : {}),
    admin: { socket: socketOf(field.lab, options) },
  }
  // YAML takes JSON as it is.
  writeFileSync(file, JSON.stringify(config, null, 2))
  return file
}
