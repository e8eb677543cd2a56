// What balancers tell each other of sessions: those whose server is not what the slots of a listener say.

import type { Millis } from '../../core/time.ts'

/** A session of a listener: where its client comes in and from, both as `10.1.6.173:3366` or `[2001:db8::1]:3366` (RFC 5952). */
export type SessionOfClient = { readonly listener: string; readonly bind: string; readonly client: string }

/**
 * A session that slots alone would send to another server. `idle` is how long ago its client was heard, when this was
 * made; it is over when its client was silent for `timeout`. No clocks are compared: what is left of it is the difference.
 */
export type SessionException = SessionOfClient & {
  readonly server: string
  readonly idle: Millis
  readonly timeout: Millis
}

/** A session that is over. `idle`: how long ago its client said goodbye or it was ended, when this was made; null: that was not seen. */
export type SessionOver = SessionOfClient & { readonly idle: Millis | null }

/** What is to be said about sessions that another balancer has told: those of which more is known here, and those that are over. */
export type BetterKnown = { readonly better: readonly SessionException[]; readonly over: readonly SessionOver[] }
