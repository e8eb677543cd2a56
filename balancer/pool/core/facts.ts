// What the processes of one balancer tell each other: facts about virtual routers, servers and sessions. They cross
// process boundaries, so each has a schema and its type follows from it.

import * as z from 'zod'
import { roles } from '../../../shared/health-report.ts'
import { forwarders } from '../../core/forwarders.ts'
import { type Millis, millis } from '../../core/time.ts'
import { listenerFact } from './listener-fact.ts'
import { peersFact } from './peers-fact.ts'

const counters = z.record(z.string(), z.number()).readonly()
const duration = z.number().transform((value): Millis => millis(value))

/** State of a virtual router on this host, RFC 9568 section 6.4; `fault` as keepalived has it. */
const routerStates = ['init', 'backup', 'master', 'fault'] as const

const virtualRouteState = z
  .object({ route: z.string(), isThere: z.boolean(), trouble: z.string().nullable() })
  .readonly()

const virtualRouterFact = z
  .object({
    fact: z.literal('virtual-router'),
    name: z.string(),
    interface: z.string(),
    family: z.enum(['ipv4', 'ipv6']),
    virtualRouterId: z.number(),
    version: z.union([z.literal(2), z.literal(3)]),
    state: z.enum(routerStates),
    since: z.number(),
    reason: z.string(),
    handingOver: z.boolean(),
    standsBack: z.boolean(),
    inMaintenance: z.boolean(),
    hasBegun: z.boolean(),
    syncGroup: z.string().nullable(),
    source: z.string().nullable(),
    peers: z.array(z.string()).readonly().nullable(),
    priority: z.number(),
    priorityParts: z.array(z.object({ of: z.string(), value: z.number() }).readonly()).readonly(),
    advertisementInterval: duration,
    addresses: z.array(z.string()).readonly(),
    routes: z.array(virtualRouteState).readonly().default([]),
    lastAdvertisement: z.object({ from: z.string(), priority: z.number(), at: z.number() }).readonly().nullable(),
    otherMasters: z
      .object({ count: z.number(), last: z.object({ from: z.string(), at: z.number() }).readonly().nullable() })
      .readonly(),
    conflicts: z
      .object({
        count: z.number(),
        last: z
          .object({
            from: z.string(),
            differs: z.string(),
            priority: z.number(),
            addresses: z.array(z.string()).readonly(),
            at: z.number(),
            isOver: z.boolean().default(false),
          })
          .readonly()
          .nullable(),
      })
      .readonly(),
    transitions: z.number(),
    sent: z.number(),
    received: z.number(),
    dropped: counters,
  })
  .readonly()

/** HAProxy's words for the result of a check; those of layer 3 are formed alike. `L7OKC` passes on a
 * condition: drain, or nobody else. */
const checkStatuses = [
  'L3OK',
  'L3CON',
  'L3TOUT',
  'L4OK',
  'L4CON',
  'L4TOUT',
  'L6TOUT',
  'L6RSP',
  'L7OK',
  'L7OKC',
  'L7STS',
  'L7TOUT',
  'L7RSP',
  'SOCKERR',
] as const

/** How something of a server was found: by a check, by the word of its agent, or by sessions that could not connect. */
const findings = ['check', 'push', 'session'] as const

const lastCheck = z
  .object({
    at: z.number(),
    passed: z.boolean(),
    status: z.enum(checkStatuses),
    code: z.number().nullable(),
    durationMs: z.number(),
    reason: z.string(),
    text: z.string(),
    by: z.enum(findings).default('check'),
    ageMs: z.number().nullable().default(null),
  })
  .readonly()

const found = z.object({ by: z.enum(findings), ageMs: z.number().nullable() }).readonly()

/** What an operator or an agent wants of a server: all sessions, only those it has, or none. */
export const adminStates = ['ready', 'drain', 'maint'] as const

/** A moment that may not be known. */
const maybeMoment = z.number().nullable().optional()

