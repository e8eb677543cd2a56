// The status document: the JSON that monitoring reads and the page draws.

import type { BalancerConfig, ListenerConfig, ServerConfig } from '../../../config/schema.ts'
import { endpointText } from '../../../core/endpoint.ts'
import { millis } from '../../../core/time.ts'
import type { Accounts, ListenerAccount, TrafficAccount } from '../../../pool/core/accounts.ts'
import { drainingSessions } from '../../../pool/core/draining.ts'
import type {
  AgentCheckState,
  AgentWord,
  DrainingFact,
  LastCheck,
  Orders,
  PeersFact,
  ServerHealthFact,
} from '../../../pool/core/facts.ts'
import { type Holder, holdersOf } from '../../../pool/core/holders.ts'
import { deniedIn, exceptionsIn, queuedIn } from '../../../pool/core/listener-fact.ts'
import { notCounted } from '../../../pool/core/numbers.ts'
import { ownAnswers } from '../../../pool/core/own-answers.ts'
import { balancerAt, failOverCost } from '../../../pool/core/peers-fact.ts'
import { type Pool, serverKey } from '../../../pool/core/pool.ts'
import { statusWord, takesSessions } from '../../../pool/core/server-state.ts'
import { slowStartShare } from '../../../pool/core/slow-start.ts'
import {
  type ListenerStatus,
  type RouterStatus,
  type ServerStatus,
  type Status,
  schemaVersion,
} from './status-schema.ts'

export type { ListenerStatus, RouterStatus, ServerStatus, Status } from './status-schema.ts'

/** Requests to the status page that got no page, counted by reason. */
export type PageRefusals = Readonly<Record<string, number>>

/** What the document is made of. Moments are milliseconds since the epoch; `iso` writes one as ISO 8601. */
export type StatusInput = {
  readonly config: BalancerConfig
  readonly pool: Pool
  readonly accounts: Accounts
  readonly version: string
  readonly now: number
  readonly iso: (moment: number) => string
  readonly startedAt: number
  readonly refusals: PageRefusals
}

/** A moment for people and for arithmetic. */
export type Moment = { readonly at: string; readonly ago_ms: number }

/** Builds the status document. */
export const statusOf = ({ config, pool, accounts, version, now, iso, startedAt, refusals }: StatusInput): Status => {
  const moment = (at: number): Moment => ({ at: iso(at), ago_ms: now - at })
  return {
    schema_version: schemaVersion,
    router_id: config.router_id,
    version,
    generated_at: iso(now),
    director_started: moment(startedAt),
    vrrp: config.vrrp.instances.map(({ name }) => routerStatus(name, pool, moment)),
    listeners: config.listeners.map((listener) => listenerStatus(listener, pool, accounts, moment, now)),
    draining: [...pool.draining.values()].map((worker) => drainingStatus(worker, now, moment)),
    peers: peersStatus(pool.peers(), moment),
    findings: hostFindings(pool).flatMap(({ instance, text }) => (instance === null ? [text] : [])),
    status_page: { refused: refusals },
  }
}

type ToMoment = (at: number) => Moment

const routerStatus = (name: string, pool: Pool, moment: ToMoment): RouterStatus => {
  const fact = pool.routers.get(name)
  const sender = (from: string) => ({
    from,
    balancer: balancerAt(pool.peers()?.peers ?? [], from, fact?.addresses ?? []),
  })
  const heard = fact?.lastAdvertisement
  const other = fact?.otherMasters.last
  const conflict = fact?.conflicts.last
  return {
    name,
    state: fact?.state ?? 'init',
    since: fact === undefined ? null : moment(fact.since),
    interface: fact?.interface ?? null,
    virtual_router_id: fact?.virtualRouterId ?? null,
    version: fact?.version ?? null,
    priority: fact?.priority ?? null,
    advertisement_interval_ms: fact?.advertisementInterval ?? null,
    virtual_addresses: fact?.addresses ?? [],
    virtual_routes: (fact?.routes ?? []).map(({ route, isThere, trouble }) => ({ route, there: isThere, trouble })),
    family: fact?.family ?? null,
    reason: fact?.reason ?? null,
    handing_over: fact?.handingOver ?? false,
    stands_back: fact?.standsBack ?? false,
    in_maintenance: fact?.inMaintenance ?? false,
    sync_group: fact?.syncGroup ?? null,
    source: fact?.source ?? null,
    unicast_peers: fact?.peers ?? null,
    priority_parts: fact?.priorityParts ?? [],
    other_masters: {
      count: fact?.otherMasters.count ?? 0,
      last: other == null ? null : { ...sender(other.from), ...moment(other.at) },
    },
    conflicts: {
      count: fact?.conflicts.count ?? 0,
      last:
        conflict == null
          ? null
          : {
              ...sender(conflict.from),
              differs: conflict.differs,
              priority: conflict.priority,
              addresses: conflict.addresses,
              over: conflict.isOver,
              ...moment(conflict.at),
            },
    },
    last_advertisement: heard == null ? null : { ...sender(heard.from), priority: heard.priority, ...moment(heard.at) },
    transitions: fact?.transitions ?? 0,
    sent: fact?.sent ?? 0,
    received: fact?.received ?? 0,
    dropped: fact?.dropped ?? {},
    findings: hostFindings(pool).flatMap(({ instance, text }) => (instance === name ? [text] : [])),
  }
}

