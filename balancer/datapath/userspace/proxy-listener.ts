// One listener in user space: accepts clients, queues the excess, gives each a server and counts how it ended.

import type { Socket } from 'node:net'
import type { ListenerConfig, ServerConfig } from '../../config/schema.ts'
import { isBarred, type Shortage, type ShortageReason, shortageReason } from '../../core/shortage.ts'
import type { ListenerState } from '../../os/waiting-listener.ts'
import { chooseServer, isPanicking, type Rules } from '../../pool/core/choice.ts'
import type { ListenerFact, ServerHealthFact } from '../../pool/core/facts.ts'
import { formersOf } from '../../pool/core/formers.ts'
import type { RoundRobin } from '../../pool/core/round-robin.ts'
import { createLeaveTaking } from './leave-taking.ts'
import { createServerSlot, everybody, nobody, type ServerSlot } from './server-slot.ts'
import { aborted, connectTo, joinSockets, type SessionEnd, shortageIn, watchForLeaving } from './session.ts'
import { createWaiting } from './waiting.ts'

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
  /** A session could not connect, or a client begins to wait: it matters to the checks before the next report. */
  readonly onTrouble: (listener: string) => void
  /** A client got no session, or a longer way to one, for want of something on this host. */
  readonly onShortage: (shortage: Shortage, listener: string) => void
  /** Whether this process may have a socket for one more client, and one towards its server. */
  readonly hasRoom: () => boolean
}

/** Why a client got no session. */
type Refusal = 'no-server' | 'connect-failed' | 'queue-full' | 'queue-timeout' | ShortageReason

/**
 * A client from its acceptance on. `tried` are servers that did not accept it since it last began anew, which `retries`
 * counts. `waitUntil` is the end of its first wait and of all later ones. `end` ends it in whatever stage it is: queued,
 * connecting or joined.
 */
type Client = {
  readonly socket: Socket
  readonly localAddress: string | undefined
  readonly tried: Set<string>
  retries: number
  /** The server of the last attempt that failed, and when a server that failed may be tried again. */
  failed: { readonly server: string; readonly retryAt: number } | null
  /** What this host was short of in that attempt. */
  lacked: Shortage | undefined
  waitUntil: number | null
  /** Ends the watch for a client that leaves while it waits. */
  unwatch: () => void
  end: (reason: SessionEnd) => void
}

const noBytes = () => ({ in: 0, out: 0 })

/** HAProxy's pause before a server is tried again; one that kept silent for so long has been waited for. */
const longestPause = 1000