const orders = z
  .object({
    admin: z.enum(adminStates),
    weight: z.number().nullable(),
    adminSince: maybeMoment,
    weightSince: maybeMoment,
  })
  .readonly()

const agentWord = z
  .object({
    at: z.number(),
    since: maybeMoment,
    admin: z.enum(adminStates),
    down: z.boolean(),
    percent: z.number().nullable(),
    maximumSessions: z.number().nullable(),
    text: z.string(),
  })
  .readonly()

const agentCheck = z
  .object({
    failures: z.number(),
    silent: z.boolean(),
    reason: z.string(),
    unknown: z.number(),
    lastUnknown: z.string(),
  })
  .readonly()

/** What an agent tells of a server that answers clients of a listener itself; null is not known. */
const returned = z.object({ bytesOut: z.number().nullable(), connections: z.number().nullable() }).readonly()

const serverHealthFact = z
  .object({
    fact: z.literal('server-health'),
    listener: z.string(),
    server: z.string(),
    up: z.boolean(),
    since: z.number(),
    admin: z.enum(adminStates),
    draining: z.boolean(),
    drainingSince: maybeMoment,
    refusing: z.boolean(),
    weight: z.number(),
    maximumSessions: z.number(),
    role: z.enum(roles),
    roleIsOld: z.boolean().optional(),
    health: z.object({ value: z.number(), rise: z.number(), fall: z.number() }).readonly(),
    counters: z.array(z.number().nullable()).readonly(),
    lastCheck: lastCheck.nullable(),
    backup: z.boolean(),
    orders,
    agent: agentWord.nullable(),
    agentCheck: agentCheck.nullable().default(null),
    found: found.nullable().default(null),
    watched: z.boolean().default(false),
    malformedReports: counters,
    lateChecks: z.number(),
    returned: returned.exactOptional(),
    answersFor: z.array(z.string()).readonly().exactOptional(),
  })
  .readonly()

const writerFact = z
  .object({ fact: z.literal('writer'), listener: z.string(), server: z.string().nullable(), since: z.number() })
  .readonly()

/** The children of the supervisor that forward sessions or decide where they go. */
const watchedProcesses = ['director', ...forwarders] as const

/**
 * A worker of an earlier program, of this `version`, that takes no new sessions since `since`, and ends those it has at
 * `until`. It is gone when it `isOver`.
 */
const drainingFact = z
  .object({
    fact: z.literal('draining'),
    worker: z.number(),
    version: z.string(),
    since: z.number(),
    until: z.number(),
    isOver: z.boolean(),
    listeners: z
      .array(
        z
          .object({
            listener: z.string(),
            sessions: z.number(),
            servers: z.array(z.object({ server: z.string(), sessions: z.number() }).readonly()).readonly(),
          })
          .readonly(),
      )
      .readonly(),
  })
  .readonly()

const heartbeatFact = z
  .object({ fact: z.literal('heartbeat'), process: z.enum(watchedProcesses), at: duration })
  .readonly()

/** Whether a process of this balancer runs; the supervisor knows, since `at`, a moment of CLOCK_MONOTONIC. */
const processFact = z
  .object({
    fact: z.literal('process'),
    process: z.enum([...watchedProcesses, 'vrrp']),
    running: z.boolean(),
    at: duration,
  })
  .readonly()

/** What is wrong with this host or with the program itself, as `of` has found: the rules of others, the state file. */
const hostFact = z
  .object({
    fact: z.literal('host'),
    of: z.string(),
    findings: z.array(z.object({ instance: z.string().nullable(), text: z.string() }).readonly()).readonly(),
  })
  .readonly()

/** Any fact; each carries the whole state of its subject, so the newest one is enough. */
export const factSchema = z.discriminatedUnion('fact', [
  virtualRouterFact,
  serverHealthFact,
  writerFact,
  listenerFact,
  drainingFact,
  peersFact,
  hostFact,
  heartbeatFact,
  processFact,
])

