// The result of one check of a server.

import type { HealthReport } from '../../../shared/health-report.ts'
import type { CheckStatus } from '../../pool/core/facts.ts'

/**
 * What a check found. `hard`: the server itself said why it cannot serve, one such answer is enough. `drain`: it answered
 * 404 where that means no new sessions. `code` is the HTTP status or MySQL's error number. `malformedReport` tells why a
 * body that claimed to be a health report was none.
 */
export type CheckResult = {
  readonly passed: boolean
  readonly hard: boolean
  readonly drain: boolean
  readonly status: CheckStatus
  readonly code: number | null
  readonly durationMs: number
  readonly reason: string
  readonly text: string
  readonly role: HealthReport['role']
  readonly malformedReport: 'too-long' | 'not-json' | 'wrong-shape' | null
}

/** What a check says, before it is known how long it took. */
export type Judgement = Omit<CheckResult, 'durationMs'>

const blank = { hard: false, drain: false, code: null, role: 'unknown', malformedReport: null } as const

/** A check that passed. */
export const passed = (status: CheckStatus, text: string, more: Partial<Judgement> = {}): Judgement => ({
  ...blank,
  passed: true,
  status,
  reason: 'ok',
  text,
  ...more,
})

/** A check that failed. */
export const failed = (
  status: CheckStatus,
  reason: string,
  text: string,
  more: Partial<Judgement> = {},
): Judgement => ({ ...blank, passed: false, status, reason, text, ...more })
