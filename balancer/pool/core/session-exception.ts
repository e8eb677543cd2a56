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
