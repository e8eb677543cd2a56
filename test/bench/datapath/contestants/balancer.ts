// Our balancer, with each of its datapaths: the daemon as it is, from a file as an operator writes it.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Datapath } from '../../../../balancer/core/forwarders.ts'
import { type Place, startOurs } from '../../../e2e/sides.ts'
import { mustRun } from '../../../lab/command.ts'
import { prepareDirectReturn } from '../../../lab/direct-return.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import type { Contestant, Site } from '../contestant.ts'

const program = fileURLToPath(new URL('../../../../balancer/main.js', import.meta.url))
const listenerName = 'mysql'
const upPatience = { limit: 60_000, interval: 100 }

const balancer = (title: string, datapath: Datapath): Contestant => {
  const isDirect = datapath === 'direct'
  const addressOf = ({ host, virtualAddress }: Site): string => (isDirect ? virtualAddress : host.address)
  const listenerOf = (site: Site): object => ({
    name: listenerName,
    bind: `${addressOf(site)}:${site.port}`,
    datapath,
    balance: 'roundrobin',
    max_connections: 4000,
    check: { type: 'tcp', port: site.checkPort, interval: `${site.checkInterval}ms`, timeout: '2s', rise: 1, fall: 1 },
    servers: site.servers.map(({ name, address, port: to, weight }) => ({ name, address: `${address}:${to}`, weight })),
  })
  return {
    title,
    isBalancer: true,
    reaches: isDirect ? 'link' : 'anywhere',
    needs: null,
    refuses: async (site) => {
      const file = join(site.directory, 'asked.yaml')
      writeFileSync(file, JSON.stringify({ router_id: 'lb', listeners: [listenerOf(site)] }))
      const { code, stderr } = await site.host.run(process.execPath, [program, 'check', '--config', file])
      return code === 0 ? null : (stderr.trim().split('\n')[0] ?? '')
    },
    start: async (site) => {
      const { host, directory } = site
      const undo = isDirect ? await prepare(site) : async () => undefined
      // What it remembers of the host goes with the lab.
      const env = { RUNTIME_DIRECTORY: directory }
      const spawn: Place['spawn'] = (...words) => host.spawn(...words, { env })
      const side = await startOurs({ directory, spawn }, [listenerOf(site)], new Map())
      const areUp = async (): Promise<boolean> =>
        Object.values(await side.states(listenerName)).every((state) => state === 'UP')
      await waitFor(`${title} to know all servers up`, areUp, upPatience)
      return {
        addresses: [addressOf(site)],
        order: async ({ name }, order) => {
          if (typeof order === 'string') await side.order(listenerName, name, order)
          else await side.weigh(listenerName, name, order.weight)
          return true
        },
        checks: true,
        stop: async () => {
          await side.process.stop()
          await undo()
        },
      }
    },
  }
}

/** The address where clients look for it, and servers that answer them; the answer undoes it. */
const prepare = async ({ host, directory, databases, virtualAddress, port }: Site): Promise<() => Promise<void>> => {
  const address = (what: 'add' | 'delete'): Promise<unknown> =>
    mustRun('ip', ['-n', host.namespace, 'address', what, `${virtualAddress}/32`, 'dev', 'eth0'])
  await address('add')
  const undone = await Promise.all(
    databases.map((database) => {
      const own = join(directory, database.name)
      mkdirSync(own, { recursive: true })
      return prepareDirectReturn(database, own, virtualAddress, port)
    }),
  )
  return async () => {
    await Promise.all(undone.map((undo) => undo()))
    await address('delete')
  }
}

/** Direct server return. */
export const direct = balancer('direct', 'direct')

/** Addresses translated by the kernel. */
export const kernel = balancer('kernel', 'kernel')

/** The proxy in TypeScript. */
export const userspace = balancer('user space', 'userspace')
