// What another balancer tells of a session, and what this one knows of it: the one who saw its client last is right. PURE.

import { type Millis, millis } from '../../../core/time.ts'
import type { Flow } from './flow-book.ts'

/** A session as it was told: which server has it, how long its client had been silent then, and after how much silence it is over. */
export type ToldFlow = { readonly number: number; readonly idle: Millis; readonly timeout: Millis }

/**
 * What to do about it. `add`: where the map has none by now. `replace`: in place of what the map has. `keep-own`: nothing; this
 * balancer may know better, and has to say so then: that it is on another server, or that it is over.
 */
export type Merge =
  | { readonly kind: 'add' | 'replace'; readonly number: number; readonly timeout: Millis; readonly expires: Millis }
  | { readonly kind: 'keep-own'; readonly knows: 'nothing-better' | 'another-server' | 'it-is-over' }

/** Entries of one server that differ by less are the same: what was told travels, and would be prolonged each time. */
const tolerance = 1000
/**
 * A session that has ended here is not the same one that is told, unless its client was heard so much later: what is told seems younger by
 * the time that it travels, and a client says goodbye milliseconds after its last word. A new one is told again and again.
 */
const endedTolerance = 5000

/**
 * Merges what was told now with the own flow of the same client, if any. Of two that are as fresh the own one is kept. A flow
 * that was ended here, or whose client has said FIN here, gives way to a session that was seen after that, and to no older one.
 */
export const mergeTold = (own: Flow | null, told: ToldFlow, now: Millis): Merge => {
  const expires = millis(told.timeout - told.idle)
  if (expires <= 0) return { kind: 'keep-own', knows: 'nothing-better' }
  const theirs = { number: told.number, timeout: told.timeout, expires }
  if (own === null || own.expiresAt <= now) return { kind: 'add', ...theirs }
  const isOver = own.state === 'closing' || own.state === 'ended'
  const aheadBy = now - told.idle - own.heardAt
  const isSame = own.number === told.number && own.state !== 'attempt'
  const least = isOver ? endedTolerance : tolerance
  if (aheadBy > (isSame ? least : 0)) return { kind: 'replace', ...theirs }
  if (isOver) return { kind: 'keep-own', knows: 'it-is-over' }
  const isOther = own.number !== told.number && own.state === 'live'
  return { kind: 'keep-own', knows: isOther ? 'another-server' : 'nothing-better' }
}
