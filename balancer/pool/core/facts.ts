// What the processes of one balancer tell each other: facts about virtual routers, servers and sessions.

import type { Millis } from '../../core/time.ts'

/** State of a virtual router on this host, RFC 9568 section 6.4; `fault` as keepalived has it. */
export type VirtualRouterState = 'init' | 'backup' | 'master' | 'fault'

/** One VRRP instance of this host. Moments are milliseconds since the epoch, for people. */
export type VirtualRouterFact = {
  readonly fact: 'virtual-router'
  readonly name: string
  readonly interface: string
  readonly virtualRouterId: number
  readonly version: 2 | 3
  readonly state: VirtualRouterState
  readonly since: number
  readonly priority: number
  readonly advertisementInterval: Millis
  readonly addresses: readonly string[]
  /** The last advertisement accepted from another router. */
  readonly lastAdvertisement: { readonly from: string; readonly priority: number; readonly at: number } | null
  readonly transitions: number
  readonly sent: number
  readonly received: number
  /** Packets that changed nothing, counted by reason. */
  readonly dropped: Readonly<Record<string, number>>
}

/** What the health checks say of one server of one listener. Sent once decided, again at every change and every check. */
export type ServerHealthFact = {
  readonly fact: 'server-health'
  readonly listener: string
  readonly server: string
  readonly up: boolean
  readonly since: number
  /** Counter of rise and fall as HAProxy has it: `0..rise-1` is down, `rise..rise+fall-1` is up. */
  readonly health: { readonly value: number; readonly rise: number; readonly fall: number }
  readonly lastCheck: LastCheck | null
}

/** The last check of a server: the word that HAProxy uses for its result, how long it took, what the agent said. */
export type LastCheck = {
  readonly at: number
  readonly passed: boolean
  readonly status: CheckStatus
  readonly httpStatus: number | null
  readonly durationMs: number
  readonly reason: string
  readonly text: string
}

/** HAProxy's words for the result of a check. */
export type CheckStatus = 'L4CON' | 'L4TOUT' | 'L7OK' | 'L7STS' | 'L7TOUT' | 'L7RSP' | 'SOCKERR'

/** Traffic of one server through one listener since the worker started. */
export type ServerTraffic = {
  readonly server: string
  readonly sessions: number
  readonly maximumSessions: number
  readonly totalSessions: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly connectFailures: number
  readonly redispatches: number
}

/** One user-space listener. `open` tells which of its addresses are on this host and listening. */
export type ListenerFact = {
  readonly fact: 'listener'
  readonly listener: string
  readonly binds: readonly { readonly address: string; readonly open: boolean; readonly error: string | null }[]
  readonly sessions: number
  readonly maximumSessions: number
  readonly totalSessions: number
  readonly queued: number
  /** Sessions that ended badly, counted by reason. */
  readonly refused: Readonly<Record<string, number>>
  readonly servers: readonly ServerTraffic[]
}

/** All that one process tells another; each carries the whole state of its subject, so the newest one is enough. */
export type Fact = VirtualRouterFact | ServerHealthFact | ListenerFact
