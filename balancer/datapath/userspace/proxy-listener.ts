// One listener in user space: accepts clients, queues the excess, gives each a server and counts how it ended.

import type { Socket } from 'node:net'
import type { ListenerConfig } from '../../config/schema.ts'
import { endpointText, plainAddress } from '../../core/endpoint.ts'
import { isBarred, type Shortage, type ShortageReason, shortageReason } from '../../core/shortage.ts'
import type { ListenerState } from '../../os/waiting-listener.ts'
import type { ListenerFact, ServerHealthFact } from '../../pool/core/facts.ts'
import type { ListedSession } from '../../pool/core/session-list.ts'
import type { SessionsEnded, SessionsToEnd } from '../../pool/core/session-order.ts'
import { createAdmission, type Denial } from '../core/admission.ts'
import type { RoundRobin } from '../core/round-robin.ts'
import { chooseServer } from './core/choice.ts'
import type { ServerSlot } from './server-slot.ts'
import { createServers } from './servers.ts'
import { aborted, connectTo, joinSockets, type SessionEnd, shortageIn, timedOut, watchForLeaving } from './session.ts'
import {
  beginTrace,
  type EndedSession,
  listedOf,
  recordOf,
  type SessionTrace,
  serverOf,
  traceAttempt,
  traceFailure,
  traceJoined,
} from './session-trace.ts'
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
  /** Ends for an operator what a server or a client has of this listener. Another listener's server has nothing here. */
  readonly endSessions: (end: SessionsToEnd) => SessionsEnded['ended']
  /** Tells of each client, in the order in which they came. */
  readonly list: (tell: (session: () => ListedSession) => void) => void
  readonly fact: (binds: readonly ListenerState[]) => ListenerFact
  /** Sockets of clients, and towards servers. */
  readonly sockets: () => number
  readonly clients: () => number
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
  /** Is told of each client that has ended, served or not. `record` makes what is to be said of it. */
  readonly onEnded: (record: () => EndedSession) => void
}

/** Why a client got no session. */
type Refusal = 'no-server' | 'connect-failed' | 'queue-full' | 'queue-timeout' | Denial | ShortageReason

/**
 * A client from its acceptance on. `tried` are servers that did not accept it since it last began anew, which `retries`
 * counts. `waitUntil` is the end of its first wait and of all later ones. `end` ends it in whatever stage it is: queued,
 * connecting or joined.
 */