/** Makes a listener whose servers are all down until health facts say otherwise. */
export const createProxyListener = (options: ProxyListenerOptions): ProxyListener => {
  let { config } = options
  let slots = new Map(config.servers.map((server) => [server.name, createServerSlot(server)]))
  /** Servers that a reload took away, as long as they keep sessions. */
  let departed: readonly ServerSlot[] = []
  let writer: string | null = null
  const clients = new Set<Client>()
  const leaves = createLeaveTaking()
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
    queue.remove(client)
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
      retries: 0,
      failed: null,
      lacked: undefined,
      waitUntil: null,
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
    // Nobody is overtaken: all who could be placed were, when there was room or a server.
    placeOrWait(client)
  }

  const placeOrWait = (client: Client): void => {
    const placed = place(client)
    if (placed === 'settled') return
    if (queue.size() >= config.max_connections) {
      refuse(client, 'queue-full')
      return
    }
    const { failed, retries } = client
    client.waitUntil ??= performance.now() + config.timeouts.queue
    const retryAt = client.tried.size > 0 && retries < config.retries ? (failed?.retryAt ?? null) : null
    queue.add(client, { until: client.waitUntil, retryAt })
    if (placed === 'paused') queue.setAside(client)
    if (queue.size() === 1) options.onTrouble(config.name)
  }
  const queue = createWaiting<Client>({
    onOver: (client) => refuse(client, reasonToRefuse(client)),
    onRetry: (client) => {
      client.retries += 1
      client.tried.clear()
      if (place(client) !== 'settled') queue.recall(client)
    },
  })
  const reasonToRefuse = (client: Client): Refusal => {
    if (client.failed !== null) return failureOf(client)
    return choose(client).kind === 'none-up' ? 'no-server' : 'queue-timeout'
  }
  const serveQueue = (): void => {
    for (const client of queue.ready()) {
      const placed = place(client)
      if (placed === 'nobody') return
      if (placed === 'paused') queue.setAside(client)
    }
  }

  const views = () => [...slots.values()].map((slot) => slot.view(config.slow_start))

  const choose = (client: Client) => {
    const { failed, tried } = client
    // A single writer has no other beside it: whoever is the writer now.
    const isBound = failed !== null && !config.redispatch && config.balance !== 'single' && slots.has(failed.server)
    const only = isBound ? failed.server : null
    const asking = { client: client.socket.remoteAddress ?? '', tried, only, writer, random: Math.random }
    return { isBound, ...chooseServer(roundRobin, views(), rulesOf(config), asking) }
  }

  /**
   * Finds a server for a client, or turns it away. Else it has to wait: with `paused` until its retry or until servers change,
   * and with `nobody` all others have to, too.
   */
  const place = (client: Client): 'settled' | 'waits' | 'paused' | 'nobody' => {
    if (sessions >= config.max_connections || isHandingOver()) return 'nobody'
    const choice = choose(client)
    switch (choice.kind) {
      case 'server': {
        const slot = slots.get(choice.server.name)
        if (slot === undefined) return 'waits'
        queue.remove(client)
        roundRobin = choice.state
        void connectClient(client, slot)
        return 'settled'
      }
      case 'none-left':
        // Another server may have ports left. A client that waits would only take more of what is short.
        if (client.lacked === undefined && client.retries < config.retries) return 'paused'
        refuse(client, failureOf(client))
        return 'settled'
      case 'full':
        // A client of `source` waits for its own server; those behind it may be luckier.
        return client.failed !== null || config.balance === 'source' ? 'waits' : 'nobody'
      case 'none-up':
        return choice.isBound ? 'paused' : 'nobody'
      default:
        return choice satisfies never
    }
  }

  const failureOf = ({ lacked }: Client): Refusal => (lacked === undefined ? 'connect-failed' : shortageReason(lacked))

  const connectClient = async (client: Client, slot: ServerSlot): Promise<void> => {
    sessions += 1
    maximumSessions = Math.max(maximumSessions, sessions)
    const startedAt = performance.now()
    if (client.failed !== null) slots.get(client.failed.server)?.countNextAttempt(slot)
    const attempt = connectTo(slot.address, config.timeouts.connect, client.socket)
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
      if (connected.reason !== aborted) {
        const retryAt = startedAt + Math.min(config.timeouts.connect, longestPause)
        client.tried.add(slot.name)
        client.failed = { server: slot.name, retryAt }
        client.lacked = shortageIn(connected.reason)
        if (client.lacked !== undefined) options.onShortage(client.lacked, config.name)
        else if (!isBarred(connected.reason)) {
          slot.countConnectFailure({ isRefused: connected.reason === 'ECONNREFUSED' })
          options.onTrouble(config.name)
        }
      }
      placeOrWait(client)
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
    if (config.on_marked_down === 'keep') slot.empty('server-down', nobody)
    else leaves.vacateAfter(slot, 'server-down', config.shutdown_grace)
  }
  const markedUp = (slot: ServerSlot, isBackup: boolean): void => {
    leaves.takeBack(slot)
    if (isBackup || config.on_marked_up === 'keep') return
    for (const other of slots.values()) {
      if (other.view(config.slow_start).backup) leaves.vacate(other, 'active-server-up')
    }
  }
  /** A server takes sessions again: whoever failed there before may try it. */
  const opened = ({ name }: ServerSlot): void => {
    for (const client of queue.all()) client.tried.delete(name)
  }

  const others = (): readonly ServerSlot[] => [...slots.values()].filter(({ name }) => name !== writer)
  /** The new writer gets no session as long as another server has one. */
  const isHandingOver = (): boolean => config.balance === 'single' && others().some((slot) => slot.isOccupied())
  /**
   * Ends what runs on servers that are not the writer. One that is only drained keeps it until another takes its place; one
   * that turned into a replica keeps nobody, not for a login.
   */
  const enforceWriter = (): void => {
    if (config.balance !== 'single') return
    for (const slot of others()) {
      if (slot.isReplica()) slot.empty('demoted', everybody)
      else if (writer !== null || !slot.isUp()) leaves.vacate(slot, 'demoted')
    }
  }

  const endAll = (reason: SessionEnd, concerned: (client: Client) => boolean): void => {
    for (const client of [...clients].filter(concerned)) client.end(reason)
  }

  return {
    accept,
    addressLeft: (address) => endAll('address-left', (client) => client.localAddress === address),
    hear: (fact) => {
      const slot = slots.get(fact.server)
      if (slot === undefined) return
      const { marked, isOpened } = slot.hear(fact)
      if (marked === 'down') markedDown(slot)
      if (marked === 'up') markedUp(slot, fact.backup)
      if (isOpened) opened(slot)
      enforceWriter()
      queue.recallAll()
      serveQueue()
    },
    setWriter: (server) => {
      writer = server
      const slot = server === null ? undefined : slots.get(server)
      if (slot !== undefined) leaves.takeBack(slot)
      enforceWriter()
      queue.recallAll()
      serveQueue()
    },
    reconfigure: (next) => {
      const before = slots
      const writing = writer === null ? undefined : before.get(writer)
      // As the listener is now, whatever it was called.
      const formers = formersOf([{ ...config, name: next.name }], [next])
      const keptBy = (server: ServerConfig) =>
        before.get(formers.server(next, server)?.name ?? '') ?? departed.find((slot) => slot.isOf(server))
      slots = new Map(next.servers.map((server) => [server.name, keptBy(server) ?? createServerSlot(server)]))
      for (const [name, slot] of slots) slot.rename(name)
      const kept = new Set(slots.values())
      if (writing !== undefined && kept.has(writing)) writer = writing.name
      const mayStay = next.on_marked_down === 'keep' && next.balance !== 'single'
      for (const slot of [...before.values(), ...departed]) {
        if (mayStay) leaves.takeBack(slot)
        if (kept.has(slot)) continue
        if (mayStay) slot.empty('server-removed', nobody)
        else if (next.balance === 'single') slot.empty('server-removed', everybody)
        else leaves.vacate(slot, 'server-removed')
      }
      departed = [...before.values(), ...departed].filter((slot) => !kept.has(slot) && slot.isOccupied())
      config = next
      if (config.balance !== 'single') writer = null
      else if (writer !== null) enforceWriter()
      queue.recallAll()
      serveQueue()
    },
    fact: (binds) => ({
      fact: 'listener',
      listener: config.name,
      datapath: 'userspace',
      binds: binds.map((bind) => ({ ...bind, why: bind.open ? null : 'waiting for the address' })),
      sessions,
      maximumSessions,
      totalSessions,
      panicking: isPanicking(views(), rulesOf(config)),
      ends: { ...ends },
      servers: [...slots.values()].map((slot) => slot.traffic()),
      detail: { kind: 'userspace', queued: queue.size() },
    }),
    sockets: () => clients.size + sessions,
    stop: () => {
      leaves.stop()
      endAll('stopped', () => true)
    },
  }
}

const rulesOf = ({ balance, all_backups: allBackups, panic_threshold: panicThreshold }: ListenerConfig): Rules => ({
  balance,
  allBackups,
  panicThreshold,
})
