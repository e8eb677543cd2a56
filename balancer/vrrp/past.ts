// What a virtual router was in the process before this one: after a crash, or in another program.

import type { VirtualRouterFact } from '../pool/core/facts.ts'

/**
 * What an instance was in the process before this one; `was` is asked at its start: a master that is not missed yet, one that
 * may be by now, or none any more. Whether it had begun, or still waited for what it needs. And what an operator had ordered
 * there and has not taken back.
 */
export type Past = {
  readonly was: () => 'master' | 'late-master' | 'no-master'
  readonly hasBegun: () => boolean
  readonly standsBack: () => boolean
  readonly isInMaintenance: () => boolean
  /** What it told last, where this process goes on with that as if it were the same; undefined where it begins anew. */
  readonly continued: () => VirtualRouterFact | undefined
}
