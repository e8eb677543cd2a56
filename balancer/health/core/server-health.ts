// All that is known of one server of one listener: its checks, its agent's line, an operator's orders, and what follows.

import type { CheckConfig, ListenerConfig, ServerConfig } from '../../config/schema.ts'
import type { AgentCheckState, AgentWord, Orders, ServerHealthFact } from '../../pool/core/facts.ts'
import { maximumWeight } from '../../pool/core/server-order.ts'
import { stricter } from '../../pool/core/server-state.ts'
import { afterAgentLine } from './agent-line.ts'
import { isSameQuestion, predecessors, presumed, rescaled } from './carry-over.ts'
import {
  afterConnectFailures,
  afterResult,
  type CheckState,
  decidingCheck,
  inheritedCheck,
  noThresholds,
  percentOf,
  saysNothing,
  standOfCheck,
  unchecked,
} from './check-state.ts'
import type { CheckResult } from './result.ts'
import { isUp, type Stand, type Thresholds } from './rise-fall.ts'

/** The state of one server. Moments are milliseconds since the epoch, for people. */
export type ServerHealth = {
  readonly checks: readonly CheckState[]
  readonly orders: Orders
  readonly agent: AgentWord | null
  readonly agentCheck: AgentCheckState | null
  readonly since: number
  /** What brought it up or down last; null where that was no check. */
  readonly found: ServerHealthFact['found']
  readonly malformedReports: Readonly<Record<string, number>>
  readonly lateChecks: number
}

/** What happened to a server; `at` is the moment for people. `passive` are connect failures of sessions. */
export type HealthEvent =
  | { readonly event: 'checked'; readonly check: number; readonly result: CheckResult; readonly at: number }
  | { readonly event: 'late'; readonly at: number }
  | { readonly event: 'stream-fault'; readonly reason: string; readonly at: number }
  | { readonly event: 'agent-line'; readonly line: string; readonly at: number }
  | { readonly event: 'agent-silent'; readonly text: string; readonly at: number }
  | { readonly event: 'ordered'; readonly orders: Partial<Orders>; readonly at: number }
  | { readonly event: 'passive'; readonly markDown: boolean; readonly text: string; readonly at: number }

/** A server before its first check, or as a director before this one left it. */
export const startHealth = (checks: readonly Thresholds[], at: number, inherited?: ServerHealthFact): ServerHealth => ({
  checks: checks.map((thresholds, i) =>
    inherited === undefined ? unchecked : inheritedCheck(inherited, thresholds, i, checks.length, at),
  ),
  orders: inherited?.orders ?? { admin: 'ready', weight: null },
  agent: inherited?.agent ?? null,
  agentCheck: inherited?.agentCheck ?? null,
  since: inherited?.since ?? at,
  found: inherited?.found ?? null,
  malformedReports: inherited?.malformedReports ?? {},
  lateChecks: inherited?.lateChecks ?? 0,
})

/** The configuration that a server's state is judged by. */
export type HealthConfig = { readonly listener: ListenerConfig; readonly server: ServerConfig }

/** The state after an event. */
export const afterEvent = (health: ServerHealth, config: HealthConfig, event: HealthEvent): ServerHealth => {
  const next = apply(health, config.listener, event)
  const found = findingOf(event)
  const isFirst = isUndecided(health) && !isUndecided(next)
  const told = isFirst ? { ...next, found } : next
  return changed(standing(health, config), told, standing(told, config), event.at, found)
}

const isUndecided = ({ checks }: ServerHealth): boolean => checks.some(({ counter }) => counter === null)

const findingOf = (event: HealthEvent): ServerHealthFact['found'] => {
  switch (event.event) {
    case 'checked':
      return { by: event.result.by, ageMs: event.result.ageMs }
    case 'passive':
      return { by: 'session', ageMs: null }
    default:
      return null
  }
}

