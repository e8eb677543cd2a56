// What a test and its tracker in a lab say to each other.

import type { ListenerCount, ServerCount } from '../../../../balancer/datapath/kernel/core/session-counts.ts'

/** The marks of a listener and of its servers. */
export const ownMarks = { value: 0xb1000000, mask: 0xff000000 }
export const listenerMask = 0xffffc000
export const markOf = (server: number): number => 0xb1004000 + server

export type Order =
  | { readonly do: 'count' | 'recount' }
  | { readonly do: 'end' | 'end-attempts'; readonly mark: number }
  /** The sessions of clients with these ports. */
  | { readonly do: 'end'; readonly ports: readonly number[] }
  | { readonly do: 'set-timeouts'; readonly seconds: number }
  | { readonly do: 'stall'; readonly millis: number }

export type CountsMessage = {
  readonly result: number
  readonly servers: readonly ServerCount[]
  readonly listeners: readonly ListenerCount[]
  /** Sessions that closed, with their client, duration and bytes. */
  readonly recorded: number
  readonly overruns: number
  readonly cpuMillis: number
  readonly memory: number
}
