// A lab with a balancer that has a listener for every behaviour, all in one datapath.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { hashPassword } from '../../../balancer/config/password-file.ts'
import type { Datapath } from '../../../balancer/core/forwarders.ts'
import type { Host } from '../../lab/host.ts'
import { openHostSockets } from '../../lab/host-sockets.ts'
import type { Lab } from '../../lab/lab.ts'
import { agentProgram } from '../../lab/programs.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { problemsBy } from '../../packaging/published.ts'
import { type OurSide, startOurs } from '../sides.ts'
import { abilityOf, type Behaviour, type Keys, type Stage, shortQueue } from './behaviour.ts'
import { closeAll, openClient, serversOf } from './client.ts'
import { parseShown, type ShownListener } from './shown.ts'
import { openStandInHost, type PreparedFor, type StandIn, standInPorts } from './stand-in.ts'

export type Theatre = {
  readonly balancer: Host
  readonly ours: OurSide
  /** The stage of each behaviour, in their order. */
  readonly stages: readonly Stage[]
}

const firstPort = 4000
/** From the first port of a behaviour to the first one that no listener has yet. */
const spareAt = 5
const clientAddresses = 24
const httpBind = '127.0.0.1:8888'
const viewer = { name: 'viewer', password: 'looks' }
/** Not those from which the balancer speaks to servers: where servers answer for themselves they have these, too. */
const virtualAddresses = { ipv4: ['198.18.0.3', '198.18.0.4'], ipv6: ['fd00::3', 'fd00::4'] }
/** The first, second and third server of each behaviour. */
const serverHosts = ['db1', 'db2', 'db3']
/** As many clients tell how a hash spreads them, and so many may be somewhere else: 97 in 100 times right, by chance. */
const [hashSample, hashSlack] = [48, 8]

const inBrackets = (address: string): string => (address.includes(':') ? `[${address}]` : address)
const clientAddress = (i: number): string => `198.19.0.${i}`

/** The address of a server: a network for each behaviour. */
const serverAddress = (behaviour: number, server: number, family: 'ipv4' | 'ipv6'): string =>
  family === 'ipv4' ? `198.18.${16 + behaviour}.${server + 1}` : `fd00::${16 + behaviour}:${server + 1}`

const addAddresses = async (host: Host, addresses: readonly string[], more = ''): Promise<void> => {
  const lines = addresses.map(
    (address) => `address add ${address} dev eth0${address.includes(':') ? ` nodad ${more}` : ''}`,
  )
  const { code, stderr } = await host.run('ip', ['-batch', '-'], { input: lines.join('\n') })
  if (code !== 0) throw new Error(stderr)
}

/** As the package does where a host has servers of listeners with `datapath: direct`. */
const prepare = async (lab: Lab, host: Host, entries: readonly PreparedFor[]): Promise<void> => {
  const directory = join(lab.directory, `${host.name}-etc`)
  const file = join(directory, 'agent.yaml')
  mkdirSync(directory)
  const lines = entries.map(({ serverPort, ...bind }) => ({ ...bind, server_port: serverPort }))
  writeFileSync(file, JSON.stringify({ direct_return_directory: join(directory, 'run'), direct_return: lines }))
  const { code, stderr } = await host.run(process.execPath, [agentProgram, 'direct-return', 'up', '--config', file])
  if (code !== 0) throw new Error(`mysqlchk-agent direct-return up on ${host.name}: ${stderr}`)
}

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, one) => sum + one, 0)

/** Whether a hash may have spread clients like this, where each server gets its share. */
const isLike = (seen: Readonly<Record<string, number>>, shares: Readonly<Record<string, number>>): boolean => {
  const factor = sumOf(seen) / sumOf(shares)
  return (
    Object.keys(seen).every((server) => server in shares) &&
    Object.entries(shares).every(([server, share]) => Math.abs((seen[server] ?? 0) - share * factor) <= hashSlack)
  )
}

