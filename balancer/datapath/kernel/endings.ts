// What is to end once the rules do not send anybody there any more: attempts and sessions, in the order of the plans.

import type { Logger } from 'pino'
import type { Outcome } from '../../os/outcome.ts'
import type { PlanEffect } from '../core/plan.ts'
import { listenerMask } from './core/marks.ts'
import type { SessionTracker } from './session-tracker.ts'

/** Carries out what is due, in order. */
export type Endings = {
  /** When the rules have changed, or could not be: who is dead is dead. */
  readonly carryOut: (effects: readonly { readonly effect: PlanEffect; readonly mark: number }[]) => void
  /** Ends all sessions of a listener that is gone; `mark` is that of any of its servers. */
  readonly endListener: (mark: number) => void
  /** Ends what came through an address that has left this host. */
  readonly endAddress: (mark: number, address: Uint8Array) => void
  /** Resolves when all of it is done. */
  readonly done: () => Promise<void>
}

export type EndingsOptions = {
  readonly tracker: Pick<SessionTracker, 'endAttempts' | 'endSessions'>
  readonly change: () => Promise<Outcome>
  readonly log: Logger
}

type Task = () => Outcome<number> | Promise<Outcome<number>>

const wholeMark = 0xffffffff
const everybody = Number.POSITIVE_INFINITY

/** Nothing is due yet. */
export const createEndings = ({ tracker, change, log }: EndingsOptions): Endings => {
  let due: Task[] = []
  let last: Promise<void> = Promise.resolve()

  const workOff = async (): Promise<void> => {
    const now = due
    due = []
    if (now.length === 0) return
    await change()
    for (const task of now) {
      const outcome = await task()
      if (!outcome.ok) log.error(`Sessions that should have ended go on: ${outcome.text}`)
    }
  }
  const add = (tasks: readonly Task[]): void => {
    if (tasks.length === 0) return
    due.push(...tasks)
    last = last.then(workOff)
  }
  const taskOf = (effect: PlanEffect, mark: number): readonly Task[] => {
    switch (effect.effect) {
      case 'end-attempts':
        return [() => tracker.endAttempts(mark)]
      case 'end-sessions': {
        const { reason, begunBefore } = effect
        // Those that began in that very moment are meant as well.
        const ending = { value: mark, mask: wholeMark, begunBefore: begunBefore + 1 }
        return [() => tracker.endSessions(ending, reason)]
      }
      case 'forget-failures':
        // A client that asks again may be given any server.
        return []
      default:
        return effect satisfies never
    }
  }
  const ofListener = (mark: number) => ({
    value: (mark & listenerMask) >>> 0,
    mask: listenerMask,
    begunBefore: everybody,
  })
  return {
    carryOut: (effects) => add(effects.flatMap(({ effect, mark }) => taskOf(effect, mark))),
    endListener: (mark) => add([() => tracker.endSessions(ofListener(mark), 'stopped')]),
    endAddress: (mark, address) =>
      add([
        () =>
          tracker.endSessions(
            ofListener(mark),
            'address-left',
            ({ destination }) => Buffer.compare(destination, address) === 0,
          ),
      ]),
    done: () => last,
  }
}