type Client = {
  readonly socket: Socket
  readonly trace: SessionTrace
  readonly localAddress: string
  readonly localPort: number
  readonly tried: Set<string>
  retries: number
  /** The server of the last attempt that failed, and when a server that failed may be tried again. */
  failed: { readonly slot: ServerSlot; readonly retryAt: number } | null
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
  const clients = new Set<Client>()
  const ends: Partial<Record<SessionEnd | Refusal, number>> = {}
  const admission = createAdmission(config.access)
  let roundRobin: RoundRobin = new Map()
  let sessions = 0
  let maximumSessions = 0
  let totalSessions = 0
  let maximumQueued = 0

  const forget = (client: Client, reason: SessionEnd | Refusal): void => {
    const counts = { listener: clients.size, placed: sessions }
    options.onEnded(() => recordOf(client.trace, config.name, reason, counts))
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
    const client: Client = {
      socket,
      trace: beginTrace(socket),
      localAddress: plainAddress(socket.localAddress),
      localPort: socket.localPort ?? 0,
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
    const denial = admission.admit(client.trace.client.address, performance.now())
    if (denial !== null) {
      refuse(client, denial)
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
    if (client.trace.attempts === 0) client.trace.position = queue.size() + 1
    queue.add(client, { until: client.waitUntil, retryAt })
    maximumQueued = Math.max(maximumQueued, queue.size())
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
    return choose(client).kind === 'none-up' && !servers.isHandingOver() ? 'no-server' : 'queue-timeout'
  }
  const servers = createServers({
    config,
    onReopened: (name) => {
      for (const client of queue.all()) client.tried.delete(name)
    },
  })
  const serveQueue = (): void => {
    for (const client of queue.ready()) {
      const placed = place(client)
      if (placed === 'nobody') return
      if (placed === 'paused') queue.setAside(client)
    }
  }

  const choose = (client: Client) => {
    const { failed, tried } = client
    // A single writer has no other beside it: whoever is the writer now.
    const isBound =
      failed !== null && !config.redispatch && config.balance !== 'single' && servers.slots().includes(failed.slot)
    const only = isBound ? failed.slot.place().server : null
    const asking = { client: client.trace.client.address, tried, only, random: Math.random }
    return { isBound, ...chooseServer(roundRobin, servers.candidates(), config.balance, asking) }
  }

  /**
   * Finds a server for a client, or turns it away. Else it has to wait: with `paused` until its retry or until servers change,
   * and with `nobody` all others have to, too.
   */
  const place = (client: Client): 'settled' | 'waits' | 'paused' | 'nobody' => {
    if (sessions >= config.max_connections || servers.isHandingOver()) return 'nobody'
    const choice = choose(client)
    switch (choice.kind) {
      case 'server':
        queue.remove(client)
        roundRobin = choice.state
        void connectClient(client, choice.server.slot)
        return 'settled'
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
    client.failed?.slot.countNextAttempt(slot)
    traceAttempt(client.trace, slot)
    const attempt = connectTo(slot.place().address, config.timeouts.connect, client.socket)
    const leave = slot.enter({ isConnecting: true, end: attempt.abort, bytes: noBytes })
    client.end = (reason) => {
      refuse(client, reason)
      attempt.abort()
    }
    const connected = await attempt.result
    leave()
    if (clients.has(client) && connected.ok) return join(client, connected.socket, slot)
    sessions -= 1
    traceFailure(client.trace, !connected.ok && connected.reason === timedOut)
    client.end = (reason) => refuse(client, reason)
    if (connected.ok) {
      connected.socket.destroy()
    } else if (clients.has(client)) {
      if (connected.reason !== aborted) {
        const retryAt = startedAt + Math.min(config.timeouts.connect, longestPause)
        client.tried.add(slot.place().server)
        client.failed = { slot, retryAt }
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
      forget(client, reason)
      leave()
      sessions -= 1
      serveQueue()
    })
    const leave = slot.enter({ isConnecting: false, end: session.end, bytes: session.bytes })
    slot.countSession()
    traceJoined(client.trace, session.bytes)
    client.end = session.end
  }

  /** Servers are others, or in another state: whoever waits may have one now. */
  const serveAnew = (): void => {
    queue.recallAll()
    serveQueue()
  }
  const endAll = (reason: SessionEnd, concerned: (client: Client) => boolean): void => {
    for (const client of [...clients].filter(concerned)) client.end(reason)
  }
  const endOfClient = (isMeant: (client: SessionTrace['client']) => boolean): SessionsEnded['ended'] => {
    const meant = [...clients].filter(({ trace }) => isMeant(trace.client))
    const ended = meant.map(({ trace }) => ({ listener: config.name, server: serverOf(trace), sessions: 1 }))
    for (const client of meant) client.end('ordered')
    return ended
  }

  return {
    accept,
    addressLeft: (address) => endAll('address-left', (client) => client.localAddress === address),
    hear: (fact) => {
      servers.hear(fact)
      serveAnew()
    },
    setWriter: (server) => {
      servers.setWriter(server)
      serveAnew()
    },
    reconfigure: (next) => {
      config = next
      admission.reconfigure(next.access)
      servers.reconfigure(next)
      serveAnew()
    },
    endSessions: (end) => {
      if (end.by === 'client') {
        return endOfClient(({ address, port }) => address === end.address && (end.port ?? port) === port)
      }
      if (end.listener !== config.name) return []
      return [{ listener: config.name, server: end.server, sessions: servers.endSessions(end.server) }]
    },
    list: (tell) => {
      for (const { trace, localAddress, localPort } of clients) {
        const bind = endpointText({ address: localAddress, port: localPort })
        tell(() => listedOf(trace, config.name, bind))
      }
    },
    fact: (binds) => ({
      fact: 'listener',
      listener: config.name,
      datapath: 'userspace',
      binds: binds.map((bind) => ({ ...bind, why: bind.open ? null : 'waiting for the address' })),
      sessions,
      maximumSessions,
      totalSessions,
      panicking: servers.isPanicking(),
      ends: { ...ends },
      servers: servers.slots().map((slot) => slot.traffic()),
      findings: [],
      detail: { kind: 'userspace', queued: queue.size(), maximumQueued },
    }),
    sockets: () => clients.size + sessions,
    clients: () => clients.size,
    stop: () => {
      servers.stop()
      endAll('stopped', () => true)
    },
  }
}
