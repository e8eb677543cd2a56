// A lab with a balancer that has a listener for every behaviour, all in one datapath.

import { isDeepStrictEqual } from 'node:util'
import type { Datapath } from '../../../balancer/core/forwarders.ts'
import type { Host } from '../../lab/host.ts'
import { openHostSockets } from '../../lab/host-sockets.ts'
import type { Lab } from '../../lab/lab.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { type OurSide, startOurs } from '../sides.ts'
import { abilityOf, type Behaviour, type Keys, type Stage } from './behaviour.ts'
import { openClient, serversOf } from './client.ts'
import { parseShown, type ShownListener } from './shown.ts'
import { openStandInHost, type StandIn, standInPorts } from './stand-in.ts'

export type Theatre = {
  readonly balancer: Host
  readonly ours: OurSide
  /** The stage of each behaviour, in their order. */
  readonly stages: readonly Stage[]
}

const firstPort = 4000
const spareRange = 1000
const clientAddresses = 24
const balancerAddresses = { ipv4: ['198.18.0.2', '198.18.0.3'], ipv6: ['fd00::2', 'fd00::3'] }

const inBrackets = (address: string): string => (address.includes(':') ? `[${address}]` : address)
const clientAddress = (i: number): string => `198.19.0.${i}`

/** The address of a server: a network for each behaviour. */
const serverAddress = (behaviour: number, server: number, family: 'ipv4' | 'ipv6'): string =>
  family === 'ipv4' ? `198.18.${16 + behaviour}.${server + 1}` : `fd00::${16 + behaviour}:${server + 1}`

const addAddresses = async (host: Host, addresses: readonly string[]): Promise<void> => {
  const lines = addresses.map((address) => `address add ${address} dev eth0${address.includes(':') ? ' nodad' : ''}`)
  const { code, stderr } = await host.run('ip', ['-batch', '-'], { input: lines.join('\n') })
  if (code !== 0) throw new Error(stderr)
}

