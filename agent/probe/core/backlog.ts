// How far a member of a cluster is behind its cluster: what waits to be applied there, and since when.

import { type Millis, millis } from '../../core/time.ts'
import type { Words } from './facts.ts'
import type { Row } from './rows.ts'

/** What a member says of its queues, in transactions (Galera: write-sets). `certifying` is null where there is no such queue. */
export type Queues = {
  readonly applied: number
  readonly applying: number
  readonly certifying: number | null
}

/** The queues, and the seconds that the oldest transaction in the applier's has waited. */
export type Backlog = Queues & { readonly delay: number }

/** How many transactions had arrived at some moments, oldest first: only those that are not all applied. */
export type Arrivals = readonly { readonly at: Millis; readonly received: number }[]

const millisPerSecond = 1000
const maximumArrivals = 1000

/**
 * What is known after one more look. The oldest waiting transaction had arrived by the first look that counted more than are
 * applied now: the delay never says more than is true, and at most one interval less. It begins anew with the agent.
 */
export const afterLook = (
  arrivals: Arrivals,
  at: Millis,
  { applied, applying }: Queues,
): { readonly arrivals: Arrivals; readonly delay: number } => {
  const received = applied + applying
  const newest = arrivals.at(-1)?.received ?? received
  // A server that was started again counts from 0.
  const waiting = received < newest ? [] : arrivals.filter((one) => one.received > applied)
  const isNews = applying > 0 && received > (waiting.at(-1)?.received ?? -1)
  const all = isNews ? [...waiting, { at, received }] : waiting
  // The first one counts; those between can be fewer.
  const next = all.length > maximumArrivals ? all.filter((_, i) => i % 2 === 0) : all
  const since = next[0]?.at ?? at
  return { arrivals: next, delay: millis(at - since) / millisPerSecond }
}

/** Queues of a Galera node, by its statuses. */
export const galeraQueues = (words: Words): Queues | null => {
  const [applied, applying] = [count(words['wsrep_received']), count(words['wsrep_local_recv_queue'])]
  return applied === null || applying === null ? null : { applied, applying, certifying: null }
}

/** Queues of this member of a group, by performance_schema.replication_group_member_stats; null before MySQL 8.0. */
export const groupQueues = (words: Words, rows: readonly Row[]): Queues | null => {
  const own = rows.find((row) => row['member_id'] === words['server_uuid'])
  const applied = count(own?.['count_transactions_remote_applied'])
  const applying = count(own?.['count_transactions_remote_in_applier_queue'])
  if (applied === null || applying === null) return null
  return { applied, applying, certifying: count(own?.['count_transactions_in_queue']) }
}

const count = (text: string | null | undefined): number | null =>
  text != null && /^\d{1,15}$/.test(text) ? Number(text) : null
