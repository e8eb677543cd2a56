// The counts of sessions by mark, as they were at the last look.

import { listenerMask } from './core/marks.ts'
import type { ListenerCount, ServerCount } from './core/session-counts.ts'
import type { SessionTracker } from './session-tracker.ts'

/** Counts by mark. */
export type SessionView = {
  readonly look: () => void
  readonly servers: () => ReadonlyMap<number, ServerCount>
  readonly listeners: () => ReadonlyMap<number, ListenerCount>
  /** Sessions and attempts of a server, and of all servers of the listener that a mark belongs to. */
  readonly sessionsOf: (mark: number) => number
  readonly sessionsOfListener: (mark: number) => number
}

/** Looks for the first time. */
export const viewSessions = (tracker: Pick<SessionTracker, 'servers' | 'listeners'>): SessionView => {
  let servers = new Map<number, ServerCount>()
  let listeners = new Map<number, ListenerCount>()
  const look = (): void => {
    servers = new Map(tracker.servers().map((count) => [count.mark, count]))
    listeners = new Map(tracker.listeners().map((count) => [count.mark, count]))
  }
  look()
  return {
    look,
    servers: () => servers,
    listeners: () => listeners,
    sessionsOf: (mark) => servers.get(mark)?.sessions ?? 0,
    sessionsOfListener: (mark) => listeners.get((mark & listenerMask) >>> 0)?.sessions ?? 0,
  }
}
