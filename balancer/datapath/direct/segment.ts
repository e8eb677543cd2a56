// The ways to the servers of the direct datapath as they change: MAC addresses, interfaces, and what is wrong with them.

import type { Logger } from 'pino'
import type { ListenerConfig } from '../../config/schema.ts'
import { familyOf } from '../../core/ip-address.ts'
import { readHostRoutes } from '../../os/host-routes.ts'
import { macBytes, macText } from '../../os/neighbour-message.ts'
import { watchNeighbours } from '../../os/neighbours.ts'
import type { HostView } from '../core/host-view.ts'
import { listeningDevices, ownAddresses, type SegmentView, type ServerWay, wayToServer } from './core/segment.ts'
import { createSolicitations } from './solicitations.ts'

/** What is wrong with the way to a server of this address. `isElsewhere`: it is on no segment of this host. */
export type SegmentProblem = { readonly server: string; readonly text: string; readonly isElsewhere: boolean }

/** See `Segment`; MAC addresses as aa:bb:cc:dd:ee:ff. */
export type SegmentEnds = {
  readonly device: string
  readonly server: string
  readonly own: { readonly mac: string; readonly address: string }
}

/** The watch. */
export type Segment = {
  /** The way to an address; whoever asks once is followed from then on, also when the configuration names him no more. */
  readonly pathOf: (address: string) => ServerWay['path']
  /** The interfaces that the rules have to hear, with their MAC addresses, and the MAC addresses of the other balancers. */
  readonly host: () => {
    readonly devices: readonly { readonly name: string; readonly mac: string }[]
    readonly balancers: readonly string[]
  }
  /** Where a frame to a server goes and comes from, and as which address this host speaks; null where it is here, or not known. */
  readonly endsOf: (server: string) => SegmentEnds | null
  readonly problems: () => readonly SegmentProblem[]
  /** Those that are not over by themselves; they are in the log too. */
  readonly lasting: () => readonly SegmentProblem[]
  /** Listeners, places or balancers are others. */
  readonly refresh: () => void
  readonly close: () => void
}

/** `balancers` are addresses of the others. `onChange`: paths or the host are others than before. */
export type SegmentOptions = {
  readonly listeners: () => readonly ListenerConfig[]
  readonly places: () => HostView['places']
  readonly balancers: () => readonly string[]
  readonly onChange: () => void
  readonly log: Logger
}

/** How often routes are read, and those looked for whose MAC address is not known. */
const lookInterval = 1000
/** A MAC address that is known is confirmed once in so many looks: the kernel believes it for up to 45 s in which nobody answers. */
const confirmEvery = 5
/** What is over by itself within so many looks is not worth a line: at the start nothing is known. */
const patience = 3

/** A server that has the address of its listener answers itself where it should answer this host. */
const mute = (device: string): string =>
  `this host has no address on ${device} to speak to it as: those of listeners do not count, for servers have them too; give the listener another`