const hostFindings = (pool: Pool) => [...pool.host.values()].flatMap(({ findings }) => findings)

const listenerStatus = (
  listener: ListenerConfig,
  pool: Pool,
  accounts: Accounts,
  moment: ToMoment,
  now: number,
): ListenerStatus => {
  const fact = pool.listeners.get(listener.name)
  const servers = listener.servers.map((server) => serverStatus(listener, server, pool, accounts, moment, now))
  const account = accounts.listener(listener.name)
  const ends = sums(account?.ends ?? {})
  return {
    name: listener.name,
    datapath: listener.datapath,
    binds: fact?.binds ?? [],
    balance: listener.balance,
    writer: pool.writers.get(listener.name)?.server ?? null,
    panicking: fact?.panicking ?? false,
    servers_up: servers.filter((server) => server.up).length,
    sessions: withDraining(fact?.sessions, drainingSessions(pool.draining.values(), listener.name)),
    maximum_sessions: account?.sessionPeak.most ?? null,
    session_limit: listener.max_connections,
    session_rate_limit: listener.access.connection_rate,
    total_sessions: total(account?.totals.totalSessions),
    ...rates(account?.traffic, moment),
    queued: fact === undefined ? null : queuedIn(fact),
    maximum_queued: account?.queuePeak.most ?? null,
    denied: fact === undefined ? null : deniedIn({ ends }),
    exceptions: fact === undefined ? null : exceptionsIn(fact),
    not_counted: notCounted(listener.datapath),
    findings: [
      ...(fact?.findings ?? []),
      ...listener.servers.flatMap(({ name }) => {
        return ownAnswers(listener, name, pool.servers.get(serverKey(listener.name, name))?.answersFor) ?? []
      }),
    ],
    ends,
    servers,
  }
}

const serverStatus = (
  listener: ListenerConfig,
  server: ServerConfig,
  pool: Pool,
  accounts: Accounts,
  moment: ToMoment,
  now: number,
): ServerStatus => {
  const health = pool.servers.get(serverKey(listener.name, server.name))
  const account = accounts.server(serverKey(listener.name, server.name))
  const traffic = pool.listeners.get(listener.name)?.servers.find((entry) => entry.server === server.name)
  return {
    name: server.name,
    address: endpointText(server.address),
    backup: health?.backup ?? server.backup,
    weight: health?.weight ?? server.weight,
    configured_weight: server.weight,
    throttle_percent: throttle(listener, health, now),
    takes_sessions: health !== undefined && takesSessions(health),
    role: health?.role ?? 'unknown',
    admin: health?.admin ?? 'ready',
    up: health?.up ?? false,
    status: statusWord(health),
    since: health === undefined ? null : moment(health.since),
    last_check: health?.lastCheck == null ? null : lastCheckStatus(health.lastCheck, moment),
    health: health === undefined ? null : health.health,
    checks: account?.checks ?? 0,
    failed_checks: account?.failedChecks ?? 0,
    times_down: account?.downs ?? 0,
    down_ms: (account?.downMillis ?? 0) + (account?.downSince == null ? 0 : moment(account.downSince).ago_ms),
    watched: health?.watched ?? false,
    found: health?.found == null ? null : { by: health.found.by, news_age_ms: health.found.ageMs },
    held_by: health === undefined ? [] : holdersOf(health).map((holder) => holderStatus(holder, moment)),
    orders: ordersStatus(health?.orders, moment),
    agent_check: health?.agent == null ? null : agentStatus(health.agent, moment),
    agent_trouble: health?.agentCheck == null ? null : agentTrouble(health.agentCheck),
    late_checks: health?.lateChecks ?? 0,
    malformed_reports: health?.malformedReports ?? {},
    sessions: withDraining(traffic?.sessions, drainingSessions(pool.draining.values(), listener.name, server.name)),
    maximum_sessions: account?.sessionPeak.most ?? null,
    session_limit: health?.maximumSessions ?? server.max_connections,
    total_sessions: total(account?.totals.totalSessions),
    ...rates(account?.traffic, moment),
    bytes_in: total(account?.totals.bytesIn),
    // What passes no balancer is known by the agent's word alone.
    bytes_out: total(account?.totals.bytesOut) ?? health?.returned?.bytesOut ?? null,
    connect_failures: total(account?.totals.connectFailures),
    connections: health?.returned?.connections ?? null,
    retries: total(account?.totals.retries),
    redispatches: total(account?.totals.redispatches),
  }
}

