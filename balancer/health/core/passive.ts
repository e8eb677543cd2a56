// What connect failures of sessions say of a server (HAProxy: `observe layer4`).

import type { ListenerConfig } from '../../config/schema.ts'
import type { ServerTraffic } from '../../pool/core/facts.ts'

/** What follows from the failures: nothing, an early check, a failed check, or down at once. */
export type PassiveVerdict = 'nothing' | ListenerConfig['observe']['on_error']

type Failures = Pick<ServerTraffic, 'refusedConnects' | 'failuresInARow'>

/** Judges the failures of a server since the last look. A refused connection leaves no doubt; others count up to the limit. */
export const judgeFailures = (
  { enabled, error_limit: limit, on_error: onError }: ListenerConfig['observe'],
  before: Failures | undefined,
  now: Failures,
): PassiveVerdict => {
  if (!enabled || before === undefined) return 'nothing'
  if (now.refusedConnects > before.refusedConnects) return 'mark_down'
  const counted = now.failuresInARow < before.failuresInARow ? 0 : before.failuresInARow
  return Math.floor(now.failuresInARow / limit) > Math.floor(counted / limit) ? onError : 'nothing'
}
