// The result of one check of a server.

import type { HealthReport } from '../../../shared/health-report.ts'
import { type Shortage, shortageReason } from '../../core/shortage.ts'
import { oneLine } from '../../core/text.ts'
import type { CheckStatus, ServerHealthFact } from '../../pool/core/facts.ts'

/**
 * What a check found. `hard`: the server itself said why it cannot serve, one such answer is enough. `drain`: it answered
 * 404 where that means no new sessions. `lastResort`: it passes for want of others, as a backup. `code` is the HTTP status or MySQL's error number. `malformedReport` tells why a
 * body that claimed to be a health report was none. `shortage` is what this host ran out of: such a check says nothing of
 * the server.
 */
export type CheckResult = {
  readonly passed: boolean
  readonly hard: boolean
  readonly drain: boolean
  readonly lastResort: boolean
  readonly status: CheckStatus
  readonly code: number | null
  readonly durationMs: number
  readonly reason: string
  readonly text: string
  readonly role: HealthReport['role']
  /** What part of its weight the server wants, 0 to 100; null where it does not say. */
  readonly percent: number | null
  readonly malformedReport: 'too-long' | 'not-json' | 'wrong-shape' | null
  readonly shortage: Shortage | null
  /** What the server sent past the balancers, where its agent tells that. */
  readonly returned?: ServerHealthFact['returned']
  /** Addresses for which it answers clients itself, where its agent tells that. */
  readonly answersFor?: readonly string[]
  /** How old the agent's finding was when it said so, in milliseconds; null where it does not say. */
  readonly ageMs: number | null
  /** Whether it was asked for, or came by itself. */
  readonly by: 'check' | 'push'
  /** Why it is not counted, though it failed; null where it is. */
  readonly excuse: string | null
}

/** What a check says, before it is known how long it took. */
export type Judgement = Omit<CheckResult, 'durationMs' | 'by' | 'excuse'>

/** What most checks leave unsaid. */
type More = Partial<
  Pick<
    Judgement,
    'hard' | 'drain' | 'lastResort' | 'code' | 'reason' | 'role' | 'percent' | 'malformedReport' | 'shortage' | 'ageMs'
  >
>

/** What a server says of itself ends on terminals and in logs. */
const longestText = 1024

const judgement = (isPassed: boolean, status: CheckStatus, reason: string, text: string, more: More): Judgement => ({
  passed: isPassed,
  hard: more.hard ?? false,
  drain: more.drain ?? false,
  lastResort: more.lastResort ?? false,
  status,
  code: more.code ?? null,
  reason: more.reason ?? reason,
  text: oneLine(text, longestText),
  role: more.role ?? 'unknown',
  percent: more.percent ?? null,
  malformedReport: more.malformedReport ?? null,
  shortage: more.shortage ?? null,
  ageMs: more.ageMs ?? null,
})

const nothingMore: More = {}

/** A check that passed. */
export const passed = (status: CheckStatus, text: string, more: More = nothingMore): Judgement =>
  judgement(true, status, 'ok', text, more)

/** A check that failed. */
export const failed = (status: CheckStatus, reason: string, text: string, more: More = nothingMore): Judgement =>
  judgement(false, status, reason, text, more)

/** A check that could not be made for want of something on this host (HAProxy: SOCKERR). `code` is the system's error. */
export const notMade = (shortage: Shortage, code: string): Judgement =>
  failed('SOCKERR', shortageReason(shortage), `not checked: this host is out of ${shortage} (${code})`, { shortage })
