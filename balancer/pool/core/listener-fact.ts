// What a forwarder tells of a listener, whatever its datapath.

import * as z from 'zod'
import { datapaths } from '../../core/forwarders.ts'

/** A number that a datapath may not know: null. */
const count = z.number().nullable()

const bindState = z.object({ address: z.string(), open: z.boolean(), why: z.string().nullable() }).readonly()

/** What a datapath found wrong by itself, as a sentence: about a server by its name, or about all of them. */
const finding = z.object({ server: z.string().nullable(), text: z.string() }).readonly()

const serverTraffic = z
  .object({
    server: z.string(),
    sessions: count,
    maximumSessions: count,
    totalSessions: count,
    bytesIn: count,
    bytesOut: count,
    connectFailures: count,
    refusedConnects: count,
    failuresInARow: count,
    detail: z
      .discriminatedUnion('kind', [
        z.object({ kind: z.literal('userspace'), retries: z.number(), redispatches: z.number() }),
      ])
      .readonly()
      .nullable(),
  })
  .readonly()

/** See `ListenerFact`. */
export const listenerFact = z
  .object({
    fact: z.literal('listener'),
    listener: z.string(),
    datapath: z.enum(datapaths),
    binds: z.array(bindState).readonly(),
    sessions: count,
    maximumSessions: count,
    totalSessions: count,
    panicking: z.boolean(),
    ends: z.record(z.string(), z.number()).readonly(),
    servers: z.array(serverTraffic).readonly(),
    findings: z.array(finding).readonly().default([]),
    detail: z
      .discriminatedUnion('kind', [
        z.object({
          kind: z.literal('userspace'),
          queued: z.number(),
          // Programs before this member did not count it.
          maximumQueued: z.number().nullable().default(null),
        }),
        z.object({ kind: z.literal('direct'), exceptions: count }),
      ])
      .readonly()
      .nullable(),
  })
  .readonly()

/**
 * One listener. `binds` tells which of its addresses are `open`: a client that reaches one is forwarded. Where it is not, `why`
 * says why; else it is null. Numbers are null where the datapath does not know them. `ends` counts how clients ended, by reason: `closed` is the good one.
 * `panicking`: so few servers pass that all are used. `findings` is what the datapath found wrong when it tested itself, and what to
 * do. `detail` is what only this kind of datapath has to tell, null where
 * that is nothing: in user space the clients that wait in the queue, and the most there were. Of `direct` how many sessions are
 * not where the table of this host would send them (`exceptions`).
 */
export type ListenerFact = z.output<typeof listenerFact>
/** See `findings` of `ListenerFact`. */
export type Finding = z.output<typeof finding>

/** Ends of clients that were not let in: by access lists, or because too many came (HAProxy: denied connections). */
const denials = ['denied', 'rate', 'source-rate']

/** The clients that were not let in. */
export const deniedIn = ({ ends }: Pick<ListenerFact, 'ends'>): number =>
  denials.reduce((sum, end) => sum + (ends[end] ?? 0), 0)

/** The most that have waited in the queue at once; null where the datapath has none. */
export const mostQueuedIn = ({ detail }: Pick<ListenerFact, 'detail'>): number | null =>
  detail?.kind === 'userspace' ? detail.maximumQueued : null

/** Sessions that are not where the table of this host would send them; null where there is no such table. */
export const exceptionsIn = ({ detail }: Pick<ListenerFact, 'detail'>): number | null =>
  detail?.kind === 'direct' ? detail.exceptions : null

/** The clients that wait in the queue; null where the datapath has none. */
export const queuedIn = ({ detail }: Pick<ListenerFact, 'detail'>): number | null =>
  detail?.kind === 'userspace' ? detail.queued : null

/**
 * Traffic of one server through one listener since its forwarder began to count. `in` is what clients sent. `refusedConnects`
 * are connect failures that leave no doubt; `failuresInARow` starts anew with each connection that works. `detail` as that of the
 * listener: after a failure in user space a client came here again (`retries`) or went elsewhere (`redispatches`).
 */
export type ServerTraffic = z.output<typeof serverTraffic>
