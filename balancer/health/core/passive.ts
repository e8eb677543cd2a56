// What connect failures of sessions say of a server (HAProxy: `observe layer4`).

import type { ListenerConfig } from '../../config/schema.ts'
import type { ServerTraffic } from '../../pool/core/facts.ts'

/** What follows from the failures: nothing, an early check, a failed check, or down at once. */
export type PassiveVerdict = 'nothing' | ListenerConfig['observe']['on_error']

type Failures = Pick<ServerTraffic, 'refusedConnects' | 'failuresInARow'>

/**
 * Judges the failures of a server since the last look. A refused connection leaves no doubt; others count up to the limit.
 * A number that the datapath does not know says nothing.
 */
export const judgeFailures = (
  { enabled, error_limit: limit, on_error: onError }: ListenerConfig['observe'],
  before: Failures | undefined,
  now: Failures,
): PassiveVerdict => {
  if (!enabled || before === undefined) return 'nothing'
  if (hasGrown(before.refusedConnects, now.refusedConnects)) return 'mark_down'
  const [earlier, inARow] = [before.failuresInARow ?? 0, now.failuresInARow ?? 0]
  const counted = inARow < earlier ? 0 : earlier
  return Math.floor(inARow / limit) > Math.floor(counted / limit) ? onError : 'nothing'
}

const hasGrown = (before: number | null, now: number | null): boolean => before !== null && now !== null && now > before
