// Long work in slices, so that checks and the runtime socket have their turn in between.

import { performance } from 'node:perf_hooks'
import { setImmediate as others } from 'node:timers/promises'

/** Milliseconds of work in a row. */
const slice = 5

/** Takes all that `pieces` gives, with pauses. */
export const inSlices = async <T>(pieces: Iterable<T>, take: (piece: T) => void): Promise<void> => {
  let until = performance.now() + slice
  for (const piece of pieces) {
    take(piece)
    if (performance.now() < until) continue
    await others()
    until = performance.now() + slice
  }
}
