// Log lines that others can provoke, the network or a host that runs short: a few of each kind, then one that counts the rest.

import { performance } from 'node:perf_hooks'
import type { Level, Logger } from 'pino'
import { createLineLimit, type LeftOut, type LineBound } from './core/line-limit.ts'
import { type Millis, millis } from './core/time.ts'

/** Writes one line of a kind, with its fields, unless too many of that kind were written just now. A text that costs
 * something is a function. */
export type BoundedLog = (level: Level, kind: string, fields: object, text: string | (() => string)) => void

const usual = { lines: 5, window: millis(10_000) }

type Line = { readonly level: Level; readonly fields: object; readonly text: string | (() => string) }

/**
 * A log that writes at most five lines of each kind in ten seconds, or as many as it is given. Of those left out one more
 * line tells at the end of that time: the newest, with how many there were in `suppressed`. What goes on has that line alone
 * from then on. Kinds are a small closed set.
 */
export const createBoundedLog = (log: Logger, bound: Partial<Omit<LineBound, 'isLasting'>> = {}): BoundedLog => {
  const tell = ({ line: { level, fields, text }, count }: LeftOut<Line>): void =>
    log[level]({ ...fields, suppressed: count }, `${said(text)} (the last of ${count} more)`)
  const admits = limitLines<Line>({ ...usual, ...bound, isLasting: true }, tell).admits
  return (level, kind, fields, text) => {
    if (admits(kind, { level, fields, text })) log[level](fields, said(text))
  }
}

const said = (text: string | (() => string)): string => (typeof text === 'string' ? text : text())

/**
 * A limit with a clock: `onLeftOut` is called when the time is over in which lines were left out, and for all of them by
 * `end`. It keeps no process alive.
 */
export const limitLines = <Line>(bound: LineBound, onLeftOut: (leftOut: LeftOut<Line>) => void) => {
  const limit = createLineLimit<Line>(bound)
  let timer: NodeJS.Timeout | null = null
  const settle = (until: Millis): void => {
    for (const leftOut of limit.settle(until)) onLeftOut(leftOut)
  }
  const arm = (now: Millis): void => {
    const at = limit.settlesAt()
    if (timer !== null || at === null) return
    const due = (): void => {
      timer = null
      const then = millis(performance.now())
      settle(then)
      arm(then)
    }
    timer = setTimeout(due, Math.max(0, at - now) + 1).unref()
  }
  return {
    admits: (kind: string, line: Line): boolean => {
      const now = millis(performance.now())
      settle(now)
      const isAdmitted = limit.admits(kind, line, now)
      if (!isAdmitted) arm(now)
      return isAdmitted
    },
    end: (): void => {
      if (timer !== null) clearTimeout(timer)
      settle(millis(Number.POSITIVE_INFINITY))
    },
  }
}
