// The pool: the newest fact about every virtual router, server, writer and listener of this host.

import type {
  DrainingFact,
  Fact,
  HostFact,
  ListenerFact,
  PeersFact,
  ServerHealthFact,
  VirtualRouterFact,
  WriterFact,
} from './facts.ts'
import { takesSessions } from './server-state.ts'

/** All that one balancer knows, by name of its subject. */
export type Pool = {
  readonly routers: ReadonlyMap<string, VirtualRouterFact>
  readonly servers: ReadonlyMap<string, ServerHealthFact>
  readonly writers: ReadonlyMap<string, WriterFact>
  readonly listeners: ReadonlyMap<string, ListenerFact>
  /** Workers of earlier programs, by process id. */
  readonly draining: ReadonlyMap<number, DrainingFact>
  /** The other balancers; null before a forwarder has told of them. */
  readonly peers: () => PeersFact | null
  /** What is wrong with this host, by who has found it. */
  readonly host: ReadonlyMap<string, HostFact>
}

/** A pool that hears facts. A thousand of them a second leave no time to copy it for each. */
export type LivePool = Pool & {
  readonly hear: (fact: Fact) => void
  /** Forgets what a reload took away: subjects (see `subjectOf`) that the predicate does not want. */
  readonly keep: (wanted: (subject: string) => boolean) => void
}

/** Makes a pool that knows these facts. */
export const createPool = (facts: readonly Fact[] = []): LivePool => {
  const routers = new Map<string, VirtualRouterFact>()
  const servers = new Map<string, ServerHealthFact>()
  const writers = new Map<string, WriterFact>()
  const listeners = new Map<string, ListenerFact>()
  const draining = new Map<number, DrainingFact>()
  const host = new Map<string, HostFact>()
  let peers: PeersFact | null = null
  const hear = (fact: Fact): void => {
    switch (fact.fact) {
      case 'virtual-router':
        routers.set(fact.name, fact)
        return
      case 'server-health':
        servers.set(serverKey(fact.listener, fact.server), fact)
        return
      case 'writer':
        writers.set(fact.listener, fact)
        return
      case 'listener':
        listeners.set(fact.listener, fact)
        return
      case 'draining':
        if (fact.isOver) draining.delete(fact.worker)
        else draining.set(fact.worker, fact)
        return
      case 'peers':
        peers = fact
        return
      case 'host':
        host.set(fact.of, fact)
        return
      case 'heartbeat':
      case 'process':
        // They matter to VRRP's tracking alone.
        return
      default:
        fact satisfies never
    }
  }
  const keep = (wanted: (subject: string) => boolean): void => {
    if (peers !== null && !wanted(subjectOf(peers))) peers = null
    for (const known of [routers, servers, writers, listeners]) {
      for (const [name, fact] of known) if (!wanted(subjectOf(fact))) known.delete(name)
    }
  }
  facts.forEach(hear)
  return { routers, servers, writers, listeners, draining, peers: () => peers, host, hear, keep }
}

/** `listener/server`, as operators and commands write it. */
export const serverKey = (listener: string, server: string): string => `${listener}/${server}`

/** What a fact is about; a newer fact with the same subject replaces the older one. */
export const subjectOf = (fact: Fact): string => {
  switch (fact.fact) {
    case 'virtual-router':
      return `virtual-router ${fact.name}`
    case 'server-health':
      return `server-health ${serverKey(fact.listener, fact.server)}`
    case 'writer':
      return `writer ${fact.listener}`
    case 'listener':
      return `listener ${fact.listener}`
    case 'draining':
      return `draining ${fact.worker}`
    case 'peers':
      return 'peers'
    case 'host':
      return `host ${fact.of}`
    case 'heartbeat':
      return `heartbeat ${fact.process}`
    case 'process':
      return `process ${fact.process}`
    default:
      return fact satisfies never
  }
}

/** How many servers of a listener take new sessions. */
export const usableServers = (pool: Pool, listener: string): { readonly active: number; readonly backup: number } => {
  const usable = [...pool.servers.values()].filter((server) => server.listener === listener && takesSessions(server))
  const backup = usable.filter((server) => server.backup).length
  return { active: usable.length - backup, backup }
}
