// Whether a listener takes new sessions: where nobody can have one, clients ask again for a while, and are refused then.

import type { Millis } from '../../../core/time.ts'

/**
 * `all`: who asks gets a server. `later`: nobody answers, and the client's kernel asks again after 1 s, 3 s, …, which is the
 * queue of this datapath. `none`: refused. `closedSince` is a moment of the caller's clock, null while it takes sessions.
 */
export type Admission = { readonly admits: 'all' | 'later' | 'none'; readonly closedSince: number | null }

/** What decides. `patience`: how long clients ask again in vain (balancer.yaml: timeouts.queue). */
export type AdmissionInput = {
  readonly hasTarget: boolean
  readonly isHandingOver: boolean
  readonly isFull: boolean
  readonly patience: Millis
}

/** The admission at a moment. Nobody is refused while a writer waits for the sessions of the one before it to end. */
export const admissionAt = (
  before: Admission,
  at: number,
  { hasTarget, isHandingOver, isFull, patience }: AdmissionInput,
): Admission => {
  if (hasTarget && !isFull) return { admits: 'all', closedSince: null }
  const closedSince = before.closedSince ?? at
  const waits = isHandingOver || at - closedSince < patience
  return { admits: waits ? 'later' : 'none', closedSince }
}
