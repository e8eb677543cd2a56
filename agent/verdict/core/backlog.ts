// The applier test of a cluster's member: is it not too far behind its cluster, and are its queues short enough?

import type { Millis } from '../../core/time.ts'
import type { ServerFacts, Words } from '../../probe/core/facts.ts'
import type { Reason } from './reason.ts'

/** How many transactions may wait; null for what is not bounded. */
export type QueueBounds = { readonly max_apply: number | null; readonly max_certify: number | null } | null

const millisPerSecond = 1000

/** Why a member that is in sync by its own word must not serve, or null, also where its queues are not told. */
export const backlogObjection = ({ backlog }: ServerFacts, maximumLag: Millis, bounds: QueueBounds): Reason | null => {
  if (backlog === null || !backlog.ok) return null
  const { delay, applying, certifying } = backlog.value
  const allowed = maximumLag / millisPerSecond
  const lagging = (text: string): Reason => ({ code: 'replication-lag', text })
  if (delay > allowed) {
    return lagging(
      `the applier is ${delay.toFixed(1)} s behind (${applying} transactions wait), allowed are ${allowed} s`,
    )
  }
  const { max_apply: maxApply = null, max_certify: maxCertify = null } = bounds ?? {}
  if (maxApply !== null && applying > maxApply) {
    return lagging(`${applying} transactions wait to be applied, allowed are ${maxApply}`)
  }
  return maxCertify !== null && certifying !== null && certifying > maxCertify
    ? lagging(`${certifying} transactions wait to be certified, allowed are ${maxCertify}`)
    : null
}

/** What a report shows of the queues. */
export const backlogFacts = ({ backlog }: ServerFacts): Words => {
  if (backlog === null) return {}
  if (!backlog.ok) return { applier: `not visible: ${backlog.failure.text}` }
  const { delay, applying, certifying } = backlog.value
  const queued = certifying === null ? '' : `, ${certifying} to be certified`
  return { applier: `${delay.toFixed(1)} s behind, ${applying} to be applied${queued}` }
}
