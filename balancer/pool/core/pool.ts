// The pool: the newest fact about every virtual router, server and listener of this host.

import type { Fact, ListenerFact, ServerHealthFact, VirtualRouterFact } from './facts.ts'

/** All that one balancer knows, by name of its subject. */
export type Pool = {
  readonly routers: ReadonlyMap<string, VirtualRouterFact>
  readonly servers: ReadonlyMap<string, ServerHealthFact>
  readonly listeners: ReadonlyMap<string, ListenerFact>
}

/** Nothing is known yet. */
export const emptyPool: Pool = { routers: new Map(), servers: new Map(), listeners: new Map() }

/** `listener/server`, as operators and commands write it. */
export const serverKey = (listener: string, server: string): string => `${listener}/${server}`

/** The pool after a fact. */
export const withFact = (pool: Pool, fact: Fact): Pool => {
  switch (fact.fact) {
    case 'virtual-router':
      return { ...pool, routers: new Map(pool.routers).set(fact.name, fact) }
    case 'server-health':
      return { ...pool, servers: new Map(pool.servers).set(serverKey(fact.listener, fact.server), fact) }
    case 'listener':
      return { ...pool, listeners: new Map(pool.listeners).set(fact.listener, fact) }
    default:
      return fact satisfies never
  }
}

/** What a fact is about; a newer fact with the same subject replaces the older one. */
export const subjectOf = (fact: Fact): string => {
  switch (fact.fact) {
    case 'virtual-router':
      return `virtual-router ${fact.name}`
    case 'server-health':
      return `server-health ${serverKey(fact.listener, fact.server)}`
    case 'listener':
      return `listener ${fact.listener}`
    default:
      return fact satisfies never
  }
}

/** Servers of a listener that are up. */
export const serversUp = (pool: Pool, listener: string): number =>
  [...pool.servers.values()].filter((server) => server.listener === listener && server.up).length
