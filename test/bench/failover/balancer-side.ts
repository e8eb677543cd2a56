// Our balancer, with the user-space listener.

import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { run } from '../../lab/command.ts'
import type { Lab } from '../../lab/lab.ts'
import { processesInNamespaces } from '../../lab/proc.ts'
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

/** The side with our balancer. */
export const balancerSide = (
  field: Field,
): Omit<Side, 'start'> & {
  readonly start: (options: RouterOptions) => Promise<BalancerRouter>
} => ({
  name: 'balancer',
  title: 'balancer',
  refuses: async (options) => {
    const { code, stderr } = await run(process.execPath, [program, 'check', '--config', writeConfig(field, options)])
    return code === 0 ? null : stderr.trim()
  },
  start: async (options) => {
    const { host } = options
    const balancer = host.spawn('balancer', process.execPath, [program, '--config', writeConfig(field, options)])
    const show = async (): Promise<ShownRouter> => {
      const [router] = shownRouters.parse(JSON.parse(await ask(socketOf(field.lab, options), 'show vrrp --json')))
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
      lastWords: () => wordsOf(balancer),
    }
  },
})

const program = fileURLToPath(new URL('../../../balancer/main.js', import.meta.url))

// A process that writes its own title over its arguments leaves zeros behind it.
const titleOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0] ?? ''

const socketOf = (lab: Lab, { host }: RouterOptions): string => join(directoryOf(lab, host, 'balancer'), 'admin.sock')

/** Speaks one line over the runtime socket and takes the whole answer. */
const ask = (path: string, line: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(`${line}\n`))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.once('error', reject)
    socket.once('end', () => resolve(answer))
  })

const writeConfig = (field: Field, options: RouterOptions): string => {
  const { host, priority, interval, preempt, script } = options
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
    name: 'mysql',
    bind: `${virtualAddress}:${servicePort}`,
    datapath: 'userspace',
    balance: 'roundrobin',
    max_connections: 4000,
    timeouts: { connect: '5s', client: '1m', server: '1m' },
    redispatch: true,
    check: { type: 'mysql', interval: '500ms', timeout: '1s', rise: 2, fall: 3 },
    servers: field.databases.map(({ name, address }) => ({ name, address: `${address}:3306` })),
  }
  const config = {
    router_id: host.name,
    vrrp: { instances: [instance], ...scripts },
    listeners: [listener],
    admin: { socket: socketOf(field.lab, options) },
  }
  // YAML takes JSON as it is.
  writeFileSync(file, JSON.stringify(config, null, 2))
  return file
}
