// What the agent answers: the force-fail file, then the newest finding, then its own lateness.

import type { HealthReport } from '../../../shared/health-report.ts'
import { certaintyOf } from '../../../shared/reason.ts'
import type { Millis } from '../../core/time.ts'
import { type DirectReturn, directReturnMember, directReturnWarning } from '../../direct-return/core/told.ts'
import { connectionsOf } from '../../probe/core/connections.ts'
import type { Known } from '../../probe/core/facts.ts'
import { hostWarnings } from './host-warnings.ts'
import { failed, type Judging, judge, type Verdict } from './judge.ts'
import type { Question } from './question.ts'

/** All that an answer depends on. `now` is a moment of the monotonic clock. */
export type Situation = {
  readonly known: Known
  /** The text of the force-fail file, null where there is none. */
  readonly forceFail: string | null
  readonly now: Millis
  readonly interval: Millis
  readonly judging: Judging
  readonly question: Question
  readonly agent: HealthReport['agent']
  /** What this host is to be prepared for, and how that stands. */
  readonly directReturn?: readonly DirectReturn[]
}

/** A late agent answers its last verdict for this many intervals. */
const lateIntervals = 3

/** The report on the node as it stands now. */
export const healthReport = (situation: Situation): HealthReport => {
  const { directReturn = [] } = situation
  const { latest } = situation.known
  const words = latest?.outcome.kind === 'answered' ? latest.outcome.facts.words : null
  const connections = words?.ok ? (connectionsOf(words.value)?.used ?? null) : null
  const verdict = verdictOn(situation)
  return {
    version: 1,
    verdict: verdict.reason.code === 'ok' ? 'pass' : 'fail',
    reason: verdict.reason,
    last_resort: verdict.lastResort,
    certainty: certaintyOf(verdict.reason.code),
    mode: verdict.mode,
    role: verdict.role,
    writable: verdict.writable,
    lag_s: verdict.lag,
    connections_free_percent: verdict.freeConnections,
    age_ms: latest === null ? null : Math.round(situation.now - latest.startedAt),
    probe_ms: latest === null ? null : Math.round(latest.took),
    facts: verdict.facts,
    warnings: [
      ...directReturnWarning(directReturn),
      ...(latest?.outcome.kind === 'answered' ? hostWarnings(latest.outcome.facts.hosts) : []),
    ],
    ...directReturnMember(directReturn, connections),
    agent: situation.agent,
  }
}

const verdictOn = (situation: Situation): Verdict => {
  const { forceFail } = situation
  const measured = measuredVerdict(situation)
  return forceFail === null
    ? measured
    : { ...measured, reason: { code: 'force-fail', text: forceFail }, lastResort: false }
}

const measuredVerdict = ({ known: { latest, late }, now, interval, judging, question }: Situation): Verdict => {
  if (latest === null) return failed(late ? neverOnTime : notYet)
  if (late && now - latest.startedAt > lateIntervals * interval) {
    return failed({ code: 'agent-late', text: `the newest result is ${Math.round(now - latest.startedAt)} ms old` })
  }
  const { outcome } = latest
  switch (outcome.kind) {
    case 'answered':
      return judge(outcome.facts, judging, question)
    case 'failed':
      return failed(outcome.failure)
    default:
      return outcome satisfies never
  }
}

const notYet = { code: 'starting', text: 'the first probe is not finished' } as const
const neverOnTime = { code: 'agent-late', text: 'no probe was finished in time since the start' } as const