/** The state with another configuration of the same server. Its verdict stays until the changed checks have decided anew. */
export const afterReconfiguration = (
  health: ServerHealth,
  before: HealthConfig,
  after: HealthConfig,
  at: number,
): ServerHealth => {
  const [old, wanted] = [before.listener.check, after.listener.check]
  const counters = health.checks.map(({ counter }) => counter)
  const heirs = predecessors(old, wanted)
  const checks = wanted.map((check, i): CheckState => {
    const index = heirs[i] ?? -1
    const [state, thresholds] = [health.checks[index], old[index]]
    if (state === undefined || thresholds === undefined) {
      return { ...unchecked, counter: presumed(counters, old, check), isRoleOld: true }
    }
    const isRoleOld = state.isRoleOld || !isSameQuestion(thresholds, check)
    return { ...state, counter: rescaled(state.counter, thresholds, check), isRoleOld }
  })
  const hasAgent = after.listener.agent_check !== undefined
  const agents = hasAgent ? {} : { agent: null, agentCheck: null }
  const next = { ...health, checks, ...agents }
  return changed(standing(health, before), next, standing(next, after), at, null)
}

const changed = (
  before: Standing,
  next: ServerHealth,
  after: Standing,
  at: number,
  found: ServerHealthFact['found'],
): ServerHealth => {
  if (before.up === after.up && before.admin === after.admin) return next
  // Whoever comes back from maintenance is checked before it serves.
  const isBack = before.admin === 'maint' && after.admin !== 'maint'
  return { ...next, since: at, found, checks: isBack ? next.checks.map(() => unchecked) : next.checks }
}

const apply = (health: ServerHealth, listener: ListenerConfig, event: HealthEvent): ServerHealth => {
  const { check: checks } = listener
  switch (event.event) {
    case 'checked':
      return afterChecked(health, checks, event)
    case 'late':
      return { ...health, lateChecks: health.lateChecks + 1 }
    case 'stream-fault':
      return { ...health, malformedReports: counted(health.malformedReports, `watch-${event.reason}`) }
    case 'agent-line':
      return afterLine(health, event)
    case 'agent-silent':
      return afterSilence(health, listener.agent_check?.fall ?? 1, event.text)
    case 'ordered':
      return afterOrders(health, event)
    case 'passive':
      return afterPassive(health, checks, event)
    default:
      return event satisfies never
  }
}

const counted = (counts: ServerHealth['malformedReports'], reason: string): ServerHealth['malformedReports'] => ({
  ...counts,
  [reason]: (counts[reason] ?? 0) + 1,
})

const unasked: AgentCheckState = { failures: 0, silent: false, reason: '', unknown: 0, lastUnknown: '' }

const afterLine = (health: ServerHealth, { line, at }: Extract<HealthEvent, { event: 'agent-line' }>): ServerHealth => {
  const before = health.agentCheck ?? unasked
  const { said, unknown } = afterAgentLine(health.agent, line)
  const trace = unknown.length === 0 ? {} : { unknown: before.unknown + 1, lastUnknown: unknown.join(' ') }
  const agentCheck = { ...before, failures: 0, silent: false, reason: '', ...trace }
  if (said === null) return { ...health, agentCheck }
  const isSame = health.agent?.admin === said.admin && health.agent.down === said.down
  return { ...health, agentCheck, agent: { ...said, at, since: isSame ? (health.agent?.since ?? at) : at } }
}

/** A line lost now and then changes nothing. Who is silent for good must not hold a server for good. */
const afterSilence = (health: ServerHealth, fall: number, reason: string): ServerHealth => {
  const before = health.agentCheck ?? unasked
  const failures = before.failures + 1
  const silent = failures >= fall
  return { ...health, agentCheck: { ...before, failures, silent, reason }, agent: silent ? null : health.agent }
}

const afterOrders = (
  health: ServerHealth,
  { orders, at }: Extract<HealthEvent, { event: 'ordered' }>,
): ServerHealth => {
  const before = health.orders
  const now = { ...before, ...orders }
  const since = (isDefault: boolean, isSame: boolean, then: number | null | undefined): number | null =>
    isDefault ? null : isSame ? (then ?? at) : at
  // An agent that does not answer cannot take back what it said: the operator can.
  const isTakenBack = orders.admin === 'ready' && (health.agentCheck?.failures ?? 0) > 0
  return {
    ...health,
    agent: isTakenBack ? null : health.agent,
    orders: {
      ...now,
      adminSince: since(now.admin === 'ready', now.admin === before.admin, before.adminSince),
      weightSince: since(now.weight === null, now.weight === before.weight, before.weightSince),
    },
  }
}

