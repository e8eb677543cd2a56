// What a behaviour of a listener is, and what it has to work with. One table of them is run over every datapath.

import type { Test } from 'tap'
import type { Datapath } from '../../../balancer/core/forwarders.ts'
import { type Ability, capabilities } from '../../../balancer/datapath/core/capabilities.ts'
import type { Client } from './client.ts'
import type { ShownListener, ShownServer } from './shown.ts'
import type { StandIn } from './stand-in.ts'

/** A listener as it is written. */
export type Keys = { readonly name: string; readonly [key: string]: unknown }

/** Where a client connects to, if not to the first bind, and from which of its addresses. */
export type Road = { readonly bind?: number; readonly from?: number; readonly port?: number }

/** A listener of its own on a balancer that runs, its servers, and its clients. */
export type Stage = {
  readonly datapath: Datapath
  /** What the datapath makes of a key, or of a value of it. */
  readonly can: (key: string, value?: string) => Ability['can']
  readonly keys: Keys
  readonly server: (name: string) => StandIn
  readonly open: (road?: Road) => Promise<Client>
  /** Opens as many, one after the other. */
  readonly hold: (count: number, road?: Road) => Promise<readonly Client[]>
  /** Whether servers take turns, and not a hash of the client's port decides. */
  readonly takesTurns: boolean
  /** Opens clients until so many of each server are there; those over leave. Where servers take turns there are none over. */
  readonly holdEach: (counts: Readonly<Record<string, number>>, road?: Road) => Promise<readonly Client[]>
  /** Which servers as many clients get, one after the other; each leaves before the next comes. */
  readonly spread: (count: number, road?: Road) => Promise<Readonly<Record<string, number>>>
  /** Waits until clients are spread like this; where a hash decides, until many are about as these few. */
  readonly untilSpread: (expected: Readonly<Record<string, number>>, road?: Road) => Promise<void>
  readonly show: () => Promise<ShownListener>
  readonly showServer: (name: string) => Promise<ShownServer>
  /** Waits until `show` has this word for a server. */
  readonly untilStatus: (name: string, status: string) => Promise<void>
  /** What an operator is answered on the runtime socket. */
  readonly ask: (command: string) => Promise<string>
  /** A document of the balancer over HTTP, by its path. */
  readonly document: (path: string) => Promise<string>
  /** An order of an operator: `ready`, `drain`, `maint` or `weight N`. */
  readonly order: (server: string, words: string) => Promise<void>
  /** Has other listeners in the place of this one, by a reload. Returns what the reload said. */
  readonly become: (...listeners: readonly Keys[]) => Promise<string>
  /** A server of the same host that is in no configuration yet, and its entry in one. */
  readonly addServer: (name: string) => Promise<{ readonly standIn: StandIn; readonly keys: object }>
  /** A port of the listener's first address that nothing else uses; see `spares`. */
  readonly freePort: () => number
}

/** One behaviour. */
export type Behaviour = {
  /** The name of its listener. */
  readonly name: string
  /** A sentence. */
  readonly title: string
  /** The rows of capabilities.ts that it is about: `key`, or `key value`. */
  readonly about: readonly string[]
  readonly servers: readonly string[]
  readonly family?: 'ipv4' | 'ipv6'
  /** How many addresses its listener has; 1 unless given. */
  readonly binds?: number
  /** How many more ports of the first address its servers are prepared for; 0 unless given. */
  readonly spares?: number
  /** A row of capabilities.ts without which it is none: a datapath that cannot do this is asked in refusals.ts. */
  readonly needs?: string
  /** Keys of the listener. */
  readonly keys?: (can: Stage['can']) => object
  /** Keys of one of its servers. */
  readonly serverKeys?: (name: string) => object
  readonly see: (t: Test, stage: Stage) => Promise<void>
}

/** What a row of capabilities.ts is called here. */
export const rowName = ({ key, value }: { readonly key: string; readonly value: string | null }): string =>
  value === null ? key : `${key} ${value}`

/** What a datapath makes of a row. */
export const abilityOf = (datapath: Datapath, name: string): Ability => {
  const row = capabilities.find((one) => rowName(one) === name)
  if (row === undefined) throw new Error(`capabilities.ts has no row "${name}"`)
  return row.abilities[datapath]
}

/** Who finds no room is turned away soon, by every datapath. */
export const shortQueue = (can: Stage['can']): object =>
  can('timeouts.queue') === 'no' ? {} : { timeouts: { queue: '100ms' } }
