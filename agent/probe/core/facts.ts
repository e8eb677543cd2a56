// What one probe found out about the server, before anybody judges it.

import type { Millis } from '../../core/time.ts'
import type { Backlog } from './backlog.ts'
import type { Failure } from './failure.ts'
import type { Channel } from './replication.ts'
import type { Row } from './rows.ts'

/** Variables and statuses by name, in the server's own words. */
export type Words = Readonly<Record<string, string>>

/** What the server told when it was asked, or why it did not. */
export type Told<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly failure: Failure }

/** What a server that let us in told. What does not exist on a server of its kind is null. */
export type ServerFacts = {
  /** Why the check query failed, or null. */
  readonly check: Failure | null
  readonly words: Told<Words>
  /** What it replicates from; an empty list on a server that is no replica. */
  readonly channels: Told<readonly Channel[]>
  /** Rows of performance_schema.replication_group_members. */
  readonly groupMembers: Told<readonly Row[]> | null
  /** What waits to be applied, on a member of a Galera cluster or of a group that tells. */
  readonly backlog: Told<Backlog> | null
  /** Rows of ndbinfo.nodes. */
  readonly dataNodes: Told<readonly Row[]> | null
  /** Null where it is not looked at. */
  readonly disk: Told<DiskSpace> | null
  /** Why the write to the heartbeat table failed; null where it worked or none was due. */
  readonly write: Failure | null
  /** Why the usual port let nobody in, where the extra port was used in its place. */
  readonly refused: Failure | null
  /** Hosts that the server blocks or soon will; none where it does not tell. */
  readonly hosts: readonly HostErrors[]
  /** Why a client would not get in now: all connections are taken, or the server does not listen where clients come in. */
  readonly closed?: Failure | null
  /** What the login where clients come in met, in words; null where none was made. */
  readonly door?: string | null
  /** What an operator should know of the check user, in words; null where there is nothing. */
  readonly account?: string | null
}

/** Logins of a host that broke off in a row, and how many of them (`most`) have the server block it. */
export type HostErrors = { readonly address: string; readonly errors: number; readonly most: number }

/** Space and inodes that are free, in percent. */
export type DiskSpace = { readonly directory: string; readonly free: number; readonly freeInodes: number }

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
