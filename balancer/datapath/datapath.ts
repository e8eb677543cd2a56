// What a datapath is to the process that runs it, whatever forwards: sockets of that process, or rules of the kernel that go
// on without it.

import type { Logger } from 'pino'
import type { ListenerConfig } from '../config/schema.ts'
import type { Millis } from '../core/time.ts'
import type { ListeningHandle } from '../os/listening-handle.ts'
import type { Fact, ListenerFact, ServerHealthFact, WriterFact } from '../pool/core/facts.ts'
import type { SessionList } from '../pool/core/session-list.ts'
import type { SessionsEnded, SessionsToEnd } from '../pool/core/session-order.ts'

/** What decides where sessions go: the health of a server, or who the writer is. */
export type DecidingFact = ServerHealthFact | WriterFact

/** Whether a datapath has to hear a fact. */
export const decides = (fact: Fact): fact is DecidingFact => fact.fact === 'server-health' || fact.fact === 'writer'

/**
 * What a datapath starts with: its own listeners, and what is known of their servers, so that it forwards by that from the first
 * session on, and takes no target away from what another process left. It says with `publish` how its listeners are, when
 * that changed and from time to time. `inherit` takes what the process before this one listens on at an address and port;
 * undefined where it does not.
 */
export type DatapathOptions = {
  readonly listeners: readonly ListenerConfig[]
  readonly facts: readonly DecidingFact[]
  readonly log: Logger
  readonly publish: (fact: ListenerFact) => void
  readonly inherit: (endpoint: string) => ListeningHandle
}

/** A datapath that forwards. It watches the addresses of this host itself, and ends what came through one that left. */
export type RunningDatapath = {
  /** What follows from it may take effect a little later, in order. */
  readonly hear: (fact: DecidingFact) => void
  /**
   * Goes on with other listeners; sessions stay with what stays. `facts` are for those that are new here, and were another
   * datapath's until now. Throws `FailedStart` and changes nothing.
   */
  readonly reconfigure: (listeners: readonly ListenerConfig[], facts: readonly DecidingFact[]) => Promise<void>
  /**
   * Ends sessions by order of an operator, with the reason `ordered`: at once, without a grace, whatever state their server is in.
   * Both sides hear a reset; attempts to connect begin anew. Listeners, servers and clients that are none of this datapath's have
   * nothing to end here, which is no trouble: several datapaths are asked, and their answers added. After `retire` it still answers for
   * the sessions that it has kept.
   */
  readonly endSessions: (end: SessionsToEnd) => Promise<SessionsEnded>
  /** The sessions that there are now, as far as this datapath knows them, those of clients that wait included; see `collectSessions`. */
  readonly listSessions: () => Promise<SessionList>
  /** Resolves when no client can reach a listener any more, at the latest after `limit`. */
  readonly unreachable: (limit: Millis) => Promise<void>
  /** What it listens on, by address and port, for a process that takes its place: nothing where rules forward. */
  readonly handles: () => ReadonlyMap<string, ListeningHandle>
  /** That process does not take its place after all. */
  readonly goOn: () => void
  /**
   * Leaves new clients to the process that takes its place, and resolves when those that need this one are gone: at once where
   * rules forward. Those are the other process's from now on: `stop` leaves them as they are then.
   */
  readonly retire: () => Promise<void>
  /** Ends all sessions and takes away what it set up, after the addresses were handed over; resolves when that is done. */
  readonly stop: () => Promise<void> | void
}

/** Starts a datapath, with what it alone needs beside. Clients reach a listener as soon as its address is here. Throws `FailedStart`. */
export type StartDatapath<Own extends object> = (options: DatapathOptions & Own) => Promise<RunningDatapath>
