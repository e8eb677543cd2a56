// What the processes of one balancer tell each other: facts about virtual routers, servers and sessions. They cross
// process boundaries, so each has a schema and its type follows from it.

import { z } from 'zod'
import { type Millis, millis } from '../../core/time.ts'

const counters = z.record(z.string(), z.number()).readonly()
const duration = z.number().transform((value): Millis => millis(value))

/** State of a virtual router on this host, RFC 9568 section 6.4; `fault` as keepalived has it. */
const routerStates = ['init', 'backup', 'master', 'fault'] as const

const virtualRouterFact = z
  .object({
    fact: z.literal('virtual-router'),
    name: z.string(),
    interface: z.string(),
    virtualRouterId: z.number(),
    version: z.union([z.literal(2), z.literal(3)]),
    state: z.enum(routerStates),
    since: z.number(),
    priority: z.number(),
    advertisementInterval: duration,
    addresses: z.array(z.string()).readonly(),
    lastAdvertisement: z.object({ from: z.string(), priority: z.number(), at: z.number() }).readonly().nullable(),
    transitions: z.number(),
    sent: z.number(),
    received: z.number(),
    dropped: counters,
  })
  .readonly()

/** HAProxy's words for the result of a check. */
const checkStatuses = ['L4CON', 'L4TOUT', 'L7OK', 'L7STS', 'L7TOUT', 'L7RSP', 'SOCKERR'] as const

const lastCheck = z
  .object({
    at: z.number(),
    passed: z.boolean(),
    status: z.enum(checkStatuses),
    httpStatus: z.number().nullable(),
    durationMs: z.number(),
    reason: z.string(),
    text: z.string(),
  })
  .readonly()

const serverHealthFact = z
  .object({
    fact: z.literal('server-health'),
    listener: z.string(),
    server: z.string(),
    up: z.boolean(),
    since: z.number(),
    health: z.object({ value: z.number(), rise: z.number(), fall: z.number() }).readonly(),
    lastCheck: lastCheck.nullable(),
    malformedReports: counters,
  })
  .readonly()

const serverTraffic = z
  .object({
    server: z.string(),
    sessions: z.number(),
    maximumSessions: z.number(),
    totalSessions: z.number(),
    bytesIn: z.number(),
    bytesOut: z.number(),
    connectFailures: z.number(),
    redispatches: z.number(),
  })
  .readonly()

const bindState = z.object({ address: z.string(), open: z.boolean(), error: z.string().nullable() }).readonly()

const listenerFact = z
  .object({
    fact: z.literal('listener'),
    listener: z.string(),
    binds: z.array(bindState).readonly(),
    sessions: z.number(),
    maximumSessions: z.number(),
    totalSessions: z.number(),
    queued: z.number(),
    ends: counters,
    servers: z.array(serverTraffic).readonly(),
  })
  .readonly()

/** Any fact; each carries the whole state of its subject, so the newest one is enough. */
export const factSchema = z.union([virtualRouterFact, serverHealthFact, listenerFact])

/** See `factSchema`. */
export type Fact = z.output<typeof factSchema>

/** One VRRP instance of this host. Moments are milliseconds since the epoch, for people. `dropped` counts packets that
 * changed nothing, by reason; `lastAdvertisement` is the last one accepted from another router. */
export type VirtualRouterFact = z.output<typeof virtualRouterFact>
export type VirtualRouterState = VirtualRouterFact['state']

/** What the checks say of one server of one listener. `health.value` is HAProxy's counter: `0..rise-1` is down,
 * `rise..rise+fall-1` is up. `malformedReports` counts, by reason, answers that claimed to be a health report. */
export type ServerHealthFact = z.output<typeof serverHealthFact>
export type LastCheck = z.output<typeof lastCheck>
export type CheckStatus = LastCheck['status']

/** Traffic of one server through one listener since the worker started. `in` is what clients sent. */
export type ServerTraffic = z.output<typeof serverTraffic>

/** One user-space listener. `binds` tells which of its addresses are open; `ends` counts how clients ended, by reason:
 * `closed` is the good one. */
export type ListenerFact = z.output<typeof listenerFact>
