// All that is known of one server of one listener: its checks, its agent's line, an operator's orders, and what follows.

import type { CheckConfig, ListenerConfig, ServerConfig } from '../../config/schema.ts'
import type { AgentWord, LastCheck, Orders, ServerHealthFact } from '../../pool/core/facts.ts'
import { stricter } from '../../pool/core/server-state.ts'
import { afterAgentLine } from './agent-line.ts'
import type { CheckResult } from './result.ts'
import { afterCheck, type HealthCounter, isUp, type Stand, standOf } from './rise-fall.ts'

/** A check of the server: its counter, and its last result. */
export type CheckState = {
  readonly counter: HealthCounter
  readonly last: LastCheck | null
  readonly draining: boolean
  readonly role: ServerHealthFact['role']
  /** Part of its weight that the server asked for with its last answer; null where it does not say. */
  readonly percent: number | null
}

/** The state of one server. Moments are milliseconds since the epoch, for people. */
export type ServerHealth = {
  readonly checks: readonly CheckState[]
  readonly orders: Orders
  readonly agent: AgentWord | null
  readonly since: number
  readonly malformedReports: Readonly<Record<string, number>>
  readonly lateChecks: number
}

/** What happened to a server; `at` is the moment for people. `passive` are connect failures of sessions. */
export type HealthEvent =
  | { readonly event: 'checked'; readonly check: number; readonly result: CheckResult; readonly at: number }
  | { readonly event: 'late'; readonly at: number }
  | { readonly event: 'agent-line'; readonly line: string; readonly at: number }
  | { readonly event: 'ordered'; readonly orders: Partial<Orders>; readonly at: number }
  | { readonly event: 'passive'; readonly markDown: boolean; readonly text: string; readonly at: number }

const unchecked: CheckState = { counter: null, last: null, draining: false, role: 'unknown', percent: null }

/** A server before its first check, or as a director before this one left it. */
export const startHealth = (checks: number, at: number, inherited?: ServerHealthFact): ServerHealth => ({
  checks: Array.from({ length: checks }, (_, i) => ({
    ...unchecked,
    counter: inherited?.counters.length === checks ? (inherited.counters[i] ?? null) : null,
    last: inherited?.lastCheck ?? null,
    draining: inherited?.draining ?? false,
    role: inherited?.role ?? 'unknown',
    percent: null,
  })),
  orders: inherited?.orders ?? { admin: 'ready', weight: null },
  agent: inherited?.agent ?? null,
  since: inherited?.since ?? at,
  malformedReports: inherited?.malformedReports ?? {},
  lateChecks: inherited?.lateChecks ?? 0,
})

/** The configuration that a server's state is judged by. */
export type HealthConfig = { readonly listener: ListenerConfig; readonly server: ServerConfig }

/** The state after an event. */
export const afterEvent = (health: ServerHealth, config: HealthConfig, event: HealthEvent): ServerHealth => {
  const next = apply(health, config.listener.check, event)
  const before = standing(health, config)
  const after = standing(next, config)
  if (before.up === after.up && before.admin === after.admin) return next
  // Whoever comes back from maintenance is checked before it serves.
  const isBack = before.admin === 'maint' && after.admin !== 'maint'
  return { ...next, since: event.at, checks: isBack ? next.checks.map(() => unchecked) : next.checks }
}

const apply = (health: ServerHealth, checks: readonly CheckConfig[], event: HealthEvent): ServerHealth => {
  switch (event.event) {
    case 'checked':
      return afterResult(health, checks, event)
    case 'late':
      return { ...health, lateChecks: health.lateChecks + 1 }
    case 'agent-line': {
      const said = afterAgentLine(health.agent, event.line)
      return said === null ? health : { ...health, agent: { ...said, at: event.at } }
    }
    case 'ordered':
      return { ...health, orders: { ...health.orders, ...event.orders } }
    case 'passive':
      return afterConnectFailures(health, checks, event)
    default:
      return event satisfies never
  }
}

type Checked = Extract<HealthEvent, { event: 'checked' }>

