// Sessions that began under other timeouts than their listener has now: the kernel goes by the old ones with each packet, so
// that somebody has to tell for how long they have been idle.

import type { TrackedEntry } from './sessions.ts'

/** A session as connection tracking tells it. */
type Live = Pick<TrackedEntry, 'id' | 'remaining' | 'bytes'>

/** The sessions of one listener. Moments are milliseconds of one clock; changed in place. */
export type IdleSessions = {
  /** In how many seconds this one should end if it goes on saying nothing; null: as it is. */
  readonly secondsFor: (entry: Live, at: number) => number | null
  /** All have been asked for: forgets those that are gone, and tells how many are left. */
  readonly endLook: () => number
}

/** What was seen last: bytes, or where they are not counted the second in which it would end; and since when that is so. */
type Seen = { readonly sign: number; readonly since: number; readonly look: number }

/** `idle` is the timeout in seconds, `slack` how far off an end may be before it is set. */
export const watchIdleSessions = (idle: number, slack: number): IdleSessions => {
  const seen = new Map<number, Seen>()
  let look = 0
  return {
    secondsFor: ({ id, remaining, bytes }, at) => {
      const before = seen.get(id)
      const end = Math.round(at / 1000 + (remaining ?? 0))
      const sign = bytes === null ? end : bytes.original + bytes.reply
      // Seconds are whole: an end that is one off is the same.
      const isSame = before !== undefined && Math.abs(sign - before.sign) <= (bytes === null ? 1 : 0)
      const since = isSame ? before.since : at
      const wanted = Math.max(1, Math.ceil(idle - (at - since) / 1000))
      const isRight = remaining !== null && Math.abs(remaining - wanted) <= slack
      const ownEnd = Math.round(at / 1000 + wanted)
      seen.set(id, { sign: bytes === null && !isRight ? ownEnd : sign, since, look })
      return isRight ? null : wanted
    },
    endLook: () => {
      for (const [id, one] of seen) if (one.look !== look) seen.delete(id)
      look += 1
      return seen.size
    },
  }
}
