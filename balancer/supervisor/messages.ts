// What the supervisor and its children say to each other over the IPC channel, and the parsers for both ends.

import * as z from 'zod'
import type { BalancerConfig } from '../config/schema.ts'
import { type Millis, millis } from '../core/time.ts'
import { outlineSchema } from '../pool/core/draining.ts'
import { factSchema } from '../pool/core/facts.ts'
import { sessionListSchema } from '../pool/core/session-list.ts'
import { sessionsEndedSchema, sessionsToEndSchema } from '../pool/core/session-order.ts'

const moment = z.number().transform((value): Millis => millis(value))

const factMessage = z.object({ type: z.literal('fact'), fact: factSchema })

/** The parent has parsed the file already; parsing it again would delay a restarted vrrp process. */
const parsedConfig = z.custom<BalancerConfig>((value) => typeof value === 'object' && value !== null)

/** What came of new settings: what changed, or why everything stays as it was. */
const reloadResult = z.object({ ok: z.boolean(), lines: z.array(z.string()).readonly() }).readonly()

/** What an operator can order of a VRRP instance. */
export const routerOrders = ['handover', 'maint', 'ready'] as const
const routerOrder = z.enum(routerOrders)

/** What becomes of instances that a vrrp process before this one had as master; see `Resumption`. */
const resume = z.array(z.object({ instance: z.string(), until: moment, lateUntil: moment })).readonly()

const toChild = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('configure'),
    version: z.string(),
    config: parsedConfig,
    resume,
    facts: z.array(factSchema).readonly(),
    succeeds: z.boolean().default(false),
  }),
  z.object({ type: z.literal('lead'), facts: z.array(factSchema).readonly(), resume }),
  z.object({ type: z.literal('confirmed') }),
  z.object({ type: z.literal('handle'), name: z.string() }),
  z.object({ type: z.literal('hand-over') }),
  z.object({ type: z.literal('step-aside') }),
  z.object({ type: z.literal('go-on') }),
  z.object({ type: z.literal('retire'), until: z.number() }),
  z.object({ type: z.literal('outline'), listeners: outlineSchema }),
  factMessage,
  z.object({ type: z.literal('reconfigure'), id: z.number(), config: parsedConfig }),
  z.object({ type: z.literal('reloaded'), id: z.string(), result: reloadResult }),
  z.object({ type: z.literal('router-order'), id: z.number(), instance: z.string(), order: routerOrder }),
  z.object({ type: z.literal('router-ordered'), id: z.number(), result: reloadResult }),
  z.object({ type: z.literal('end-sessions'), id: z.string(), end: sessionsToEndSchema }),
  z.object({ type: z.literal('session-ordered'), id: z.string(), result: sessionsEndedSchema }),
  z.object({ type: z.literal('list-sessions'), id: z.string() }),
  z.object({ type: z.literal('session-list'), id: z.string(), list: sessionListSchema }),
  z.object({ type: z.literal('stop') }),
])

const fromChild = z.discriminatedUnion('type', [
  z.object({ type: z.literal('alive') }),
  z.object({ type: z.literal('ready') }),
  factMessage,
  z.object({ type: z.literal('failed-start'), text: z.string() }),
  z.object({ type: z.literal('reload-requested'), id: z.string() }),
  z.object({ type: z.literal('reexec-requested'), id: z.string() }),
  z.object({ type: z.literal('handle'), name: z.string() }),
  z.object({ type: z.literal('handed-over') }),
  z.object({ type: z.literal('prepared') }),
  z.object({ type: z.literal('stepped-aside') }),
  z.object({ type: z.literal('reconfigured'), id: z.number(), result: reloadResult }),
  z.object({ type: z.literal('router-order'), id: z.number(), instance: z.string(), order: routerOrder }),
  z.object({ type: z.literal('router-ordered'), id: z.number(), result: reloadResult }),
  z.object({ type: z.literal('session-order'), id: z.string(), end: sessionsToEndSchema }),
  z.object({ type: z.literal('sessions-ended'), id: z.string(), result: sessionsEndedSchema }),
  z.object({ type: z.literal('sessions-asked'), id: z.string() }),
  z.object({ type: z.literal('sessions-listed'), id: z.string(), list: sessionListSchema }),
])

/** What changed, one line each; or, where `ok` is false, why nothing did. */
export type ReloadResult = z.output<typeof reloadResult>

/**
 * From the supervisor to a child. `version` is that of the supervisor; `resume` names the VRRP instances that were master
 * when the vrrp process before this one died just now, until when they may go on, and until when they have to hand over;
 * `facts` is what all processes said last, those of the child's predecessor included. With `succeeds` the program before this
 * one still runs: the vrrp process prepares all, says so, and waits for `lead`; until `confirmed` the other program may go on
 * instead. That one's children `hand-over` the sockets they listen on, the vrrp process steps aside without a word, and may
 * have to `go-on`; at last they `retire`: take nothing new, and end when what they have is over, or at the moment `until`
 * of the system's clock. `outline` tells a process that has retired which listeners and servers there still are.
 */
export type ToChild = z.output<typeof toChild>

/**
 * From a child. `alive` comes every second: who says nothing hangs. `failed-start` ends the whole balancer: its text says
 * what is wrong and what to do. Each `reconfigure` is answered with a `reconfigured`, each `reload-requested` with a
 * `reloaded` of the same `id`, which no other process ever has. A `router-order` of the director is passed on to the vrrp
 * process, and its `router-ordered` back. A `session-order` of the director goes to the forwarders as `end-sessions`, their
 * `sessions-ended` come back as one `session-ordered`; the `id` is like no other. In the same way `sessions-asked` goes as `list-sessions`, and `sessions-listed` as `session-list`. A `reexec-requested` is answered as a reload is. A `handle` comes with a socket.
 */
export type FromChild = z.output<typeof fromChild>

/** See `routerOrders`. */
export type RouterOrder = z.output<typeof routerOrder>

/** A message, or what is wrong with it: its kind and the places, but nothing of its contents, which may be secret. */
export type Read<T> = { readonly ok: true; readonly message: T } | { readonly ok: false; readonly text: string }

/** Reads a message from the supervisor. */
export const parseToChild = (received: unknown): Read<ToChild> => read(toChild, received)

/** Reads a message from a child. */
export const parseFromChild = (received: unknown): Read<FromChild> => read(fromChild, received)

const kinds = new Set([...toChild.options, ...fromChild.options].map((option) => option.shape.type.value))
const kindIn = z.object({ type: z.string() })

const read = <T>(schema: z.ZodType<T>, received: unknown): Read<T> => {
  const parsed = schema.safeParse(received)
  if (parsed.success) return { ok: true, message: parsed.data }
  const kind = kindIn.safeParse(received).data?.type
  const known = [...kinds].find((one) => one === kind)
  const places = parsed.error.issues.map(({ path }) => path.join('.')).slice(0, mostPlaces)
  return { ok: false, text: known === undefined ? 'of a kind nobody knows' : `${known}, wrong at ${places.join(', ')}` }
}

const mostPlaces = 5

const beginning = z.object({ type: z.literal('configure'), version: z.string().catch('another') })

/** The version of the supervisor that a child is to begin with, whatever else stands there; undefined in other messages. */
export const versionIn = (received: unknown): string | undefined => beginning.safeParse(received).data?.version
