// What two programs say to each other while one replaces the other. They are of different versions: a later one must read
// what an earlier one sent. So every message is tolerant of what it does not know, and kinds nobody knows are passed over.

import * as z from 'zod'
import { outlineSchema } from '../pool/core/draining.ts'
import { type Fact, factSchema } from '../pool/core/facts.ts'
import { sessionsEndedSchema, sessionsToEndSchema } from '../pool/core/session-order.ts'
import { processRoles } from './core/processes.ts'

/** The form of what is handed over. A program refuses to succeed one whose form it does not know. */
export const successionFormat = 1

/** A fact of another version is one, or is left out. */
const facts = z
  .array(z.unknown())
  .transform((all): readonly Fact[] => all.flatMap((one) => factSchema.safeParse(one).data ?? []))
const lines = z.array(z.string()).readonly()
const pids = z.array(z.number().int().positive()).readonly()

const successionMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('succeed'), format: z.number(), version: z.string(), file: z.string(), text: z.string() }),
  z.object({ type: z.literal('loaded'), version: z.string(), pids }),
  z.object({ type: z.literal('handle'), of: z.enum(processRoles), name: z.string() }),
  z.object({ type: z.literal('begin'), facts }),
  z.object({ type: z.literal('prepared') }),
  z.object({ type: z.literal('lead'), facts, at: z.number() }),
  z.object({ type: z.literal('leads') }),
  z.object({ type: z.literal('confirmed') }),
  z.object({ type: z.literal('refused'), lines }),
  z.object({ type: z.literal('fact'), fact: factSchema }),
  z.object({ type: z.literal('outline'), listeners: outlineSchema }),
  z.object({ type: z.literal('end-sessions'), id: z.string(), end: sessionsToEndSchema }),
  z.object({ type: z.literal('sessions-ended'), id: z.string(), worker: z.number(), result: sessionsEndedSchema }),
  z.object({ type: z.literal('start-candidate') }),
  z.object({ type: z.literal('end-candidate'), pids }),
  z.object({ type: z.literal('candidate-ended'), reason: z.string() }),
  z.object({ type: z.literal('commit') }),
  z.object({ type: z.literal('service'), text: z.string() }),
  z.object({ type: z.literal('drained') }),
  z.object({ type: z.literal('stop') }),
  z.object({ type: z.literal('root-leaves') }),
])

/**
 * From the running program to the candidate: `succeed` with the text of the configuration that runs, `handle` with a socket
 * that a process listens on, `begin` with all facts, `lead` with those about virtual routers and the moment of CLOCK_MONOTONIC
 * at which the vrrp process stepped aside, `confirmed` when there is no way back. From the candidate: `loaded` with the processes to kill
 * where it fails, `prepared`, `leads`, or `refused`. Between the running program and those that keep sessions of their own:
 * `fact` both ways, `outline`, and an operator's `end-sessions`, which each answers with `sessions-ended`. The rest is between each of them and the root; see generations.ts.
 */
export type SuccessionMessage = z.input<typeof successionMessage>
/** The same, read. */
export type SuccessionHeard = z.output<typeof successionMessage>

/** Reads a message; undefined for one that this version does not know. */
export const readSuccession = (received: unknown): SuccessionHeard | undefined =>
  successionMessage.safeParse(received).data

/** Who a message goes to. */
export const addressees = ['active', 'candidate', 'keepers', 'root'] as const
export type Addressee = (typeof addressees)[number]
/** Who it came from. */
const senders = ['active', 'candidate', 'keeper', 'root'] as const
export type Sender = (typeof senders)[number]

/** A message to the root, which passes it on without understanding it. */
export const envelopeSchema = z.object({ to: z.enum(addressees), message: z.unknown() })
/** A message from the root, its own or passed on. */
export const deliverySchema = z.object({ from: z.enum(senders), message: z.unknown() })
