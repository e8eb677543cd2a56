// Which sessions end when a server must not have them any more. PURE.

import type { TrackedEntry } from './sessions.ts'

/**
 * Sessions to end: those with `mark & mask === value` (a server, a listener, or all of ours) that began before a moment, or at
 * an unknown one. Attempts to connect end whenever they began: their clients' kernels ask again.
 */
export type Ending = { readonly value: number; readonly mask: number; readonly begunBefore: number }

/** What becomes of an entry: it stays, it is an attempt to withdraw, or a session to end, whose two sides have to be told. */
export type Fate = 'stay' | 'withdraw' | 'end'

/** `begunAt` is a moment of the same clock as `begunBefore`; null: not known. */
export const fateOf = (entry: TrackedEntry, begunAt: number | null, { value, mask, begunBefore }: Ending): Fate => {
  // The kernel was asked for these only; whoever asks it for too much still ends nothing that is not meant.
  if ((entry.mark & mask) >>> 0 !== value) return 'stay'
  switch (entry.tcpState) {
    case 'time-wait':
    case 'close':
    case null:
      return 'stay'
    case 'syn-sent':
      return 'withdraw'
    default:
      return begunAt === null || begunAt < begunBefore ? 'end' : 'stay'
  }
}
