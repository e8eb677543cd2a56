// Debian's nftlb: rules of nftables as ours, steered over HTTP. It checks no servers.

import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { z } from 'zod'
import { mustRun } from '../../../lab/command.ts'
import { startForwarder } from '../../../lab/forwarder.ts'
import type { Host } from '../../../lab/host.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import type { Contestant, Order, Server, Site } from '../contestant.ts'
import { set } from '../field.ts'

const farm = 'mysql'
const apiPort = 5555
const answerLimit = 10_000
const answerSchema = z.object({ response: z.string() })

const backendOf = ({ name, address, port, weight }: Server): object => ({
  name,
  'ip-addr': address,
  port: `${port}`,
  weight: `${weight}`,
  state: 'up',
})

/** One of its modes. `prepare` does what it expects of the hosts, and its answer undoes that. */
type Mode = {
  readonly title: string
  readonly name: 'snat' | 'dsr'
  readonly addressOf: (site: Site) => string
  readonly schedulerOf: (site: Site) => object
  /** Its rules are complete when they have this. */
  readonly rules: { readonly family: string; readonly chain: string; readonly has: string }
  readonly prepare: (site: Site) => Promise<() => Promise<void>>
}

/** Both directions pass this host, whatever the servers' way to the client is. */
const snat: Mode = {
  title: 'nftlb, snat',
  name: 'snat',
  addressOf: ({ host }) => host.address,
  schedulerOf: ({ servers }) => ({ scheduler: servers.every(({ weight }) => weight === 1) ? 'rr' : 'weight' }),
  rules: { family: 'ip', chain: `nat-${farm}`, has: 'dnat' },
  prepare: async ({ host }) => {
    const forward = (value: 0 | 1): Promise<void> => set(host, [`net.ipv4.conf.eth0.forwarding=${value}`])
    await forward(1)
    return () => forward(0)
  },
}

/** The servers answer clients themselves. It keeps no sessions: nothing but a hash of each packet can choose the server. */
const dsr: Mode = {
  title: 'nftlb, dsr',
  name: 'dsr',
  addressOf: ({ virtualAddress }) => virtualAddress,
  schedulerOf: () => ({ scheduler: 'hash', 'sched-param': 'srcip srcport' }),
  rules: { family: 'netdev', chain: farm, has: 'fwd to' },
  prepare: async ({ host, databases, servers, port, virtualAddress }) => {
    const address = (what: 'add' | 'delete', on: Host, device: string): Promise<unknown> =>
      mustRun('ip', ['-n', on.namespace, 'address', what, `${virtualAddress}/32`, 'dev', device])
    await address('add', host, 'eth0')
    for (const database of databases) {
      await set(database, ['net.ipv4.conf.eth0.arp_ignore=1', 'net.ipv4.conf.eth0.arp_announce=2'])
      await address('add', database, 'lo')
    }
    // It asks the neighbour table once, at its start.
    for (const server of servers) await host.run('bash', ['-c', `exec 3<>/dev/tcp/${server.address}/${port}`])
    return async () => {
      await address('delete', host, 'eth0')
      for (const database of databases) await address('delete', database, 'lo')
    }
  },
}

const farmOf = (site: Site, { name: mode, addressOf, schedulerOf }: Mode): object => ({
  name: farm,
  family: 'ipv4',
  'virtual-addr': addressOf(site),
  'virtual-ports': `${site.port}`,
  mode,
  protocol: 'tcp',
  ...schedulerOf(site),
  state: 'up',
  backends: site.servers.map(backendOf),
})

/** Its words: `down` takes no new sessions, as a server that was found so; `off` is out by an operator. */
const changeOf = (order: Order): object | null => {
  if (typeof order !== 'string') return order.weight === 0 ? null : { weight: `${order.weight}` }
  return { state: { drain: 'down', maint: 'off', ready: 'up' }[order] }
}

/** Its server knows the name of the header in this spelling only, which fetch does not keep. */
const talk = (port: number, key: string, method: string, body: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const headers = { Key: key, 'Content-Length': body.length, Connection: 'close' }
    const asked = request(
      { host: '127.0.0.1', port, path: '/farms', method, headers, timeout: answerLimit },
      (answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (chunk: string) => {
          text += chunk
        })
        answer.once('end', () => resolve(text))
      },
    )
    asked.once('timeout', () => asked.destroy(new Error('nftlb does not answer')))
    asked.once('error', reject)
    asked.end(body)
  })

const contestant = (mode: Mode): Contestant => ({
  title: mode.title,
  isBalancer: true,
  reaches: mode === dsr ? 'link' : 'anywhere',
  needs: { program: 'nftlb', debianPackage: 'nftlb' },
  refuses: async () => null,
  start: async (site) => {
    const { host, directory } = site
    const key = randomBytes(12).toString('hex')
    const file = join(directory, 'nftlb.json')
    writeFileSync(file, JSON.stringify({ farms: [farmOf(site, mode)] }))
    const undo = await mode.prepare(site)
    const daemon = host.spawn('nftlb', 'nftlb', [
      '-L',
      '2',
      '-k',
      key,
      '-H',
      host.address,
      '-P',
      `${apiPort}`,
      '-c',
      file,
    ])
    const door = await startForwarder(host, { target: { address: host.address, port: apiPort } })
    const ask = (method: string, body: string): Promise<string> => talk(door.port, key, method, body)
    await waitFor('the rules of nftlb', async () => {
      if (!daemon.isRunning()) throw new Error(daemon.lines().slice(-5).join('\n'))
      const { family, chain, has } = mode.rules
      return (await host.run('nft', ['list', 'chain', family, 'nftlb', chain])).stdout.includes(has)
    })
    await waitFor('nftlb to answer', async () => (await ask('GET', '')).includes(farm))
    return {
      addresses: [mode.addressOf(site)],
      order: async ({ name }, order) => {
        const change = changeOf(order)
        if (change === null) return false
        const text = await ask('PUT', JSON.stringify({ farms: [{ name: farm, backends: [{ name, ...change }] }] }))
        const { response } = answerSchema.parse(JSON.parse(text))
        if (response !== 'success') throw new Error(`nftlb: ${text}`)
        return true
      },
      checks: false,
      stop: async () => {
        await Promise.all([daemon.stop(), door.stop()])
        await mustRun('ip', ['netns', 'exec', host.namespace, 'nft', 'flush', 'ruleset'])
        await undo()
      },
    }
  },
})

/** Addresses translated. */
export const nftlb = contestant(snat)

/** Direct server return. */
export const nftlbDsr = contestant(dsr)