/** Builds it all, and waits until every server is up. */
export const openTheatre = async (lab: Lab, datapath: Datapath, behaviours: readonly Behaviour[]): Promise<Theatre> => {
  const [balancer, client, ...databases] = await Promise.all([
    lab.addHost('lb', '198.18.0.2/15'),
    lab.addHost('client', '198.18.0.200/15'),
    ...serverHosts.map((name, i) => lab.addHost(name, `198.18.0.${10 + i}/15`)),
  ])
  const sources = Array.from({ length: clientAddresses }, (_, i) => `${clientAddress(i + 1)}/15`)
  await addAddresses(balancer, [...virtualAddresses.ipv4.map((address) => `${address}/15`), 'fd00::2/64'])
  // Nobody speaks from them by himself.
  await addAddresses(
    balancer,
    virtualAddresses.ipv6.map((address) => `${address}/64`),
    'preferred_lft 0',
  )
  await addAddresses(client, ['fd00::200/64', ...sources])
  const standIns = await Promise.all(databases.map((host) => openStandInHost(host)))
  const clients = openHostSockets(client)
  const can: Stage['can'] = (key, value) => abilityOf(datapath, value === undefined ? key : `${key} ${value}`).can
  const takesTurns = can('balance', 'roundrobin') === 'yes'

  const portOf = (i: number): number => firstPort + 10 * i
  const bindsOf = ({ family = 'ipv4', binds = 1 }: Partial<Behaviour>, i: number) =>
    virtualAddresses[family].slice(0, binds).map((address, k) => ({ address, port: portOf(i) + k }))
  /** All that the servers of a behaviour are ever asked for. */
  const preparedFor = (behaviour: Partial<Behaviour>, i: number): readonly PreparedFor[] => {
    const { family = 'ipv4', spares = 0 } = behaviour
    const [address = ''] = virtualAddresses[family]
    const spare = Array.from({ length: spares }, (_, k) => ({ address, port: portOf(i) + spareAt + k }))
    return [...bindsOf(behaviour, i), ...spare].map((bind) => ({ ...bind, serverPort: portOf(i) }))
  }
  if (datapath === 'direct') {
    // Others do with the address that these bring along: their ports are the same, and their servers refuse nobody.
    const all = behaviours.map((behaviour, i) => ({ behaviour, entries: preparedFor(behaviour, i) }))
    const special = all.filter(({ behaviour, entries }) => entries.length > 1 || behaviour.name === 'death')
    await Promise.all(
      databases.map((host) =>
        prepare(
          lab,
          host,
          special.flatMap(({ entries }) => entries),
        ),
      ),
    )
  }

  const casts = new Map<string, StandIn[]>()
  const entry = ({ name, address, port }: StandIn, keys: object = {}): object => ({
    name,
    address: `${inBrackets(address)}:${port}`,
    ...keys,
  })
  const rise = async (behaviour: Partial<Behaviour>, i: number, name: string): Promise<StandIn> => {
    const key = behaviour.name ?? name
    const cast = casts.get(key) ?? []
    casts.set(key, cast)
    const host = standIns[cast.length]
    if (host === undefined) throw new Error(`${key} has more servers than there are hosts`)
    const address = serverAddress(i, cast.length, behaviour.family ?? 'ipv4')
    const standIn = await host.add({ name, address, port: portOf(i), preparedFor: preparedFor(behaviour, i) })
    cast.push(standIn)
    return standIn
  }

  const written: Keys[] = []
  for (const [i, behaviour] of behaviours.entries()) {
    for (const name of behaviour.servers) await rise(behaviour, i, name)
    written.push({
      name: behaviour.name,
      datapath,
      bind: bindsOf(behaviour, i).map(({ address, port }) => `${inBrackets(address)}:${port}`),
      check: { type: 'http', port: standInPorts.agent, interval: '300ms', timeout: '3s', rise: 1, fall: 1 },
      servers: (casts.get(behaviour.name) ?? []).map((one) => entry(one, behaviour.serverKeys?.(one.name))),
      ...behaviour.keys?.(can),
    })
  }
  const last = await rise({}, behaviours.length, 'last')
  const [lastBind = { address: '', port: 0 }] = bindsOf({}, behaviours.length)
  written.push({
    name: 'last',
    datapath,
    bind: `${lastBind.address}:${lastBind.port}`,
    check: { type: 'http', port: standInPorts.agent },
    servers: [entry(last)],
    ...shortQueue(can),
  })
  const passwordFile = join(lab.directory, 'viewer.password')
  writeFileSync(passwordFile, await hashPassword(viewer.password), { mode: 0o600 })
  const ours = await startOurs({ directory: lab.directory, spawn: balancer.spawn }, written, new Map(), {
    bind: httpBind,
    users: [{ name: viewer.name, password_file: passwordFile }],
  })
  const showAll = async () => parseShown(await ours.ask('show servers --json'))
  await waitFor('all servers to be up and all addresses to be open', async () =>
    (await showAll()).every(
      (one) => one.binds.every(({ open }) => open) && one.servers.every(({ status }) => status === 'UP'),
    ),
  )
  const strange = problemsBy('balancer-status')(JSON.parse(await ours.ask('show status --json')))
  if (strange.length > 0) throw new Error(`the status document is not as published: ${strange.join('; ')}`)
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
  /** On a busy host a process may have no time for so many listeners: then it is all as before, and the answer is to try again. */
  const reload = async (tries: number): Promise<string> => {
    const said = await ours.reload([...now.values()].flat())
    if (tries === 1 || !said.includes('did not apply it within')) return said
    process.stderr.write(`once more, after: ${said}\n`)
    return reload(tries - 1)
  }
  /** One after the other, whoever asks: each writes the whole file. */
  const become = (name: string, listeners: readonly Keys[]): Promise<string> => {
    const answer = reloading.then(() => {
      now.set(name, listeners)
      return reload(3)
    })
    reloading = answer
    return answer
  }
  const stageOf = (behaviour: Behaviour, i: number, keys: Keys): Stage => {
    const binds = bindsOf(behaviour, i)
    let spares = 0
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
      if (!takesTurns) {
        const seen = await Promise.all(Array.from({ length: count }, () => open(road)))
        closeAll(seen)
        return serversOf(seen)
      }
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
      takesTurns,
      holdEach: async (counts, road) => {
        const held = []
        const left = { ...counts }
        for (let count = sumOf(counts); count > 0; ) {
          const one = await open(road)
          const room = left[one.server] ?? 0
          if (room > 0) {
            held.push(one)
            left[one.server] = room - 1
            count -= 1
          } else {
            one.close()
            if (takesTurns || !(one.server in left)) throw new Error(`a client got ${one.server}`)
          }
        }
        return held
      },
      spread,
      untilSpread: async (expected, road) => {
        const isByHash = !takesTurns && Object.keys(expected).length > 1
        const count = isByHash ? hashSample : sumOf(expected)
        await waitFor(`clients of ${behaviour.name} to be spread as ${JSON.stringify(expected)}`, async () => {
          const seen = await spread(count, road)
          const isSo = isByHash ? isLike(seen, expected) : isDeepStrictEqual(seen, expected)
          if (!isSo) throw new Error(`they go ${JSON.stringify(seen)}`)
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
      document: async (path) => {
        const login = ['--user', `${viewer.name}:${viewer.password}`]
        const words = ['--silent', '--fail', ...login, `http://${httpBind}${path}`]
        const { code, stdout } = await balancer.run('curl', words)
        if (code !== 0) throw new Error(`curl for ${path} ended with ${code}`)
        return stdout
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
        if (spares === behaviour.spares) throw new Error(`${behaviour.name} has no more ports`)
        spares += 1
        return portOf(i) + spareAt + spares - 1
      },
    }
  }
  const stages = behaviours.flatMap((behaviour, i) => {
    const keys = written[i]
    return keys === undefined ? [] : [stageOf(behaviour, i, keys)]
  })
  return { balancer, ours, stages }
}
