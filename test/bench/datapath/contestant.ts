// What is compared: a way to give the clients of one address several servers. Each stands in a file of its own.

import type { Host } from '../../lab/host.ts'

/** A server behind a contestant. Its share of new sessions is its weight by the sum of all. */
export type Server = { readonly name: string; readonly address: string; readonly port: number; readonly weight: number }

/** An operator's order for a server: no new sessions, out altogether, in again, and its weight. */
export type Order = 'drain' | 'maint' | 'ready' | { readonly weight: number }

/** Where a contestant runs, and for whom. */
export type Site = {
  /** The host of this contestant alone; clients and servers are on its network. */
  readonly host: Host
  /** Another address for clients, on nobody yet: for those whose servers answer clients themselves. */
  readonly virtualAddress: string
  /** For its files. */
  readonly directory: string
  /** The hosts on which the servers run. */
  readonly databases: readonly Host[]
  readonly servers: readonly Server[]
  readonly port: number
  /** Servers are checked here, by connecting; one bad check takes a server out, a good one brings it back. */
  readonly checkPort: number
  /** Between two checks of a server, in milliseconds. */
  readonly checkInterval: number
}

/** A contestant at work. */
export type Running = {
  /** Where clients connect, in turn, at the port of the site. */
  readonly addresses: readonly string[]
  /** Gives the order and returns when it is taken: false if it knows no such order. Null where nobody takes any. */
  readonly order: ((server: Server, order: Order) => Promise<boolean>) | null
  /** Whether it checks the servers. */
  readonly checks: boolean
  /** Ends it. The host is then as it was. */
  readonly stop: () => Promise<void>
}

/** One contestant. */
export type Contestant = {
  readonly title: string
  /** Whether it is somebody who balances: what it costs is told beyond what going without costs. */
  readonly isBalancer: boolean
  /** Where its servers may be: behind a router too, or on the link alone, known by their Ethernet addresses. */
  readonly reaches: 'anywhere' | 'link'
  /** Debian's package that it is, if it is one, and the program to look for. */
  readonly needs: { readonly program: string; readonly debianPackage: string } | null
  /** Why this build or host cannot run it; null if it can. */
  readonly refuses: (site: Site) => Promise<string | null>
  /** Starts it; it serves, and knows all servers to be up, when this returns. */
  readonly start: (site: Site) => Promise<Running>
}