const afterResult = (health: ServerHealth, checks: readonly CheckConfig[], { check, result, at }: Checked) => {
  const thresholds = checks[check]
  const state = health.checks[check]
  if (thresholds === undefined || state === undefined) return health
  const { drain, durationMs, status, code, reason, text, role, percent, malformedReport } = result
  // Nothing was learned of the server: only the result is shown, and not in place of what an operator wrote there.
  if (result.shortage !== null) {
    const last = { at, passed: false, status, code, durationMs, reason, text }
    const isOrdered = state.last?.reason === 'force-fail'
    return isOrdered ? health : { ...health, checks: health.checks.with(check, { ...state, last }) }
  }
  // A 404 keeps a server that is up for the sessions it has; it brings none up (HAProxy: `disable-on-404`).
  const passed = result.passed && (!drain || isUp(state.counter, thresholds))
  const counter = afterCheck(state.counter, thresholds, { passed, hard: result.hard })
  const next: CheckState = {
    counter,
    last: { at, passed, status, code, durationMs, reason, text },
    draining: drain,
    // One lost answer must not move a writer: a server keeps its role as long as it is up.
    role: role === 'unknown' && isUp(counter, thresholds) ? state.role : role,
    percent,
  }
  const count = malformedReport === null ? 0 : (health.malformedReports[malformedReport] ?? 0) + 1
  return {
    ...health,
    checks: health.checks.with(check, next),
    malformedReports:
      malformedReport === null ? health.malformedReports : { ...health.malformedReports, [malformedReport]: count },
  }
}

type Passive = Extract<HealthEvent, { event: 'passive' }>

const afterConnectFailures = (health: ServerHealth, checks: readonly CheckConfig[], event: Passive): ServerHealth => {
  const [first, ...others] = health.checks
  const [thresholds] = checks
  if (first === undefined || thresholds === undefined || first.counter === null) return health
  const counter = afterCheck(first.counter, thresholds, { passed: false, hard: event.markDown })
  const last: LastCheck = {
    at: event.at,
    passed: false,
    status: 'L4CON',
    code: null,
    durationMs: 0,
    reason: 'sessions-cannot-connect',
    text: event.text,
  }
  return { ...health, checks: [{ ...first, counter, last }, ...others] }
}

/** Where the counter of one check stands. */
export const checkStand = (health: ServerHealth, check: number, checks: readonly CheckConfig[]): Stand => {
  const thresholds = checks[check]
  return thresholds === undefined ? 'down' : standOf(health.checks[check]?.counter ?? null, thresholds)
}

/** What operator, agent and checks make of a server together. */
const standing = ({ checks, orders, agent }: ServerHealth, { listener }: HealthConfig) => {
  const admin = stricter(orders.admin, agent?.admin ?? 'ready')
  const passing = checks.every(({ counter }, i) => isUp(counter, listener.check[i] ?? noThresholds))
  return { admin, up: passing && admin !== 'maint' && agent?.down !== true }
}

/** The fact about a server in this state. */
export const factOf = (health: ServerHealth, config: HealthConfig): ServerHealthFact => {
  const { listener, server } = config
  const { checks, orders, agent } = health
  const deciding = decidingCheck(health, listener.check)
  const { rise, fall } = listener.check[deciding] ?? noThresholds
  const weight = orders.weight ?? server.weight
  return {
    fact: 'server-health',
    listener: listener.name,
    server: server.name,
    ...standing(health, config),
    since: health.since,
    draining: checks.some(({ draining }) => draining),
    refusing: checks.some(({ last }) => last?.reason === 'force-fail'),
    weight: scaled(weight, agent?.percent ?? percentOf(checks)),
    maximumSessions: agent?.maximumSessions ?? server.max_connections,
    backup: server.backup,
    role: checks.find(({ role }) => role !== 'unknown')?.role ?? 'unknown',
    health: { value: checks[deciding]?.counter ?? 0, rise, fall },
    counters: checks.map(({ counter }) => counter),
    lastCheck: checks[deciding]?.last ?? null,
    orders,
    agent,
    malformedReports: health.malformedReports,
    lateChecks: health.lateChecks,
  }
}

/** The least that any check was told; 0 there means few connections, not that the server wants to leave. */
const percentOf = (checks: readonly CheckState[]): number | null => {
  const told = checks.flatMap(({ percent }) => (percent === null ? [] : [percent]))
  return told.length === 0 ? null : Math.max(1, Math.min(...told))
}

const scaled = (weight: number, percent: number | null): number =>
  percent === null ? weight : Math.min(maximumWeight, Math.ceil((weight * percent) / 100))

const noThresholds = { rise: 1, fall: 1 } as const
/** HAProxy's largest weight. */
const maximumWeight = 256

/** The check that says most about the server: one that is down, else one that is changing, else the first. */
const decidingCheck = (health: ServerHealth, checks: readonly CheckConfig[]): number => {
  const down = health.checks.findIndex(({ counter }, i) => !isUp(counter, checks[i] ?? noThresholds))
  if (down >= 0) return down
  return Math.max(
    0,
    health.checks.findIndex((_, i) => checkStand(health, i, checks) === 'changing'),
  )
}
