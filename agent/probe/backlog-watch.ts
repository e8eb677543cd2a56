// Follows the queues of one member from probe to probe.

import { performance } from 'node:perf_hooks'
import { millis } from '../core/time.ts'
import { type Arrivals, afterLook, type Backlog, type Queues } from './core/backlog.ts'

/** Takes what the member says now and tells how long its applier is behind. */
export type BacklogWatch = (queues: Queues) => Backlog

/** The watch over one server, across its logins. */
export const createBacklogWatch = (): BacklogWatch => {
  let arrivals: Arrivals = []
  return (queues) => {
    const look = afterLook(arrivals, millis(performance.now()), queues)
    arrivals = look.arrivals
    return { ...queues, delay: look.delay }
  }
}
