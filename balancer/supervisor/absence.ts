// What becomes of the addresses while the vrrp process is away: before the other routers miss it, they are told.

import type { Logger } from 'pino'
import type { BalancerConfig } from '../config/schema.ts'
import type { Millis } from '../core/time.ts'
import { monotonicNow } from '../os/clock.ts'
import type { VirtualRouterFact } from '../pool/core/facts.ts'
import { farewellAt } from './core/processes.ts'

/** The vrrp process, seen by what it left behind. */
export type Absence = {
  /** It died at a moment, and is started again after `delay`. Further deaths before it is back do not put anything off. */
  readonly begin: (diedAt: Millis, delay: Millis) => void
  /** It is back, and sees to its addresses itself. */
  readonly end: () => void
  /** It will not be back: resolves when what it left has been handed over. */
  readonly conclude: () => Promise<void>
}

/**
 * Tells the other routers that the instances of these facts, master here until their process died, are masters no more, and
 * takes their addresses away; unless `back` says that their process is here again.
 */
export type Farewell = (
  config: BalancerConfig,
  masters: readonly VirtualRouterFact[],
  log: Logger,
  back: AbortSignal,
) => Promise<void>

export type AbsenceOptions = {
  /** The instances that the dead process had as master. */
  readonly masters: () => readonly VirtualRouterFact[]
  /** Hands over what these had; ends early with `back`, and does not reject. */
  readonly handOver: (masters: readonly VirtualRouterFact[], back: AbortSignal) => Promise<void>
}

type Away = {
  readonly back: AbortController
  readonly dueAt: Millis
  readonly timer: NodeJS.Timeout | undefined
  /** Under way, once it has begun. */
  handOver: Promise<void> | null
}

/** Nobody is away yet. */
export const createAbsence = ({ masters, handOver }: AbsenceOptions): Absence => {
  let away: Away | null = null

  const say = (one: Away): Promise<void> => {
    clearTimeout(one.timer)
    one.handOver ??= handOver(masters(), one.back.signal).then(() => {
      if (away === one) away = null
    })
    return one.handOver
  }
  const expect = (dueAt: Millis): void => {
    clearTimeout(away?.timer)
    const timer = setTimeout(() => void say(one), Math.max(0, dueAt - monotonicNow()))
    const one: Away = { back: new AbortController(), dueAt, timer, handOver: null }
    away = one
  }

  return {
    begin: (diedAt, delay) => {
      if (masters().length === 0 || (away !== null && away.handOver !== null)) return
      const dueAt = farewellAt(masters(), diedAt, delay)
      if (away === null || dueAt < away.dueAt) expect(dueAt)
    },
    end: () => {
      clearTimeout(away?.timer)
      away?.back.abort()
      away = null
    },
    conclude: async () => {
      if (masters().length === 0) return
      if (away === null) expect(monotonicNow())
      if (away !== null) await say(away)
    },
  }
}