type Checked = Extract<HealthEvent, { event: 'checked' }>

const afterChecked = (health: ServerHealth, checks: readonly CheckConfig[], { check, result, at }: Checked) => {
  const [thresholds, state] = [checks[check], health.checks[check]]
  if (thresholds === undefined || state === undefined) return health
  const { malformedReport } = result
  const isMalformed = malformedReport !== null && !saysNothing(result)
  return {
    ...health,
    checks: health.checks.with(check, afterResult(state, thresholds, result, at)),
    malformedReports: isMalformed ? counted(health.malformedReports, malformedReport) : health.malformedReports,
  }
}

type Passive = Extract<HealthEvent, { event: 'passive' }>

const afterPassive = (health: ServerHealth, [thresholds]: readonly CheckConfig[], event: Passive): ServerHealth => {
  const [first, ...others] = health.checks
  if (first === undefined || thresholds === undefined) return health
  return { ...health, checks: [afterConnectFailures(first, thresholds, event), ...others] }
}

/** Where the counter of one check stands. */
export const checkStand = (health: ServerHealth, check: number, checks: readonly CheckConfig[]): Stand =>
  standOfCheck(health.checks[check], checks[check])

type Standing = Pick<ServerHealthFact, 'up' | 'admin'>

/** What operator, agent and checks make of a server together. */
const standing = ({ checks, orders, agent }: ServerHealth, { listener }: HealthConfig): Standing => {
  const admin = stricter(orders.admin, agent?.admin ?? 'ready')
  const passing = checks.every(({ counter }, i) => isUp(counter, listener.check[i] ?? noThresholds))
  return { admin, up: passing && admin !== 'maint' && agent?.down !== true }
}

/** The fact about a server in this state. */
export const factOf = (health: ServerHealth, config: HealthConfig): ServerHealthFact => {
  const { listener, server } = config
  const { checks, orders, agent } = health
  const deciding = decidingCheck(checks, listener.check)
  const { rise, fall } = listener.check[deciding] ?? noThresholds
  const weight = orders.weight ?? server.weight
  const drainingSince = checks.flatMap((check) => check.drainingSince ?? [])
  const [returned] = checks.flatMap((check) => check.returned ?? [])
  const answersFor = [...new Set(checks.flatMap((check) => check.answersFor ?? []))]
  return {
    fact: 'server-health',
    listener: listener.name,
    server: server.name,
    ...standing(health, config),
    since: health.since,
    draining: drainingSince.length > 0,
    drainingSince: drainingSince.length > 0 ? Math.min(...drainingSince) : null,
    refusing: checks.some(({ last }) => last?.reason === 'force-fail'),
    weight: scaled(weight, agent?.percent ?? percentOf(checks)),
    maximumSessions: agent?.maximumSessions ?? server.max_connections,
    backup: server.backup || checks.some(({ isLastResort }) => isLastResort),
    role: checks.find(({ role }) => role !== 'unknown')?.role ?? 'unknown',
    roleIsOld: checks.some(({ isRoleOld }) => isRoleOld),
    health: { value: checks[deciding]?.counter ?? 0, rise, fall },
    counters: checks.map(({ counter }) => counter),
    lastCheck: checks[deciding]?.last ?? null,
    orders,
    agent,
    agentCheck: health.agentCheck,
    found: health.found,
    watched: false,
    malformedReports: health.malformedReports,
    lateChecks: health.lateChecks,
    ...(returned === undefined ? {} : { returned }),
    ...(answersFor.length === 0 ? {} : { answersFor }),
  }
}

const scaled = (weight: number, percent: number | null): number =>
  percent === null ? weight : Math.min(maximumWeight, Math.ceil((weight * percent) / 100))
