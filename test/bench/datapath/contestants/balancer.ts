// Our balancer, with each of its datapaths: the daemon as it is, from a file as an operator writes it.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Place, startOurs } from '../../../e2e/sides.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import type { Contestant, Site } from '../contestant.ts'

const program = fileURLToPath(new URL('../../../../balancer/main.js', import.meta.url))
const listenerName = 'mysql'
const upPatience = { limit: 60_000, interval: 100 }

const balancer = (title: string, datapath: 'kernel' | 'userspace'): Contestant => {
  const listenerOf = ({ host, servers, port, checkPort, checkInterval }: Site): object => ({
    name: listenerName,
    bind: `${host.address}:${port}`,
    datapath,
    balance: 'roundrobin',
    max_connections: 4000,
    check: { type: 'tcp', port: checkPort, interval: `${checkInterval}ms`, timeout: '2s', rise: 1, fall: 1 },
    servers: servers.map(({ name, address, port: to, weight }) => ({ name, address: `${address}:${to}`, weight })),
  })
  return {
    title,
    isBalancer: true,
    needs: null,
    refuses: async (site) => {
      const file = join(site.directory, 'asked.yaml')
      writeFileSync(file, JSON.stringify({ router_id: 'lb', listeners: [listenerOf(site)] }))
      const { code, stderr } = await site.host.run(process.execPath, [program, 'check', '--config', file])
      return code === 0 ? null : (stderr.trim().split('\n')[0] ?? '')
    },
    start: async (site) => {
      const { host, directory } = site
      // What it remembers of the host goes with the lab.
      const env = { RUNTIME_DIRECTORY: directory }
      const spawn: Place['spawn'] = (...words) => host.spawn(...words, { env })
      const side = await startOurs({ directory, spawn }, [listenerOf(site)], new Map())
      const areUp = async (): Promise<boolean> =>
        Object.values(await side.states(listenerName)).every((state) => state === 'UP')
      await waitFor(`${title} to know all servers up`, areUp, upPatience)
      return {
        addresses: [host.address],
        order: async ({ name }, order) => {
          if (typeof order === 'string') await side.order(listenerName, name, order)
          else await side.weigh(listenerName, name, order.weight)
          return true
        },
        checks: true,
        stop: async () => {
          await side.process.stop()
        },
      }
    },
  }
}

/** Addresses translated by the kernel. */
export const kernel = balancer('kernel', 'kernel')

/** The proxy in TypeScript. */
export const userspace = balancer('user space', 'userspace')
