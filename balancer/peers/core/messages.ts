// What balancers say to each other: one JSON object a line. It comes from outside, whoever has the key: parsed strictly, and
// what is not understood changes nothing.

import * as z from 'zod'
import { addressBytes, addressText } from '../../core/ip-address.ts'
import { millis } from '../../core/time.ts'
import type { SlotTable } from '../../pool/core/slot-table.ts'

/** The form of what is said here; another one is not spoken with. */
export const protocol = 1

/**
 * A listener with `datapath: direct`: its slots as they are, and the servers that are configured. `established`: the slots by which it
 * finds sessions that it has never seen, where those are others than the slots of new ones.
 */
export type PeerTable = {
  readonly table: SlotTable
  readonly established?: SlotTable | undefined
  readonly servers: readonly string[]
}

/** The longest line: two tables of a listener with 1,000 servers with long names stay below it. */
export const longestLine = 512 * 1024
/** Sessions in one line. */
export const sessionsInLine = 250

const mostListeners = 100
const mostServers = 1000
const name = z.string().regex(/^[A-Za-z0-9_.:-]{1,64}$/)
const number = z.number().int().min(0).max(0xffff_ffff)
/** An idle timeout has at most 24 days (Node's timers), and so has what is told of one. */
const duration = z
  .number()
  .int()
  .min(0)
  .max(0x7fff_ffff)
  .transform((value) => millis(value))

const ipv4Endpoint = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|(?=:))){4}:([1-9]\d{0,4})$/
const ipv6Endpoint = /^\[([0-9a-f:]{2,39}(?:[0-9.]{7,15})?)\]:([1-9]\d{0,4})$/

/** Whether it is an address and a port in their one text (RFC 5952 section 6). */
export const isEndpointText = (text: string): boolean => {
  const port = ipv4Endpoint.exec(text)?.[1]
  if (port !== undefined) return Number(port) <= 65_535
  const [, address = '', ipv6Port] = ipv6Endpoint.exec(text) ?? []
  if (ipv6Port === undefined || Number(ipv6Port) > 65_535) return false
  const bytes = addressBytes(address)
  const isWhole = bytes.length === 16 && bytes.every((byte) => byte >= 0 && byte <= 255)
  return isWhole && addressText(bytes) === address
}
const endpoint = z.string().max(60).refine(isEndpointText)

const slots = z.object({
  listener: name,
  hash: z.enum(['session', 'source']),
  seed: number,
  slotCount: z.number().int().min(1).max(65_536),
  targets: z
    .array(z.object({ server: name, weight: z.number().min(0).max(1_000_000) }).readonly())
    .max(mostServers)
    .readonly(),
})

const messages = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    protocol: z.literal(protocol),
    routerId: name,
    instance: z.string().regex(/^[0-9a-f]{16,64}$/),
    listeners: z.array(name).max(mostListeners).readonly(),
  }),
  z.object({
    type: z.literal('table'),
    table: slots,
    established: slots.optional(),
    servers: z.array(name).max(mostServers).readonly(),
  }),
  z.object({
    type: z.literal('told'),
    listener: name,
    bind: endpoint,
    sessions: z
      .array(z.tuple([endpoint, name, duration, duration]).readonly())
      .max(sessionsInLine)
      .readonly(),
  }),
  z.object({
    type: z.literal('gone'),
    listener: name,
    bind: endpoint,
    clients: z.array(endpoint).max(sessionsInLine).readonly(),
    /** An earlier version does not say it. */
    idle: z.array(duration.nullable()).max(sessionsInLine).readonly().optional(),
  }),
  z.object({ type: z.literal('synced') }),
  z.object({ type: z.literal('beat'), holds: z.array(z.string().max(60)).max(mostListeners).readonly().optional() }),
  z.object({ type: z.literal('bye'), why: z.string().max(200) }),
])

/**
 * One line. `hello` comes first and whenever other listeners are direct; a `table` for each of them follows, and whenever one
 * changes. `told` are exceptions: client, server, milliseconds since it was heard, its idle timeout. `gone` takes some back, `idle` is how
 * long ago their clients said goodbye or they were ended, null where that was not seen. `synced`:
 * all exceptions against the tables of the receiver have been told once. `beat`: nothing else to say; `holds` are the
 * addresses that VRRP moves and that are there now. `bye`: the connection ends.
 */
export type PeerMessage = z.output<typeof messages>
export type Hello = Extract<PeerMessage, { type: 'hello' }>
export type SessionMessage = Extract<PeerMessage, { type: 'told' | 'gone' }>

const known: ReadonlySet<unknown> = new Set(messages.options.map(({ shape }) => [...shape.type.values][0]))

/** A message, or the reason why a line is none. */
export type ParsedLine =
  | { readonly ok: true; readonly message: PeerMessage }
  | { readonly ok: false; readonly reason: 'not-json' | 'unknown-type' | 'other-protocol' | 'wrong-shape' }

const form = z.object({ type: z.unknown(), protocol: z.unknown().optional() })

/** Reads one line. Never throws. */
export const parseLine = (line: string): ParsedLine => {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return { ok: false, reason: 'not-json' }
  }
  const parsed = messages.safeParse(value)
  if (parsed.success) return { ok: true, message: parsed.data }
  const { type, protocol: spoken } = form.catch({ type: null }).parse(value)
  if (type === 'hello' && spoken !== protocol) return { ok: false, reason: 'other-protocol' }
  return { ok: false, reason: typeof type === 'string' && !known.has(type) ? 'unknown-type' : 'wrong-shape' }
}

/** A message as a line, with its end. */
export const lineOf = (message: PeerMessage): string => `${JSON.stringify(message)}\n`
