// One listener in user space: accepts clients, queues the excess, gives each a server and counts how it ended.

import type { Socket } from 'node:net'
import type { ListenerConfig, ServerConfig } from '../../config/schema.ts'
import { isBarred, type Shortage, type ShortageReason, shortageReason } from '../../core/shortage.ts'
import type { ListenerState } from '../../os/waiting-listener.ts'
import { chooseServer, isPanicking, type Rules } from '../../pool/core/choice.ts'
import type { ListenerFact, ServerHealthFact } from '../../pool/core/facts.ts'
import { formersOf } from '../../pool/core/formers.ts'
import type { RoundRobin } from '../../pool/core/round-robin.ts'
import { createServerSlot, type ServerSlot } from './server-slot.ts'
import { aborted, connectTo, joinSockets, type SessionEnd, shortageIn, watchForLeaving } from './session.ts'

/** A listener of the proxy worker; its addresses are held by `Binds`. */
export type ProxyListener = {
  readonly accept: (socket: Socket) => void
  /** Nobody reaches this address any more: ends the sessions that came through it. */
  readonly addressLeft: (address: string) => void
  readonly hear: (fact: ServerHealthFact) => void
  /** The server that alone takes sessions (`balance: single`). */
  readonly setWriter: (server: string | null) => void
  /** Goes on with another configuration; sessions stay with servers that stay. */
  readonly reconfigure: (config: ListenerConfig) => void
  readonly fact: (binds: readonly ListenerState[]) => ListenerFact
  /** Sockets of clients, and towards servers. */
  readonly sockets: () => number
  readonly stop: () => void
}

export type ProxyListenerOptions = {
  readonly config: ListenerConfig
  /** A session could not connect: its server may be down before the next check says so. */
  readonly onConnectFailure: (listener: string) => void
  /** A client got no session, or a longer way to one, for want of something on this host. */
  readonly onShortage: (shortage: Shortage, listener: string) => void
  /** Whether this process may have a socket for one more client, and one towards its server. */
  readonly hasRoom: () => boolean
}

/** Why a client got no session. */
type Refusal = 'no-server' | 'connect-failed' | 'queue-full' | 'queue-timeout' | ShortageReason

/** A client from its acceptance on. `end` ends it in whatever stage it is: queued, connecting or joined. */
type Client = {
  readonly socket: Socket
  readonly localAddress: string | undefined
  readonly tried: Set<string>
  /** What this host was short of when it tried to connect for this client. */
  lacked: Shortage | undefined
  /** Ends the watch for a client that leaves while it waits. */
  unwatch: () => void
  end: (reason: SessionEnd) => void
}

const noBytes = () => ({ in: 0, out: 0 })

