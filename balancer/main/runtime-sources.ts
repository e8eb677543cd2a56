// Who knows what the runtime socket and the status page ask, and who carries out what is ordered there.

import type { Status } from '../admin/core/model/status.ts'
import type { ProcessFacts } from '../admin/core/views/haproxy-info.ts'
import type { Events } from '../pool/core/events.ts'
import type { ServerHealthFact } from '../pool/core/facts.ts'
import type { ServerOrder } from '../pool/core/server-order.ts'
import type { SessionList } from '../pool/core/session-list.ts'
import type { SessionsEnded, SessionsToEnd } from '../pool/core/session-order.ts'
import type { ReloadResult, RouterOrder } from '../supervisor/messages.ts'

/** A command that was refused; the message says why and what to do. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError'
}

/**
 * Who knows the answers. `order` tells what the server is then, undefined where there is no such server. `by` is who ordered it, in
 * words for the log.
 */
export type RuntimeSources = {
  readonly requestReload: () => Promise<ReloadResult>
  readonly requestReexec: () => Promise<ReloadResult>
  readonly orderRouter: (instance: string, order: RouterOrder, by: string) => Promise<ReloadResult>
  readonly status: () => Status
  readonly events: () => Events
  readonly endSessions: (end: SessionsToEnd, by: string) => Promise<SessionsEnded>
  readonly order: (order: Extract<ServerOrder, { ok: true }>, by: string) => ServerHealthFact | undefined
  readonly sessions: () => Promise<SessionList>
  readonly clearCounters: (all: boolean, by: string) => void
  readonly process: () => ProcessFacts
}

/** Carries out a command; `words` are those behind its own. Throws `RuntimeError` when it cannot. */
export type Run = (words: readonly string[], by: string) => Promise<string> | string
