// One listener in user space: accepts clients, queues the excess, gives each a server and counts how it ended.

import { createServer, type Socket } from 'node:net'
import type { ListenerConfig } from '../../config/schema.ts'
import { createWaitingListener, type ListenerState } from '../../os/waiting-listener.ts'
import { chooseServer } from '../../pool/core/choice.ts'
import type { ListenerFact } from '../../pool/core/facts.ts'
import type { RoundRobin } from '../../pool/core/round-robin.ts'
import { createServerSlot, type ServerSlot } from './server-slot.ts'
import { connectTo, joinSockets, type SessionEnd, watchForLeaving } from './session.ts'

/** A listener of the proxy worker. `start` throws `FailedStart`. */
export type ProxyListener = {
  readonly start: () => Promise<void>
  readonly addressChanged: (address: string, present: boolean) => void
  readonly markServer: (server: string, up: boolean) => void
  readonly fact: () => ListenerFact
  readonly stop: () => void
}

export type ProxyListenerOptions = {
  readonly config: ListenerConfig
  /** Position in the configuration, for errors. */
  readonly index: number
  readonly isPresent: (address: string) => boolean
  readonly onBindChange: (state: ListenerState) => void
}

/** Why a client got no session. */
type Refusal = 'no-server' | 'connect-failed' | 'queue-full' | 'queue-timeout'

/** A client from its acceptance on. `end` ends it in whatever stage it is: queued, connecting or joined. */
type Client = {
  readonly socket: Socket
  readonly localAddress: string | undefined
  readonly tried: Set<string>
  /** Ends the watch for a client that leaves while it waits. */
  unwatch: () => void
  end: (reason: SessionEnd) => void
}

const noBytes = () => ({ in: 0, out: 0 })

/** Makes a listener whose servers are all down until health facts say otherwise. */
export const createProxyListener = ({
  config,
  index,
  isPresent,
  onBindChange,
}: ProxyListenerOptions): ProxyListener => {
  const { max_connections: limit, timeouts } = config
  const slots = new Map(config.servers.map((server) => [server.name, createServerSlot(server)]))
  const clients = new Set<Client>()
  const queue = new Map<Client, NodeJS.Timeout>()
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
      unwatch: watchForLeaving(socket, () => client.end('client-left')),
      end: (reason) => refuse(client, reason),
    }
    clients.add(client)
    socket.setNoDelay(true)
    if (queue.size > 0 || !place(client)) enqueue(client)
  }

  const enqueue = (client: Client): void => {
    if (queue.size >= limit) {
      refuse(client, 'queue-full')
      return
    }
    queue.set(
      client,
      setTimeout(() => refuse(client, 'queue-timeout'), timeouts.queue),
    )
  }
  const leaveQueue = (client: Client): void => {
    clearTimeout(queue.get(client))
    queue.delete(client)
  }
  const serveQueue = (): void => {
    for (const client of queue.keys()) if (!place(client)) return
  }

  /** Finds a server for a client, or turns it away; false when it has to wait for room. */
  const place = (client: Client): boolean => {
    if (sessions >= limit) return false
    const views = [...slots.values()].map((slot) => slot.view())
    const choice = chooseServer(roundRobin, views, client.tried)
    if (choice.kind === 'full') return false
    leaveQueue(client)
    const slot = choice.kind === 'server' ? slots.get(choice.server.name) : undefined
    if (choice.kind === 'none-up' || slot === undefined) {
      refuse(client, client.tried.size > 0 ? 'connect-failed' : 'no-server')
      return true
    }
    roundRobin = choice.state
    void connectClient(client, slot)
    return true
  }

  const connectClient = async (client: Client, slot: ServerSlot): Promise<void> => {
    sessions += 1
    maximumSessions = Math.max(maximumSessions, sessions)
    client.tried.add(slot.name)
    const attempt = connectTo(slot.address, timeouts.connect)
    const leave = slot.enter({ serverDown: attempt.abort, bytes: noBytes })
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
      slot.countConnectFailure(config.redispatch)
      if (!config.redispatch) refuse(client, 'connect-failed')
      else if (!place(client)) enqueue(client)
    }
    serveQueue()
  }

  const join = (client: Client, server: Socket, slot: ServerSlot): void => {
    client.unwatch()
    const session = joinSockets(client.socket, server, timeouts, (reason) => {
      leave()
      forget(client, reason)
      sessions -= 1
      serveQueue()
    })
    const serverDown = (): void => {
      if (config.on_marked_down === 'shutdown_sessions') session.end('server-down')
    }
    const leave = slot.enter({ serverDown, bytes: session.bytes })
    slot.countSession()
    client.end = session.end
  }

  const endAll = (reason: SessionEnd, concerned: (client: Client) => boolean): void => {
    for (const client of [...clients].filter(concerned)) client.end(reason)
  }

  const binds = config.bind.map((endpoint, i) =>
    createWaitingListener({
      endpoint,
      server: createServer({ allowHalfOpen: true }, accept),
      key: `listeners[${index}].bind[${i}]`,
      isPresent,
      onChange: onBindChange,
    }),
  )

  return {
    start: async () => void (await Promise.all(binds.map((bind) => bind.start()))),
    addressChanged: (address, present) => {
      for (const bind of binds) bind.addressChanged(address, present)
      // Nothing reaches these clients any more: let the servers know rather than wait for their timeouts.
      if (!present) endAll('address-left', (client) => client.localAddress === address)
    },
    markServer: (server, up) => {
      slots.get(server)?.mark(up)
      serveQueue()
    },
    fact: () => ({
      fact: 'listener',
      listener: config.name,
      binds: binds.map((bind) => bind.state()),
      sessions,
      maximumSessions,
      totalSessions,
      queued: queue.size,
      ends: { ...ends },
      servers: [...slots.values()].map((slot) => slot.traffic()),
    }),
    stop: () => {
      for (const bind of binds) bind.stop()
      endAll('stopped', () => true)
    },
  }
}
