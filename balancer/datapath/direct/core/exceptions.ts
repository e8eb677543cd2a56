// Sessions that are not where slots would send them: what other balancers have to know, and what they tell.

import type { Endpoint } from '../../../core/endpoint.ts'
import type { Millis } from '../../../core/time.ts'
import type { SessionException } from '../../../pool/core/session-exception.ts'
import { type SlotTable, slotsOf } from '../../../pool/core/slot-table.ts'
import type { FlowException, NumberedSlots } from './flow-book.ts'

/** The slots of a table with numbers of the own listener in the place of names; 0 for a server that it does not have. */
export const numberedSlots = (table: SlotTable, numberOf: (server: string) => number | undefined): NumberedSlots => {
  const numbers = new Map(table.targets.map(({ server }) => [server, numberOf(server) ?? 0]))
  const { hash, seed, slotCount } = table
  return { hash, seed, slotCount, numbers: slotsOf(table).map((server) => numbers.get(server) ?? 0) }
}

/** What is told of a session of a bind; null where nobody knows the server by name, or the client by its key. */
export const toldException = (
  { number, idle, timeout }: Pick<FlowException, 'number' | 'idle' | 'timeout'>,
  place: { readonly listener: string; readonly bind: string; readonly client: string | undefined },
  serverOf: (number: number) => string | undefined,
): SessionException | null => {
  const server = serverOf(number)
  const { listener, bind, client } = place
  return server === undefined || client === undefined ? null : { listener, bind, client, server, idle, timeout }
}

/** What was told, and when it is over if its client says nothing more: a moment of the caller's clock. */
export type Told = { readonly number: number; readonly until: number }

/** Ticks of the kernel, and the way of a message. */
const tolerance = 1000

/** Whether a session that another balancer has told, and takes back, has been heard of here since then. */
export const isHeardSince = (flow: { readonly number: number; readonly expiresAt: number }, told: Told): boolean =>
  flow.number !== told.number || flow.expiresAt > told.until + tolerance

/** When it is over, for a session that was told at `at`. */
export const endOfTold = (at: number, idle: Millis, timeout: Millis): number => at + timeout - idle

/** The client in a text like `10.1.6.20:40000` or `[2001:db8::1]:40000`; null where it is none. */
export const endpointIn = (text: string): Endpoint | null => {
  const [, bracketed, plain, port] = /^(?:\[([\da-f:.]+)\]|([\d.]+)):(\d+)$/.exec(text) ?? []
  const address = bracketed ?? plain
  return address === undefined ? null : { address, port: Number(port) }
}
