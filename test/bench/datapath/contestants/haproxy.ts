// Debian's HAProxy in TCP mode.

import { type Place, startHaproxy } from '../../../e2e/sides.ts'
import type { LabProcess } from '../../../lab/lab-process.ts'
import type { Contestant } from '../contestant.ts'

const section = 'mysql'

const haproxy = (title: string, global: string): Contestant => ({
  title,
  isBalancer: true,
  reaches: 'anywhere',
  needs: { program: 'haproxy', debianPackage: 'haproxy' },
  refuses: async () => null,
  start: async ({ host, directory, servers, port, checkPort, checkInterval }) => {
    const started: LabProcess[] = []
    const place: Place = {
      directory,
      spawn: (...words) => {
        const process = host.spawn(...words)
        started.push(process)
        return process
      },
    }
    const lines = servers.map(
      ({ name, address, port: to, weight }) => `  server ${name} ${address}:${to} weight ${weight}`,
    )
    const listen = [
      `listen ${section}`,
      `  bind ${host.address}:${port}`,
      '  balance roundrobin',
      `  default-server check port ${checkPort} inter ${checkInterval}ms rise 1 fall 1`,
      ...lines,
    ]
    const side = await startHaproxy(place, [global, listen.join('\n')], new Map())
    return {
      addresses: [host.address],
      order: async ({ name }, order) => {
        if (typeof order === 'string') await side.order(section, name, order)
        else await side.weigh(section, name, order.weight)
        return true
      },
      checks: true,
      stop: async () => {
        await Promise.all(started.map((process) => process.stop()))
      },
    }
  },
})

/** As it comes: one thread for each processor. */
export const haproxyDefaults = haproxy('HAProxy', '')

/** What it costs without its threads waiting for each other. */
export const haproxyOneThread = haproxy('HAProxy, nbthread 1', 'global\n  nbthread 1')