/** Begins to watch; what the kernel knows already is there when it returns. Throws where the kernel does not tell. */
export const watchSegment = async (options: SegmentOptions): Promise<Segment> => {
  const { listeners, places, balancers, onChange, log } = options
  const ways = new Map<string, ServerWay>()
  const asked = new Set<string>()
  const troubles = new Map<string, { readonly text: string; readonly looks: number; readonly isSaid: boolean }>()
  let routes = readHostRoutes()
  let shown = ''
  let looks = 0
  let due: NodeJS.Immediate | undefined

  const solicitations = createSolicitations()
  const network = await watchNeighbours({
    onNeighbour: (address) => {
      if (ways.has(address) || routes.some(({ via }) => via === address)) soon()
    },
    onNetwork: () => {
      routes = readHostRoutes()
      soon()
    },
  })
  const view = (): SegmentView => {
    const links = network.links().map(({ name, index, mac, isUp, hasNeighbours }) => ({
      ...{ name, index, isUp },
      mac: hasNeighbours ? macText(mac) : null,
    }))
    const names = new Map(links.map(({ name, index }) => [index, name]))
    const addresses = network.addresses().map(({ address, prefixLength, interfaceIndex }) => ({
      ...{ address, prefixLength },
      device: names.get(interfaceIndex) ?? '',
    }))
    return { links, addresses, routes, neighbours: network.neighbours }
  }
  const follow = (address: string, now: SegmentView): ServerWay => {
    const way = wayToServer(address, now, ways.get(address))
    ways.set(address, way)
    return way
  }
  const servers = (): readonly string[] => [
    ...new Set(listeners().flatMap((listener) => listener.servers.map((server) => server.address.address))),
  ]
  const host: Segment['host'] = () => ({
    devices: listeningDevices(
      listeners().flatMap(({ bind }) => bind.map(({ address }) => address)),
      [...servers(), ...asked].flatMap((address) => ways.get(address) ?? []),
      places(),
      view(),
    ),
    balancers: [
      ...new Set(
        balancers().flatMap((address) => {
          const path = ways.get(address)?.path
          return path?.kind === 'link' ? [path.mac] : []
        }),
      ),
    ].sort(),
  })
  const follows = (): void => {
    const now = view()
    const wanted = new Set([...servers(), ...balancers(), ...asked])
    for (const address of [...ways.keys()]) if (!wanted.has(address)) ways.delete(address)
    for (const address of wanted) follow(address, now)
  }
  const summary = (): string => JSON.stringify([[...ways].map(([address, { path }]) => [address, path]), host()])
  const compare = (): void => {
    const now = summary()
    if (now === shown) return
    shown = now
    onChange()
  }
  const look = (): void => {
    follows()
    compare()
  }
  const soon = (): void => {
    due ??= setImmediate(() => {
      due = undefined
      look()
    })
  }
  const namesOf = (address: string): string =>
    listeners()
      .flatMap(({ name, servers: own }) =>
        own.filter((server) => server.address.address === address).map((server) => `${name}/${server.name}`),
      )
      .join(', ')
  const problems: Segment['problems'] = () =>
    servers().flatMap((server) => {
      const { why = null, isElsewhere = false, path = null } = ways.get(server) ?? {}
      const text =
        why ?? (path?.kind === 'link' && speakers(server, path.device).length === 0 ? mute(path.device) : null)
      return text === null ? [] : [{ server, text, isElsewhere }]
    })
  const say = (): void => {
    const now = new Map(problems().map(({ server, text }) => [server, text]))
    for (const [server, { isSaid }] of [...troubles]) {
      if (now.has(server)) continue
      if (isSaid && ways.has(server)) log.info(`Server ${namesOf(server)} (${server}) is found on the network again`)
      troubles.delete(server)
    }
    for (const [server, text] of now) {
      const before = troubles.get(server)
      const lasted = before?.text === text ? before.looks + 1 : 1
      const isDue = lasted === patience
      // With a path to go on with it is its checks that tell whether it is there.
      const level = ways.get(server)?.path === null ? 'warn' : 'info'
      if (isDue) log[level](`Server ${namesOf(server)} (${server}): ${text}`)
      troubles.set(server, { text, looks: lasted, isSaid: isDue || before?.isSaid === true })
    }
  }
  const lookAround = (): void => {
    routes = readHostRoutes()
    look()
    say()
    looks += 1
    resolveMissing(looks % confirmEvery === 0)
  }
  const resolveMissing = (withKnown: boolean): void => {
    for (const [address, { lookFor }] of ways) {
      if (lookFor === null || (lookFor.mac !== null && !withKnown)) continue
      if (familyOf(address) === 'ipv6') solicit(address, lookFor)
      network.resolve({ address, ...lookFor })
    }
  }
  /** A server that had this host under another MAC address would answer there as long as it believes it. */
  const solicit = (address: string, { interfaceIndex, mac }: NonNullable<ServerWay['lookFor']>): void => {
    const now = view()
    const link = now.links.find(({ index }) => index === interfaceIndex)
    if (link?.mac == null) return
    // As one that is still checked for duplicates nobody may speak (RFC 4862 section 5.4).
    const checked = new Set(network.addresses().flatMap((held) => (held.isTentative ? held.address : [])))
    const addresses = ownAddresses(address, link.name, new Set([...shared(), ...checked]), now)
    const neighbour = { address, mac: mac === null ? null : macBytes(mac) }
    solicitations.send(interfaceIndex, { mac: macBytes(link.mac), addresses }, neighbour)
  }
  const speakers = (server: string, device: string): readonly string[] => ownAddresses(server, device, shared(), view())
  /** Others have these addresses too. */
  const shared = (): ReadonlySet<string> =>
    new Set([
      ...listeners().flatMap(({ bind }) => bind.map(({ address }) => address)),
      ...places().map(({ address }) => address),
    ])

  follows()
  shown = summary()
  resolveMissing(true)
  const timer = setInterval(lookAround, lookInterval)
  return {
    pathOf: (address) => {
      if (!asked.has(address)) {
        asked.add(address)
        follow(address, view())
      }
      return ways.get(address)?.path ?? null
    },
    host,
    endsOf: (server) => {
      const path = ways.get(server)?.path
      if (path?.kind !== 'link') return null
      const now = view()
      const mac = now.links.find(({ name }) => name === path.device)?.mac ?? null
      const [address] = speakers(server, path.device)
      return mac === null || address === undefined
        ? null
        : { device: path.device, server: path.mac, own: { mac, address } }
    },
    problems,
    lasting: () => problems().filter(({ server }) => troubles.get(server)?.isSaid === true),
    refresh: () => {
      follows()
      resolveMissing(true)
      compare()
    },
    close: () => {
      clearInterval(timer)
      clearImmediate(due)
      solicitations.close()
      network.close()
    },
  }
}
