// A session of the kernel datapath as the session log has it.

import { addressText } from '../../core/ip-address.ts'
import { type SessionRecord, terminationState } from '../../pool/core/session-record.ts'
import type { TrackedSession } from './session-tracker.ts'
import type { SessionView } from './session-view.ts'

const nobody = { address: '0.0.0.0', port: 0 }

/** Its record. Nobody waits here, and how long a connect took is not known. */
export const sessionLine = (
  { mark, reason, duration, bytesIn, bytesOut, client, startedAt }: TrackedSession,
  names: { readonly listener: string; readonly server: string },
  view: SessionView,
): SessionRecord => {
  const ofListener = view.sessionsOfListener(mark) + 1
  const all = [...view.listeners().values()].reduce((sum, { sessions }) => sum + sessions, 0)
  return {
    client: client === undefined ? nobody : { address: addressText(client.source), port: client.sourcePort },
    ...names,
    acceptedAt: startedAt ?? Date.now() - (duration ?? 0),
    queued: 0,
    connecting: null,
    total: duration,
    bytes: bytesIn === null || bytesOut === null ? null : { in: bytesIn, out: bytesOut },
    end: reason,
    state: terminationState(reason, 'data', false),
    retries: 0,
    isRedispatched: false,
    sessions: { process: all + 1, listener: ofListener, placed: ofListener, server: view.sessionsOf(mark) + 1 },
    position: 0,
  }
}