/** See `factSchema`. */
export type Fact = z.output<typeof factSchema>

/**
 * One VRRP instance of this host. Moments are milliseconds since the epoch, for people. `reason` is why it entered its
 * state; `handingOver`: it keeps the addresses only until another router has them; `standsBack`: an operator handed over, and
 * it does not preempt; `inMaintenance`: an operator took it out; `hasBegun`: it has had all that it waits for at its
 * start, nobody else's address in its place among that; `source` is the address it sends from, null without a link;
 * `peers` are unicast peers, null with multicast; `routes` are its virtual routes;
 * `priority` is the sum of its parts; `otherMasters` counts advertisements of another master that this one contradicted;
 * `conflicts` counts sound ones that are not followed, of routers that are configured otherwise; the last of them `isOver`
 * when its sender has stopped or says what this router says, or this one was configured anew;
 * `dropped` counts packets that changed nothing, by reason; `lastAdvertisement` is the last one accepted.
 */
export type VirtualRouterFact = z.output<typeof virtualRouterFact>
export type VirtualRouterState = VirtualRouterFact['state']
/** A virtual route in the words of `ip route`: whether it is there, and why it could not be added when that was tried last. */
export type VirtualRouteState = VirtualRouterFact['routes'][number]

/** One server of one listener. `up` means that its checks pass; `admin` is the stricter of what operator and agent want;
 * `draining` that a check answered 404; `backup` that it is one, or says itself that it is one for now; `refusing` that an operator took the node out with a force-fail file. `weight` and
 * `maximumSessions` (0 no limit) are those in force. `health.value` is HAProxy's counter of the check that matters most:
 * `0..rise-1` is down, `rise..rise+fall-1` is up; `counters` has those of all checks, null before the first result.
 * `roleIsOld`: its check was changed, and the new one has not told the role yet.
 * `found` is what brought it up or down last, and how old the agent's finding was then, null where it did not say; `watched`: its
 * agent says what changes by itself. `returned`: what it tells of answers that go to clients past the balancers, bytes from the listener's
 * addresses and connections of the whole server; `answersFor`: the addresses for which it is prepared to answer clients itself, absent where
 * there are none.
 * `malformedReports` counts, by reason, answers that claimed to be a health report; `lateChecks` those that ran out of
 * time while this program was stalled, and say nothing of the server. */
export type ServerHealthFact = z.output<typeof serverHealthFact>
export type LastCheck = z.output<typeof lastCheck>
export type CheckStatus = LastCheck['status']
export type AdminState = (typeof adminStates)[number]
/** What an operator ordered at runtime, and since when it differs from what is configured; `weight` null is the configured one. */
export type Orders = z.output<typeof orders>
/** What an agent said, `at` last, and `since` when it wants this state (HAProxy: `agent-check`); null: nothing of that. */
export type AgentWord = z.output<typeof agentWord>
/** How asking an agent goes: failures in a row and the reason of the last one, after how many it has no say, and how many
 * lines had words that nobody knows. */
export type AgentCheckState = z.output<typeof agentCheck>

/** The one server of a `balance: single` listener that takes sessions; null where none can. */
export type WriterFact = z.output<typeof writerFact>

/** See the schema: sessions that a worker of an earlier program still has. Moments are milliseconds since the epoch. */
export type DrainingFact = z.output<typeof drainingFact>

/**
 * Each finding is a sentence with what helps. One that is about a VRRP `instance` keeps its addresses from clients, or has two hosts
 * hold them; null: it is about this host.
 */
export type HostFact = z.output<typeof hostFact>

export type { ListenerFact, ServerTraffic } from './listener-fact.ts'
export type { PeersFact } from './peers-fact.ts'

/** A process of this balancer does its work. `at` is the moment of CLOCK_MONOTONIC, which all processes share. */
export type HeartbeatFact = z.output<typeof heartbeatFact>
