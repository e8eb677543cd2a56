// Has live sessions end by the timeouts of today: a reload may have changed them, and somebody may have flushed the rules.

import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import type { Millis } from '../../core/time.ts'
import { type IdleSessions, watchIdleSessions } from './core/idle-sessions.ts'
import { listenerMask } from './core/marks.ts'
import { secondsOf } from './core/names.ts'
import type { SessionTracker } from './session-tracker.ts'

/** What looks after them. */
export type TimeoutsSweep = {
  /** The listener that a mark belongs to has this timeout from now on; its sessions began with others, the shortest of them `before`. */
  readonly begin: (mark: number, idle: Millis, before: Millis) => void
  /** It is gone. */
  readonly forget: (mark: number) => void
  readonly stop: () => void
}

type Swept = {
  readonly sessions: IdleSessions
  readonly begunBefore: number
  readonly interval: number
  due: number
}

const [shortest, longest] = [1, 10]
const tick = 1000

/** Nobody has old timeouts yet. */
export const sweepTimeouts = (tracker: Pick<SessionTracker, 'setTimeouts'>, log: Logger): TimeoutsSweep => {
  const swept = new Map<number, Swept>()
  let isSweeping = false

  const sweep = async (mark: number, one: Swept): Promise<void> => {
    const now = performance.now()
    one.due = now + one.interval * tick
    const set = await tracker.setTimeouts({ value: mark, mask: listenerMask }, (entry, begunAt) =>
      begunAt !== null && begunAt > one.begunBefore ? null : one.sessions.secondsFor(entry, now),
    )
    if (!set.ok) log.warn({ text: set.text }, `Sessions keep the timeouts that they began with: ${set.text}`)
    else if (one.sessions.endLook() === 0 && swept.get(mark) === one) swept.delete(mark)
  }
  const timer = setInterval(async () => {
    if (isSweeping) return
    isSweeping = true
    for (const [mark, one] of swept) if (performance.now() >= one.due) await sweep(mark, one)
    isSweeping = false
  }, tick)
  const partOf = (mark: number): number => (mark & listenerMask) >>> 0
  return {
    begin: (mark, idle, before) => {
      // Often enough to be there before the shorter one is over.
      const interval = Math.min(longest, Math.max(shortest, Math.floor(secondsOf(Math.min(idle, before)) / 4)))
      swept.set(partOf(mark), {
        sessions: watchIdleSessions(secondsOf(idle), interval),
        begunBefore: performance.now(),
        interval,
        due: 0,
      })
    },
    forget: (mark) => void swept.delete(partOf(mark)),
    stop: () => clearInterval(timer),
  }
}
