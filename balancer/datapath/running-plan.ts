// A plan that runs: it has a clock, hears facts, wakes up at its deadlines, and tells its datapath what to do.

import { performance } from 'node:perf_hooks'
import type { ListenerConfig } from '../config/schema.ts'
import { type Millis, millis } from '../core/time.ts'
import type { ServerHealthFact } from '../pool/core/facts.ts'
import {
  deadlineOf,
  type Plan,
  type PlanEffect,
  type PlanEvent,
  startPlan,
  step,
  type Targets,
  targetsOf,
} from './core/plan.ts'

/** The plan of one listener. */
export type RunningPlan = {
  readonly hear: (fact: ServerHealthFact) => void
  readonly setWriter: (server: string | null) => void
  readonly reconfigure: (config: ListenerConfig) => void
  /** A server has no session and no attempt left. */
  readonly emptied: (id: number) => void
  readonly plan: () => Plan
  /** The targets now: the same object until they change. */
  readonly targets: () => Targets
  readonly stop: () => void
}

export type RunningPlanOptions = {
  readonly config: ListenerConfig
  /** See `startPlan`. */
  readonly adopts: boolean
  /** The plan is another one: carries out the effects, moments of `performance.now()`, in order. May call the plan. */
  readonly onStep: (effects: readonly PlanEffect[]) => void
}

/** Starts the plan of a listener. */
export const runPlan = ({ config, adopts, onStep }: RunningPlanOptions): RunningPlan => {
  let plan = startPlan(config, { adopts })
  let timer: NodeJS.Timeout | undefined
  let known: { readonly of: Plan; readonly targets: Targets } | undefined

  const now = (): Millis => millis(performance.now())
  const take = (event: PlanEvent): void => {
    const [next, effects] = step(plan, event)
    const isSame = next === plan && effects.length === 0
    plan = next
    wakeUp()
    if (!isSame) onStep(effects)
  }
  const wakeUp = (): void => {
    clearTimeout(timer)
    const deadline = deadlineOf(plan)
    if (deadline === null) return
    timer = setTimeout(() => take({ event: 'deadline-reached', at: now() }), Math.max(1, Math.ceil(deadline - now())))
  }
  return {
    // A worker that was started again finds servers that have been up for long.
    hear: (fact) => take({ event: 'health', at: now(), fact, lasted: millis(Math.max(0, Date.now() - fact.since)) }),
    setWriter: (server) => take({ event: 'writer', at: now(), server }),
    reconfigure: (next) => take({ event: 'reconfigured', at: now(), config: next }),
    emptied: (id) => take({ event: 'emptied', at: now(), id }),
    plan: () => plan,
    targets: () => {
      const { changesAt } = known?.targets ?? { changesAt: null }
      if (known?.of !== plan || (changesAt !== null && now() >= changesAt)) {
        known = { of: plan, targets: targetsOf(plan, now()) }
      }
      return known.targets
    },
    stop: () => clearTimeout(timer),
  }
}
