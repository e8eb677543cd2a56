// One check of a server: what it said last, where its counter stands, and what follows for the server.

import type { CheckConfig } from '../../config/schema.ts'
import type { LastCheck, ServerHealthFact } from '../../pool/core/facts.ts'
import type { CheckResult } from './result.ts'
import { afterCheck, type HealthCounter, isUp, type Stand, standOf, type Thresholds } from './rise-fall.ts'

/** A check of the server: its counter, and its last result. */
export type CheckState = {
  readonly counter: HealthCounter
  readonly last: LastCheck | null
  /** Since when it answers 404; null while it does not. */
  readonly drainingSince: number | null
  readonly role: ServerHealthFact['role']
  /** The role is from before a reload that changed the check; the first good answer to this one replaces it. */
  readonly isRoleOld: boolean
  /** Part of its weight that the server asked for with its last answer; null where it does not say. */
  readonly percent: number | null
  /** The server can serve where nobody else does. */
  readonly isLastResort: boolean
  /** What it sent past the balancers, by its last answer that told it. */
  readonly returned?: ServerHealthFact['returned']
  readonly answersFor?: readonly string[] | undefined
}

/** One that nobody has made yet. */
export const unchecked: CheckState = {
  counter: null,
  last: null,
  drainingSince: null,
  role: 'unknown',
  isRoleOld: false,
  percent: null,
  isLastResort: false,
}

/** A check as a director before this one left it; `index` is its place among so many. */
export const inheritedCheck = (
  fact: ServerHealthFact,
  thresholds: Thresholds,
  index: number,
  checks: number,
  at: number,
): CheckState => ({
  ...unchecked,
  counter: inheritedCounter(fact, thresholds, index, checks),
  last: fact.lastCheck,
  drainingSince: fact.draining ? (fact.drainingSince ?? at) : null,
  role: fact.role,
})

/** A reload in the middle may have changed the checks since the fact was told: what was up stays up. */
const inheritedCounter = (fact: ServerHealthFact, { rise, fall }: Thresholds, index: number, checks: number) => {
  if (fact.counters.includes(null)) return fact.counters.length === checks ? (fact.counters[index] ?? null) : null
  const full = rise + fall - 1
  if (fact.counters.length !== checks) return fact.up ? full : 0
  const counter = Math.min(full, fact.counters[index] ?? 0)
  return fact.up ? Math.max(rise, counter) : counter
}

/** Whether a result tells nothing of the server: this host ran short, or there is an excuse. */
export const saysNothing = ({ shortage, excuse }: CheckResult): boolean => shortage !== null || excuse !== null

/** The check after a result. */
export const afterResult = (state: CheckState, thresholds: Thresholds, result: CheckResult, at: number): CheckState => {
  const { drain, lastResort, durationMs, status, code, reason, text, role, percent, by, ageMs, excuse } = result
  // Only the result is shown, and not in place of what an operator wrote there.
  if (saysNothing(result)) {
    if (state.last?.reason === 'force-fail') return state
    const shown = excuse === null ? text : `${text}; not counted: ${excuse}`
    return { ...state, last: { at, passed: false, status, code, durationMs, reason, text: shown, by, ageMs } }
  }
  // A 404 keeps a server that is up for the sessions it has; it brings none up (HAProxy: `disable-on-404`).
  const passed = result.passed && (!drain || isUp(state.counter, thresholds))
  const counter = afterCheck(state.counter, thresholds, { passed, hard: result.hard })
  // A last resort has no role, so that a writer moves to another one where there is one.
  const isRoleLost = lastResort || (state.isRoleOld && result.passed)
  const isRoleKept = role === 'unknown' && isUp(counter, thresholds) && !isRoleLost
  return {
    counter,
    last: { at, passed, status, code, durationMs, reason, text, by, ageMs },
    drainingSince: drain ? (state.drainingSince ?? at) : null,
    // One lost answer must not move a writer: a server keeps its role as long as it is up.
    role: isRoleKept ? state.role : role,
    isRoleOld: state.isRoleOld && isRoleKept,
    percent,
    isLastResort: lastResort,
    returned: result.returned ?? state.returned,
    answersFor: result.answersFor ?? state.answersFor,
  }
}

/** The check after connects of sessions that failed: they count as one that failed. One that nobody made is left to itself. */
export const afterConnectFailures = (
  state: CheckState,
  thresholds: Thresholds,
  { markDown, text, at }: { readonly markDown: boolean; readonly text: string; readonly at: number },
): CheckState => {
  if (state.counter === null) return state
  return {
    ...state,
    counter: afterCheck(state.counter, thresholds, { passed: false, hard: markDown }),
    last: {
      at,
      passed: false,
      status: 'L4CON',
      code: null,
      durationMs: 0,
      reason: 'sessions-cannot-connect',
      text,
      by: 'session',
      ageMs: null,
    },
  }
}

/** Where the counter of a check stands. */
export const standOfCheck = (state: CheckState | undefined, thresholds: Thresholds | undefined): Stand =>
  thresholds === undefined ? 'down' : standOf(state?.counter ?? null, thresholds)

/** Of a check that is no more. */
export const noThresholds: Thresholds = { rise: 1, fall: 1 }

/** The check that says most about the server: one that is down, else one that is changing, else the first. */
export const decidingCheck = (states: readonly CheckState[], checks: readonly CheckConfig[]): number => {
  const down = states.findIndex(({ counter }, i) => !isUp(counter, checks[i] ?? noThresholds))
  if (down >= 0) return down
  return Math.max(
    0,
    states.findIndex((state, i) => standOfCheck(state, checks[i]) === 'changing'),
  )
}

/** The least that any check was told; 0 there means few connections, not that the server wants to leave. */
export const percentOf = (checks: readonly CheckState[]): number | null => {
  const told = checks.flatMap(({ percent }) => (percent === null ? [] : [percent]))
  return told.length === 0 ? null : Math.max(1, Math.min(...told))
}