/** Builds it all, and waits until every server is up. */
export const openTheatre = async (lab: Lab, datapath: Datapath, behaviours: readonly Behaviour[]): Promise<Theatre> => {
  const [balancer, servers, client] = [
    await lab.addHost('lb', '198.18.0.2/15'),
    await lab.addHost('servers', '198.18.0.10/15'),
    await lab.addHost('client', '198.18.0.200/15'),
  ]
  const sources = Array.from({ length: clientAddresses }, (_, i) => `${clientAddress(i + 1)}/15`)
  await addAddresses(balancer, ['198.18.0.3/15', 'fd00::2/64', 'fd00::3/64'])
  await addAddresses(servers, ['fd00::10/64'])
  await addAddresses(client, ['fd00::200/64', ...sources])
  const standIns = await openStandInHost(servers)
  const clients = openHostSockets(client)
  const can: Stage['can'] = (key, value) => abilityOf(datapath, value === undefined ? key : `${key} ${value}`).can

  const casts = new Map<string, StandIn[]>()
  const entry = ({ name, address }: StandIn, keys: object = {}): object => ({
    name,
    address: `${inBrackets(address)}:${standInPorts.sessions}`,
    ...keys,
  })
  const rise = async (behaviour: Behaviour, i: number, name: string): Promise<StandIn> => {
    const cast = casts.get(behaviour.name) ?? []
    casts.set(behaviour.name, cast)
    const standIn = await standIns.add(name, serverAddress(i, cast.length, behaviour.family ?? 'ipv4'))
    cast.push(standIn)
    return standIn
  }
  const bindsOf = ({ family = 'ipv4', binds = 1 }: Behaviour, i: number) =>
    balancerAddresses[family].slice(0, binds).map((address, k) => ({ address, port: firstPort + 10 * i + k }))

  const written: Keys[] = []
  for (const [i, behaviour] of behaviours.entries()) {
    for (const name of behaviour.servers) await rise(behaviour, i, name)
    written.push({
      name: behaviour.name,
      datapath,
      bind: bindsOf(behaviour, i).map(({ address, port }) => `${inBrackets(address)}:${port}`),
      check: { type: 'http', port: standInPorts.agent, interval: '300ms', timeout: '1s', rise: 1, fall: 1 },
      servers: (casts.get(behaviour.name) ?? []).map((one) => entry(one, behaviour.serverKeys?.(one.name))),
      ...behaviour.keys?.(can),
    })
  }
  const last = await standIns.add('last', serverAddress(behaviours.length, 0, 'ipv4'))
  const lastBind = { address: balancerAddresses.ipv4[0] ?? '', port: firstPort + 10 * behaviours.length }
  written.push({
    name: 'last',
    datapath,
    bind: `${lastBind.address}:${lastBind.port}`,
    check: { type: 'http', port: standInPorts.agent },
    servers: [entry(last)],
  })
  const ours = await startOurs({ directory: lab.directory, spawn: balancer.spawn }, written, new Map())
  const showAll = async () => parseShown(await ours.ask('show servers --json'))
  await waitFor('all servers to be up and all addresses to be open', async () =>
    (await showAll()).every(
      (one) => one.binds.every(({ open }) => open) && one.servers.every(({ status }) => status === 'UP'),
    ),
  )
  // What is shown comes into force a little later, in order.
  const untilLastIs = (server: string): Promise<unknown> =>
    waitFor(`a client of the last listener to get ${server}`, async () => {
      const client = await openClient(clients, { ...lastBind, from: undefined })
      client.close()
      return client.server === server
    })
  await untilLastIs('last')
  await ours.ask('server last/last drain')
  await untilLastIs('-')

  const now = new Map(written.map((keys) => [keys.name, [keys] as readonly Keys[]]))
  let reloading: Promise<unknown> = Promise.resolve()
  /** One after the other, whoever asks: each writes the whole file. */
  const become = (name: string, listeners: readonly Keys[]): Promise<string> => {
    const answer = reloading.then(() => {
      now.set(name, listeners)
      return ours.reload([...now.values()].flat())
    })
    reloading = answer
    return answer
  }
  let spare = firstPort + spareRange

  const stageOf = (behaviour: Behaviour, i: number, keys: Keys): Stage => {
    const binds = bindsOf(behaviour, i)
    const open: Stage['open'] = ({ bind = 0, from, port } = {}) => {
      const at = binds[bind]
      if (at === undefined) throw new Error(`there is no bind ${bind}`)
      return openClient(clients, {
        address: at.address,
        port: port ?? at.port,
        from: from === undefined ? undefined : clientAddress(from),
      })
    }
    const spread: Stage['spread'] = async (count, road) => {
      const seen = []
      for (let k = 0; k < count; k += 1) {
        const one = await open(road)
        one.close()
        seen.push(one)
      }
      return serversOf(seen)
    }
    const show = async (): Promise<ShownListener> => {
      const found = (await showAll()).find(({ name }) => name === behaviour.name)
      if (found === undefined) throw new Error(`there is no listener ${behaviour.name}`)
      return found
    }
    const showServer: Stage['showServer'] = async (name) => {
      const found = (await show()).servers.find((one) => one.name === name)
      if (found === undefined) throw new Error(`${behaviour.name} has no server ${name}`)
      return found
    }
    return {
      datapath,
      can,
      keys,
      server: (name) => {
        const found = casts.get(behaviour.name)?.find((one) => one.name === name)
        if (found === undefined) throw new Error(`${behaviour.name} has no server ${name}`)
        return found
      },
      open,
      hold: async (count, road) => {
        const held = []
        for (let k = 0; k < count; k += 1) held.push(await open(road))
        return held
      },
      spread,
      untilSpread: async (expected, road) => {
        const count = Object.values(expected).reduce((sum, one) => sum + one, 0)
        await waitFor(`clients of ${behaviour.name} to be spread as ${JSON.stringify(expected)}`, async () => {
          const seen = await spread(count, road)
          if (!isDeepStrictEqual(seen, expected)) throw new Error(`they go ${JSON.stringify(seen)}`)
          return true
        })
      },
      show,
      showServer,
      untilStatus: async (name, status) => {
        await waitFor(`${name} of ${behaviour.name} to be ${status}`, async () => {
          return (await showServer(name)).status === status
        })
      },
      ask: async (command) => (await ours.ask(command)).trimEnd(),
      order: async (server, words) => {
        const answer = await ours.ask(`server ${behaviour.name}/${server} ${words}`)
        if (answer.startsWith('error')) throw new Error(answer)
      },
      become: (...listeners) => become(behaviour.name, listeners),
      addServer: async (name) => {
        const standIn = await rise(behaviour, i, name)
        return { standIn, keys: entry(standIn) }
      },
      freePort: () => {
        spare += 1
        return spare
      },
    }
  }
  const stages = behaviours.flatMap((behaviour, i) => {
    const keys = written[i]
    return keys === undefined ? [] : [stageOf(behaviour, i, keys)]
  })
  return { balancer, ours, stages }
}