/** How much of its weight a server has that has just come up (HAProxy: throttle), percent; null where it has all. */
const throttle = (
  { slow_start: slowStart }: ListenerConfig,
  health: ServerHealthFact | undefined,
  now: number,
): number | null => {
  if (health === undefined || !health.up) return null
  const share = slowStartShare(slowStart, millis(Math.max(0, now - health.since)))
  return share === 1 ? null : Math.round(share * percent)
}

const percent = 100

/** Sessions a second, now and at most, and the last one that came. */
const rates = (traffic: TrafficAccount | undefined, moment: ToMoment) => ({
  session_rate: rounded(traffic?.rate),
  maximum_session_rate: rounded(traffic?.maximumRate),
  last_session: traffic?.lastSessionAt == null ? null : moment(traffic.lastSessionAt),
})

const total = (tally: { readonly sum: number } | undefined): number | null => tally?.sum ?? null

/** What is cleared and did not happen since is not shown. */
const sums = (tallies: ListenerAccount['ends']): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(tallies).flatMap(([name, { sum }]) => (sum > 0 ? [[name, sum]] : [])))

const rounded = (rate: number | null | undefined): number | null => (rate == null ? null : Math.round(rate * 10) / 10)

/** The sessions of a forwarder and those that earlier programs still have; null as long as the former are not known. */
const withDraining = (sessions: number | null | undefined, draining: number): number | null =>
  sessions == null ? null : sessions + draining

/** A worker of an earlier program, whose sessions are counted with those of their listeners and servers. */
const drainingStatus = ({ worker, version, since, until, listeners }: DrainingFact, now: number, moment: ToMoment) => ({
  process: worker,
  version,
  since: moment(since),
  until: { ...moment(until), in_ms: until - now },
  sessions: listeners.reduce((sum, { sessions }) => sum + sessions, 0),
  listeners: listeners.map(({ listener, sessions, servers }) => ({ listener, sessions, servers })),
})

/** The other balancers; null where nothing is told them. */
const peersStatus = (fact: PeersFact | null, moment: ToMoment) =>
  fact === null
    ? null
    : {
        listen: fact.listen,
        trouble: fact.trouble,
        exceptions: fact.exceptions,
        fail_over_cost: failOverCost(fact),
        peers: fact.peers.map(({ since, ...peer }) => ({ ...peer, since: moment(since) })),
        refused: fact.refused,
      }

const lastCheckStatus = (check: LastCheck, moment: ToMoment) => ({
  ...moment(check.at),
  passed: check.passed,
  status: check.status,
  code: check.code,
  duration_ms: check.durationMs,
  reason: check.reason,
  text: check.text,
  by: check.by,
  news_age_ms: check.ageMs,
})

const sinceOf = (since: number | null | undefined, moment: ToMoment): Moment | null =>
  since == null ? null : moment(since)

const holderStatus = ({ by, wants, since, text }: Holder, moment: ToMoment) => ({
  by,
  wants,
  since: sinceOf(since, moment),
  text,
})

const ordersStatus = (orders: Orders | undefined, moment: ToMoment) => ({
  admin: orders?.admin ?? 'ready',
  admin_since: sinceOf(orders?.adminSince, moment),
  weight: orders?.weight ?? null,
  weight_since: sinceOf(orders?.weightSince, moment),
})

const agentTrouble = ({ failures, silent, reason, unknown, lastUnknown }: AgentCheckState) => ({
  failures_in_a_row: failures,
  silent,
  reason,
  lines_with_unknown_words: unknown,
  last_unknown_words: lastUnknown,
})

const agentStatus = ({ at, since, admin, down, percent, maximumSessions, text }: AgentWord, moment: ToMoment) => ({
  ...moment(at),
  since: sinceOf(since, moment),
  admin,
  down,
  weight_percent: percent,
  maximum_sessions: maximumSessions,
  text,
})
