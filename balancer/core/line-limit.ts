// Which lines of a log are written when the same thing happens over and over: a few of each kind, then one that counts the rest.

import { type Millis, millis } from './time.ts'

/** So many lines of one kind within so long. With `isLasting` a kind that goes on is only counted, until it has paused so long. */
export type LineBound = { readonly lines: number; readonly window: Millis; readonly isLasting?: boolean }

/** Lines that were left out: how many of one kind, and the newest of them. */
export type LeftOut<Line> = { readonly line: Line; readonly count: number }

/** Counts lines by kind. Moments are those of one clock that never goes back. */
export type LineLimit<Line> = {
  /** Whether to write a line of this kind now, when what is over by now is settled; else it is counted. */
  readonly admits: (kind: string, line: Line, now: Millis) => boolean
  /** What was left out in the windows that are over by now; it is told once. */
  readonly settle: (now: Millis) => readonly LeftOut<Line>[]
  /** When there is something to settle; null: nothing was left out. */
  readonly settlesAt: () => Millis | null
}

/** Kinds at once: lines that differ so much are no repetition, and beyond it somebody floods the log. They are counted as one. */
const mostKinds = 5000
const allOthers = '\0'

/** Makes a limit. A window begins with its first line. */
export const createLineLimit = <Line>({ lines, window, isLasting = false }: LineBound): LineLimit<Line> => {
  /** In the order of their ends, since all windows are of the same length. */
  const kinds = new Map<string, { readonly endsAt: Millis; written: number; leftOut: LeftOut<Line> | null }>()
  const settle = (now: Millis): readonly LeftOut<Line>[] => {
    const due: LeftOut<Line>[] = []
    const lasting: string[] = []
    for (const [kind, { endsAt, leftOut }] of kinds) {
      if (endsAt > now) break
      kinds.delete(kind)
      if (leftOut === null) continue
      due.push(leftOut)
      if (isLasting) lasting.push(kind)
    }
    // What is told of it now is the one line of its next window.
    for (const kind of lasting) kinds.set(kind, { endsAt: millis(now + window), written: lines, leftOut: null })
    return due
  }
  return {
    admits: (kind, line, now) => {
      const known = kinds.get(kind) ?? (kinds.size < mostKinds ? undefined : kinds.get(allOthers))
      if (known === undefined) {
        const isTooMany = kinds.size >= mostKinds
        const begun = { endsAt: millis(now + window), leftOut: isTooMany ? { line, count: 1 } : null }
        kinds.set(isTooMany ? allOthers : kind, { ...begun, written: isTooMany ? lines : 1 })
        return !isTooMany
      }
      if (known.written < lines) {
        known.written += 1
        return true
      }
      known.leftOut = { line, count: (known.leftOut?.count ?? 0) + 1 }
      return false
    },
    settle,
    settlesAt: () => {
      for (const { endsAt, leftOut } of kinds.values()) if (leftOut !== null) return endsAt
      return null
    },
  }
}
