// What is to end once the rules do not send anybody there any more: attempts and sessions, in the order of the plans. What
// cannot be ended at once is tried again. And what an operator orders to end.

import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Flow } from '../../os/conntrack-message.ts'
import { done, type Outcome } from '../../os/outcome.ts'
import type { PlanEffect } from '../core/plan.ts'
import { everybody } from '../core/planned-server.ts'
import { listenerMask, ownMark, ownMask } from './core/marks.ts'
import type { SessionEnd } from './core/session-counts.ts'
import type { SessionTracker } from './session-tracker.ts'

/** Carries out what is due, in order. */
export type Endings = {
  /** When the rules have changed, or could not be: who is dead is dead. */
  readonly carryOut: (effects: readonly { readonly effect: PlanEffect; readonly mark: number }[]) => void
  /** Ends all sessions of a listener that is gone; `mark` is that of any of its servers. */
  readonly endListener: (mark: number) => void
  /** Ends what came through an address that has left this host. */
  readonly endAddress: (mark: number, address: Uint8Array) => void
  /**
   * Ends sessions by order of an operator: those of the server with this mark, or of all that `only` says yes to, by the client's
   * flow. A client that asks again may get the same server.
   */
  readonly order: (mark: number | null, only?: (flow: Flow) => boolean) => Promise<Ordered>
  /** Resolves when all of it is done. */
  readonly done: () => Promise<void>
}

/** How many sessions an order has ended, by mark, and why others go on. */
type Ordered = { readonly ended: ReadonlyMap<number, number>; readonly outcome: Outcome }

export type EndingsOptions = {
  readonly tracker: Pick<SessionTracker, 'endAttempts' | 'endSessions'>
  readonly change: () => Promise<Outcome>
  /** Something has ended: the counts are others. */
  readonly onEnded: () => void
  readonly log: Logger
  /** Milliseconds before each further try, when the kernel refused; for tests. */
  readonly retries?: readonly number[]
}

/** What began after `limit`, by performance.now(), has come since the task was first tried. */
type Task = {
  readonly run: (limit: number) => Outcome<unknown> | Promise<Outcome<unknown>>
  readonly settled?: (outcome: Outcome<unknown>) => void
}

const wholeMark = 0xffffffff
/** Memory that the kernel is short of, and a table that changes its size: both pass. */
const usualRetries = [50, 200, 800]

/** Nothing is due yet. */
export const createEndings = (options: EndingsOptions): Endings => {
  const { tracker, change, onEnded, log, retries = usualRetries } = options
  let due: Task[] = []
  let last: Promise<void> = Promise.resolve()

  const workOff = async (): Promise<void> => {
    const now = due
    due = []
    if (now.length === 0) return
    await change()
    let left = await runAll(now, everybody, retries.length === 0)
    const limit = performance.now()
    for (const [i, pause] of retries.entries()) {
      if (left.length === 0) break
      await wait(pause)
      left = await runAll(left, limit, i === retries.length - 1)
    }
    onEnded()
  }
  /** Returns those that are to be tried again. */
  const runAll = async (tasks: readonly Task[], limit: number, isLast: boolean): Promise<readonly Task[]> => {
    const failed: Task[] = []
    for (const task of tasks) {
      const outcome = await task.run(limit)
      if (outcome.ok || isLast) task.settled?.(outcome)
      else failed.push(task)
      if (!outcome.ok && isLast) log.error(`Sessions that should have ended go on: ${outcome.text}`)
    }
    return failed
  }
  const add = (tasks: readonly Task[]): void => {
    if (tasks.length === 0) return
    due.push(...tasks)
    last = last.then(workOff)
  }
  const taskOf = (effect: PlanEffect, mark: number): readonly Task[] => {
    switch (effect.effect) {
      case 'end-attempts':
        return [{ run: () => tracker.endAttempts(mark) }]
      case 'end-sessions': {
        const { reason, begunBefore } = effect
        return [{ run: (limit) => tracker.endSessions(upTo(ofServer(mark), Math.min(begunBefore, limit)), reason) }]
      }
      case 'forget-failures':
        // A client that asks again may be given any server.
        return []
      default:
        return effect satisfies never
    }
  }
  const endListener = (mark: number, reason: SessionEnd, only?: (flow: Flow) => boolean): void =>
    add([{ run: (limit) => tracker.endSessions(upTo(ofListener(mark), limit), reason, only) }])
  return {
    carryOut: (effects) => add(effects.flatMap(({ effect, mark }) => taskOf(effect, mark))),
    endListener: (mark) => endListener(mark, 'stopped'),
    endAddress: (mark, address) =>
      endListener(mark, 'address-left', ({ destination }) => Buffer.compare(destination, address) === 0),
    order: (mark, only) =>
      new Promise((resolve) => {
        const ended = new Map<number, number>()
        const marks = mark === null ? everything : ofServer(mark)
        const count = (of: number): void => void ended.set(of, 1 + (ended.get(of) ?? 0))
        const run = (limit: number) => tracker.endSessions(upTo(marks, limit), 'ordered', only, count)
        add([{ run, settled: (outcome) => resolve({ ended, outcome: outcome.ok ? done : outcome }) }])
      }),
    done: () => last,
  }
}

type Marks = { readonly value: number; readonly mask: number }

const everything: Marks = { value: ownMark, mask: ownMask }
const ofServer = (mark: number): Marks => ({ value: mark, mask: wholeMark })
const ofListener = (mark: number): Marks => ({ value: (mark & listenerMask) >>> 0, mask: listenerMask })

/** Those that began in that very moment are meant as well. */
const upTo = (marks: Marks, moment: number) => ({ ...marks, begunBefore: moment + 1 })
