// A router between the clients of a lab and its other hosts, which sends each session to one of several balancers (ECMP).

import { mustRun } from './command.ts'
import type { Host } from './host.ts'
import type { Lab } from './lab.ts'

const [near, far, clientNetwork] = ['198.18.0.1', '198.18.0.129', '198.18.0.128/25']

const ip = (host: Host, ...words: readonly string[]): Promise<string> => mustRun('ip', ['-n', host.namespace, ...words])

/** Adds the host `router`. Clients on 198.18.0.128/25 and the hosts below reach each other through it alone. */
export const addRouter = async (lab: Lab, clients: readonly Host[], inside: readonly Host[]): Promise<void> => {
  const router = await lab.addHost('router', `${near}/25`)
  await ip(router, 'address', 'add', `${far}/25`, 'dev', 'eth0')
  // Both sides are on one switch: it must not tell them so.
  const silent = ['all', 'eth0'].flatMap((name) => [`conf.${name}.rp_filter=0`, `conf.${name}.send_redirects=0`])
  for (const setting of ['ip_forward=1', 'fib_multipath_hash_policy=1', ...silent]) {
    const { code, stderr } = await router.run('sysctl', ['-qw', `net.ipv4.${setting}`])
    if (code !== 0) throw new Error(`net.ipv4.${setting} on the router: ${stderr}`)
  }
  for (const client of clients) await ip(client, 'route', 'add', 'default', 'via', far)
  await Promise.all(inside.map(routeHome))
}

/** A host inside answers clients through the router; it forgets that when it loses its power. */
export const routeHome = async (host: Host): Promise<void> => {
  await ip(host, 'route', 'replace', clientNetwork, 'via', near)
}

/** What the router sends an address to. */
export type Ways = {
  readonly name: string
  /** From now on each session goes to one of these. */
  readonly use: (balancers: readonly Host[]) => Promise<void>
}

/** Equal next hops of a route: where one comes or goes, sessions of the others move as well. */
export const plainWays = (router: Host, address: string): Ways => ({
  name: 'route with next hops',
  use: async (balancers) => {
    await ip(router, 'route', 'replace', address, ...balancers.flatMap((one) => ['nexthop', 'via', one.address]))
  },
})

/** A resilient group of next hops (Linux 5.13): only the sessions of one that goes move, and idle ones to one that comes. */
export const resilientWays = (router: Host, address: string, all: readonly Host[]): Ways => {
  const group = '100'
  const numberOf = (host: Host): string => `${1 + all.indexOf(host)}`
  return {
    name: 'resilient group',
    use: async (balancers) => {
      for (const one of balancers) {
        await ip(router, 'nexthop', 'replace', 'id', numberOf(one), 'via', one.address, 'dev', 'eth0')
      }
      const members = balancers.map(numberOf).join('/')
      const buckets = ['type', 'resilient', 'buckets', '128', 'idle_timer', '30']
      await ip(router, 'nexthop', 'replace', 'id', group, 'group', members, ...buckets)
      await ip(router, 'route', 'replace', address, 'nhid', group)
    },
  }
}

/** For source ports 20000 and so on: the next hop that a session of `client` would have, by the router's own word. */
export const nextHops = async (
  router: Host,
  client: Host,
  { address, port }: { readonly address: string; readonly port: number },
  sessions: number,
): Promise<readonly string[]> => {
  const asked = Array.from({ length: sessions }, (_, i) =>
    [
      'route',
      'get',
      address,
      'from',
      client.address,
      'iif',
      'eth0',
      'ipproto',
      'tcp',
      'sport',
      `${20_000 + i}`,
      'dport',
      port,
    ].join(' '),
  )
  const text = await mustRun('ip', ['-n', router.namespace, '-oneline', '-batch', '-'], { input: asked.join('\n') })
  return [...text.matchAll(/ via (\S+)/g)].map(([, via = '']) => via)
}
