// What one probe found out about the server, before anybody judges it.

import type { Millis } from '../../core/time.ts'
import type { Failure } from './failure.ts'

/** Variables and statuses by name, in the server's own words. */
export type Words = Readonly<Record<string, string>>

/** What a server that let us in told: why the check query failed, if it did, and its own words, if it gave them. */
export type ServerFacts = {
  readonly check: Failure | null
  readonly words: { readonly ok: true; readonly words: Words } | { readonly ok: false; readonly failure: Failure }
}

/** How a probe ended. `late`: the agent's own loop stalled, so that nothing can be said about the server. */
export type Outcome =
  | { readonly kind: 'answered'; readonly facts: ServerFacts }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'late' }

/** One finished probe. `startedAt` is a moment of the monotonic clock; a result's age counts from there. */
export type Probe = { readonly startedAt: Millis; readonly took: Millis; readonly outcome: Outcome }

/** A probe that says something about the server. */
export type Finding = Probe & { readonly outcome: Exclude<Outcome, { readonly kind: 'late' }> }

/** What is known now: the newest finding, if any, and whether the newest probe was lost to a stall of our own loop. */
export type Known = { readonly latest: Finding | null; readonly late: boolean }
