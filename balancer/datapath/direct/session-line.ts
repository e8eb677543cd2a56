// A session of the direct datapath as the session log has it: what passed here of it, which is its client's half.

import type { Endpoint } from '../../core/endpoint.ts'
import { type SessionRecord, terminationState } from '../../pool/core/session-record.ts'
import type { SessionEnd } from '../kernel/core/session-counts.ts'

/** A flow that is over. `total` is how long it was seen, in milliseconds, right to a look at the flows; null: it was there before. */
export type EndedFlowRecord = {
  readonly client: Endpoint
  readonly listener: string
  readonly server: string | null
  readonly total: number | null
  readonly end: SessionEnd
}

/** Its record. `others` are the sessions left: of the process, of the listener and of the server. */
export const sessionLine = (
  { total, end, ...rest }: EndedFlowRecord,
  others: { readonly process: number; readonly listener: number; readonly server: number },
): SessionRecord => ({
  ...rest,
  acceptedAt: Date.now() - (total ?? 0),
  queued: 0,
  connecting: null,
  total,
  bytes: null,
  end,
  state: terminationState(end, 'data', false),
  retries: 0,
  isRedispatched: false,
  sessions: {
    process: others.process + 1,
    listener: others.listener + 1,
    placed: others.listener + 1,
    server: others.server + 1,
  },
  position: 0,
})