/** Makes a listener whose servers are all down until health facts say otherwise. */
export const createProxyListener = (options: ProxyListenerOptions): ProxyListener => {
  let { config } = options
  let slots = new Map(config.servers.map((server) => [server.name, createServerSlot(server)]))
  let writer: string | null = null
  const clients = new Set<Client>()
  const queue = new Map<Client, NodeJS.Timeout>()
  const graces = new Map<ServerSlot, NodeJS.Timeout>()
  const ends: Partial<Record<SessionEnd | Refusal, number>> = {}
  let roundRobin: RoundRobin = new Map()
  let sessions = 0
  let maximumSessions = 0
  let totalSessions = 0

  const forget = (client: Client, reason: SessionEnd | Refusal): void => {
    clients.delete(client)
    ends[reason] = (ends[reason] ?? 0) + 1
  }
  const refuse = (client: Client, reason: SessionEnd | Refusal): void => {
    leaveQueue(client)
    client.unwatch()
    client.socket.on('error', () => {})
    client.socket.resetAndDestroy()
    forget(client, reason)
  }

  const accept = (socket: Socket): void => {
    totalSessions += 1
    const { localAddress } = socket
    const client: Client = {
      socket,
      localAddress,
      tried: new Set(),
      lacked: undefined,
      unwatch: watchForLeaving(socket, () => client.end('client-left')),
      end: (reason) => refuse(client, reason),
    }
    const hasRoom = options.hasRoom()
    clients.add(client)
    if (!hasRoom) {
      options.onShortage('descriptors', config.name)
      refuse(client, shortageReason('descriptors'))
      return
    }
    socket.setNoDelay(true)
    if (queue.size > 0 || !place(client)) enqueue(client)
  }

  const enqueue = (client: Client): void => {
    if (queue.size >= config.max_connections) {
      refuse(client, 'queue-full')
      return
    }
    queue.set(
      client,
      setTimeout(() => refuse(client, 'queue-timeout'), config.timeouts.queue),
    )
  }
  const leaveQueue = (client: Client): void => {
    clearTimeout(queue.get(client))
    queue.delete(client)
  }
  const serveQueue = (): void => {
    // A client of `source` waits for its own server; those behind it may be luckier.
    for (const client of queue.keys()) if (!place(client) && config.balance !== 'source') return
  }

  const views = () => [...slots.values()].map((slot) => slot.view(config.slow_start))

  /** Finds a server for a client, or turns it away; false when it has to wait for room. */
  const place = (client: Client): boolean => {
    if (sessions >= config.max_connections) return false
    const asking = { client: client.socket.remoteAddress ?? '', tried: client.tried, writer, random: Math.random }
    const choice = chooseServer(roundRobin, views(), rulesOf(config), asking)
    if (choice.kind === 'full') return false
    leaveQueue(client)
    const slot = choice.kind === 'server' ? slots.get(choice.server.name) : undefined
    if (choice.kind === 'none-up' || slot === undefined) {
      refuse(client, client.tried.size > 0 ? failureOf(client) : 'no-server')
      return true
    }
    roundRobin = choice.state
    void connectClient(client, slot)
    return true
  }

  const failureOf = ({ lacked }: Client): Refusal => (lacked === undefined ? 'connect-failed' : shortageReason(lacked))

  const connectClient = async (client: Client, slot: ServerSlot): Promise<void> => {
    sessions += 1
    maximumSessions = Math.max(maximumSessions, sessions)
    client.tried.add(slot.name)
    const attempt = connectTo(slot.address, config.timeouts.connect)
    const leave = slot.enter({ isConnecting: true, end: attempt.abort, bytes: noBytes })
    client.end = (reason) => {
      refuse(client, reason)
      attempt.abort()
    }
    const connected = await attempt.result
    leave()
    if (clients.has(client) && connected.ok) return join(client, connected.socket, slot)
    sessions -= 1
    client.end = (reason) => refuse(client, reason)
    if (connected.ok) {
      connected.socket.destroy()
    } else if (clients.has(client)) {
      client.lacked = shortageIn(connected.reason)
      if (client.lacked !== undefined) options.onShortage(client.lacked, config.name)
      else if (connected.reason !== aborted && !isBarred(connected.reason)) {
        slot.countConnectFailure({ isRefused: connected.reason === 'ECONNREFUSED', isRedispatched: config.redispatch })
        options.onConnectFailure(config.name)
      }
      if (!config.redispatch) refuse(client, failureOf(client))
      else if (!place(client)) enqueue(client)
    }
    serveQueue()
  }

  const join = (client: Client, server: Socket, slot: ServerSlot): void => {
    client.unwatch()
    const session = joinSockets(client.socket, server, config.timeouts, (reason) => {
      leave()
      forget(client, reason)
      sessions -= 1
      serveQueue()
    })
    const leave = slot.enter({ isConnecting: false, end: session.end, bytes: session.bytes })
    slot.countSession()
    client.end = session.end
  }

  const markedDown = (slot: ServerSlot): void => {
    slot.empty('server-down', 'connecting')
    if (config.on_marked_down === 'keep') return
    const end = (): void => {
      graces.delete(slot)
      slot.empty('server-down', 'all')
    }
    if (config.shutdown_grace === 0) end()
    else graces.set(slot, setTimeout(end, config.shutdown_grace))
  }
  const markedUp = (slot: ServerSlot, isBackup: boolean): void => {
    clearTimeout(graces.get(slot))
    graces.delete(slot)
    if (isBackup || config.on_marked_up === 'keep') return
    for (const other of slots.values()) {
      if (other.view(config.slow_start).backup) other.empty('active-server-up', 'all')
    }
  }

  /** Ends what runs on servers that are not the writer; only then the new one gets sessions. */
  const enforceWriter = (): void => {
    if (config.balance !== 'single') return
    for (const slot of slots.values()) if (slot.name !== writer) slot.empty('demoted', 'all')
  }

  const endAll = (reason: SessionEnd, concerned: (client: Client) => boolean): void => {
    for (const client of [...clients].filter(concerned)) client.end(reason)
  }

  return {
    accept,
    addressLeft: (address) => endAll('address-left', (client) => client.localAddress === address),
    hear: (fact) => {
      const slot = slots.get(fact.server)
      const marked = slot?.hear(fact)
      if (slot !== undefined && marked === 'down') markedDown(slot)
      if (slot !== undefined && marked === 'up') markedUp(slot, fact.backup)
      serveQueue()
    },
    setWriter: (server) => {
      writer = server
      enforceWriter()
      serveQueue()
    },
    reconfigure: (next) => {
      const before = slots
      const writing = writer === null ? undefined : before.get(writer)
      // As the listener is now, whatever it was called.
      const formers = formersOf([{ ...config, name: next.name }], [next])
      const keptBy = (server: ServerConfig) => before.get(formers.server(next, server)?.name ?? '')
      slots = new Map(next.servers.map((server) => [server.name, keptBy(server) ?? createServerSlot(server)]))
      for (const [name, slot] of slots) slot.rename(name)
      const kept = new Set(slots.values())
      if (writing !== undefined && kept.has(writing)) writer = writing.name
      for (const slot of before.values()) {
        if (kept.has(slot) && next.on_marked_down !== 'keep') continue
        clearTimeout(graces.get(slot))
        graces.delete(slot)
        if (kept.has(slot)) continue
        slot.empty('server-removed', next.on_marked_down === 'keep' ? 'connecting' : 'all')
      }
      config = next
      if (config.balance !== 'single') writer = null
      else if (writer !== null) enforceWriter()
      serveQueue()
    },
    fact: (binds) => ({
      fact: 'listener',
      listener: config.name,
      binds,
      sessions,
      maximumSessions,
      totalSessions,
      queued: queue.size,
      panicking: isPanicking(views(), rulesOf(config)),
      ends: { ...ends },
      servers: [...slots.values()].map((slot) => slot.traffic()),
    }),
    sockets: () => clients.size + sessions,
    stop: () => {
      for (const grace of graces.values()) clearTimeout(grace)
      endAll('stopped', () => true)
    },
  }
}

const rulesOf = ({ balance, all_backups: allBackups, panic_threshold: panicThreshold }: ListenerConfig): Rules => ({
  balance,
  allBackups,
  panicThreshold,
})
