// What is counted of sessions, per server and per listener, as the user-space proxy counts its own.

/**
 * How a session ended: both sides closed it, one reset it, it was idle too long, its client never came back after the server's
 * answer, somebody else deleted its entry, or nobody saw how; the rest are reasons that this program gave.
 */
export const sessionEnds = [
  'unseen',
  'closed',
  'reset',
  'timeout',
  'client-left',
  'deleted',
  'server-down',
  'demoted',
  'active-server-up',
  'server-removed',
  'address-left',
  'stopped',
  'ordered',
] as const
export type SessionEnd = (typeof sessionEnds)[number]

/** One server through one listener, as ServerTraffic of pool/core/facts.ts has it. `mark` is that of its entries. */
export type ServerCount = {
  readonly mark: number
  readonly sessions: number
  readonly maximumSessions: number
  readonly totalSessions: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly connectFailures: number
  readonly refusedConnects: number
  readonly failuresInARow: number
}

/** All servers of a listener; `mark` is the listener's part of their marks. */
export type ListenerCount = Pick<ServerCount, 'mark' | 'sessions' | 'maximumSessions' | 'totalSessions'> & {
  readonly ends: Readonly<Partial<Record<SessionEnd, number>>>
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }
type ListenerTally = Writable<Omit<ListenerCount, 'ends'>> & { readonly ends: Partial<Record<SessionEnd, number>> }
type ServerTally = Writable<ServerCount>

/** The counters of one server and of its listener, changed together. */
export type Tally = {
  readonly enter: () => void
  readonly leave: () => void
  /** It has been established. */
  readonly countSession: () => void
  /** The server answered an attempt. */
  readonly countAnswer: () => void
  readonly countFailure: (isRefused: boolean) => void
  readonly countBytes: (bytesIn: number, bytesOut: number) => void
  readonly countEnd: (reason: SessionEnd) => void
}

/** All counters. `of` makes those of a mark that is new. */
export type Tallies = {
  readonly of: (mark: number) => Tally
  /** Connect failures of all of them, those of forgotten ones too. */
  readonly failures: () => number
  readonly servers: () => readonly ServerCount[]
  readonly listeners: () => readonly ListenerCount[]
  readonly forget: (mark: number) => void
}

/** `listenerMask` is the part of a mark that tells the listener. */
export const createTallies = (listenerMask: number): Tallies => {
  const servers = new Map<number, { readonly server: ServerTally; readonly tally: Tally }>()
  const listeners = new Map<number, ListenerTally>()
  let failures = 0
  const countFailure = (): void => {
    failures += 1
  }
  const listenerPart = (mark: number): number => (mark & listenerMask) >>> 0
  return {
    of: (mark) => {
      const known = servers.get(mark)
      if (known !== undefined) return known.tally
      const part = listenerPart(mark)
      const listener = listeners.get(part) ?? {
        mark: part,
        sessions: 0,
        maximumSessions: 0,
        totalSessions: 0,
        ends: {},
      }
      listeners.set(part, listener)
      const server = { ...nothing, mark }
      const tally = tallyOf(server, listener, countFailure)
      servers.set(mark, { server, tally })
      return tally
    },
    failures: () => failures,
    servers: () => [...servers.values()].map(({ server }) => ({ ...server })),
    listeners: () => [...listeners.values()].map((listener) => ({ ...listener, ends: { ...listener.ends } })),
    forget: (mark) => {
      servers.delete(mark)
      const part = listenerPart(mark)
      if (![...servers.keys()].some((other) => listenerPart(other) === part)) listeners.delete(part)
    },
  }
}

const tallyOf = (server: ServerTally, listener: ListenerTally, onFailure: () => void): Tally => {
  const both = [server, listener]
  return {
    enter: () => {
      for (const one of both) {
        one.sessions += 1
        one.maximumSessions = Math.max(one.maximumSessions, one.sessions)
      }
    },
    leave: () => {
      for (const one of both) one.sessions -= 1
    },
    countSession: () => {
      for (const one of both) one.totalSessions += 1
    },
    countAnswer: () => {
      server.failuresInARow = 0
    },
    countFailure: (isRefused) => {
      onFailure()
      server.connectFailures += 1
      server.failuresInARow += 1
      if (isRefused) server.refusedConnects += 1
    },
    countBytes: (bytesIn, bytesOut) => {
      server.bytesIn += bytesIn
      server.bytesOut += bytesOut
    },
    countEnd: (reason) => {
      listener.ends[reason] = (listener.ends[reason] ?? 0) + 1
    },
  }
}

const nothing = {
  sessions: 0,
  maximumSessions: 0,
  totalSessions: 0,
  bytesIn: 0,
  bytesOut: 0,
  connectFailures: 0,
  refusedConnects: 0,
  failuresInARow: 0,
}
