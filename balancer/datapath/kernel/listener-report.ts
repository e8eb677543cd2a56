// What the kernel datapath tells of its listeners: counts of sessions, what the rules refused, and whether clients are served.

import { endpointText } from '../../core/endpoint.ts'
import type { ListenerFact } from '../../pool/core/facts.ts'
import { listenerMask } from './core/marks.ts'
import { type RefusalReason, refusalCounter, refusalReasons } from './core/names.ts'
import type { ListenerCount, ServerCount } from './core/session-counts.ts'
import type { RunningListener } from './listener.ts'

/** All that a fact is made of. `trouble`: why nobody is served who reaches one of the addresses; null where all are. */
export type ReportInput = {
  readonly listener: Pick<RunningListener, 'config' | 'places' | 'markOf' | 'isPanicking'>
  readonly servers: ReadonlyMap<number, ServerCount>
  readonly listeners: ReadonlyMap<number, ListenerCount>
  /** Packets by the name of the counter. */
  readonly refusals: ReadonlyMap<string, number>
  readonly trouble: string | null
  /** What a test of the packets' way found, for all listeners alike. */
  readonly findings: readonly string[]
}

/** The fact of one listener. Its addresses are open wherever they are now: whoever reaches one is forwarded. */
export const reportOf = ({ listener, servers, listeners, refusals, trouble, findings }: ReportInput): ListenerFact => {
  const { name, bind } = listener.config()
  const places = listener.places()
  const [mark = 0] = places.flatMap((place) => listener.markOf(place) ?? [])
  const all = listeners.get((mark & listenerMask) >>> 0)
  const refused = (reason: RefusalReason): number => refusals.get(refusalCounter(reason, name)) ?? 0
  return {
    fact: 'listener',
    listener: name,
    datapath: 'kernel',
    binds: bind.map((endpoint) => ({ address: endpointText(endpoint), open: trouble === null, why: trouble })),
    sessions: all?.sessions ?? 0,
    maximumSessions: all?.maximumSessions ?? 0,
    totalSessions: all?.totalSessions ?? 0,
    panicking: listener.isPanicking(),
    findings: findings.map((text) => ({ server: null, text })),
    ends: {
      ...all?.ends,
      ...Object.fromEntries(
        refusalReasons.filter((reason) => refused(reason) > 0).map((reason) => [reason, refused(reason)]),
      ),
    },
    servers: places.map((place) => {
      const count = servers.get(listener.markOf(place) ?? 0)
      return {
        server: place.server,
        sessions: count?.sessions ?? 0,
        maximumSessions: count?.maximumSessions ?? 0,
        totalSessions: count?.totalSessions ?? 0,
        bytesIn: count?.bytesIn ?? 0,
        bytesOut: count?.bytesOut ?? 0,
        connectFailures: count?.connectFailures ?? 0,
        refusedConnects: count?.refusedConnects ?? 0,
        failuresInARow: count?.failuresInARow ?? 0,
        detail: null,
      }
    }),
    detail: null,
  }
}
