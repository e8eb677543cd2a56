// Debian's nftlb: rules of nftables as ours, steered over HTTP. It checks no servers.

import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { z } from 'zod'
import { mustRun } from '../../../lab/command.ts'
import { startForwarder } from '../../../lab/forwarder.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import type { Contestant, Order, Server, Site } from '../contestant.ts'

const farm = 'mysql'
const apiPort = 5555
const answerLimit = 10_000
const answerSchema = z.object({ response: z.string() })

/** Both directions pass this host, whatever the servers' way to the client is. */
const mode = 'snat'

const backendOf = ({ name, address, port, weight }: Server): object => ({
  name,
  'ip-addr': address,
  port: `${port}`,
  weight: `${weight}`,
  state: 'up',
})

const farmOf = ({ host, servers, port }: Site): object => ({
  name: farm,
  family: 'ipv4',
  'virtual-addr': host.address,
  'virtual-ports': `${port}`,
  mode,
  protocol: 'tcp',
  scheduler: servers.every(({ weight }) => weight === 1) ? 'rr' : 'weight',
  state: 'up',
  backends: servers.map(backendOf),
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

/** The contestant. */
export const nftlb: Contestant = {
  title: 'nftlb',
  isBalancer: true,
  needs: { program: 'nftlb', debianPackage: 'nftlb' },
  refuses: async () => null,
  start: async (site) => {
    const { host, directory } = site
    const key = randomBytes(12).toString('hex')
    const file = join(directory, 'nftlb.json')
    writeFileSync(file, JSON.stringify({ farms: [farmOf(site)] }))
    await host.run('sysctl', ['-qw', 'net.ipv4.conf.eth0.forwarding=1'])
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
      return (await host.run('nft', ['list', 'chain', 'ip', 'nftlb', `nat-${farm}`])).stdout.includes('dnat')
    })
    await waitFor('nftlb to answer', async () => (await ask('GET', '')).includes(farm))
    return {
      addresses: [host.address],
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
        await host.run('sysctl', ['-qw', 'net.ipv4.conf.eth0.forwarding=0'])
      },
    }
  },
}
