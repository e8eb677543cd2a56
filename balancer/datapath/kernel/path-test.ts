// Tests the path of the listeners' packets after each change of the rules, ours or others': what is in the way by the rules of
// other programs, and what is lost on the way whatever the reason.

import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import type { ListenerConfig } from '../../config/schema.ts'
import type { HostView } from '../core/host-view.ts'
import { pathsOf } from './core/forwarding.ts'
import { ownMark, ownMask } from './core/marks.ts'
import { tableName } from './core/names.ts'
import type { PathFinding } from './core/path-findings.ts'
import { type Counts, lossesBetween, lossText } from './core/path-witness.ts'
import { foreignRules } from './host-check.ts'
import { forwardedListeners, readHostView } from './host-view.ts'

/** A test that is made again and again. */
export type PathTest = {
  /** Something has changed that may stand in the way, or made way. Changes that come together are one. */
  readonly begin: () => void
  /** Counters of the path as they are now. */
  readonly count: (counts: Counts) => void
  /** Whether answers are to be counted too. */
  readonly isWatching: () => boolean
  /** What keeps all clients from their servers: it stands in the rules, and nothing came through; else null. */
  readonly trouble: () => string | null
  /** What is lost on the way, and which rules are in the way, a sentence each; they are in the log too. */
  readonly findings: () => readonly string[]
  readonly stop: () => void
}

export type PathTestOptions = {
  readonly listeners: () => readonly ListenerConfig[]
  readonly places: () => HostView['places']
  /** Watching begins or ends: the rules have to be others. */
  readonly onWatching: () => void
  readonly log: Logger
}

const settleMillis = 500
/** Some hosts change their rules all the time. */
const leastPause = 10_000
/** How long answers are counted after a change: every packet pays for it. */
const watchMillis = 30_000
const mark = { mask: ownMask, value: ownMark, example: ownMark + 1 }

/** Nothing is tested before the first call. */
export const testPath = ({ listeners, places, onWatching, log }: PathTestOptions): PathTest => {
  let soon: NodeJS.Timeout | undefined
  let watch: NodeJS.Timeout | undefined
  let before: Counts | undefined
  let findings: readonly PathFinding[] = []
  let said: ReadonlySet<string> = new Set()
  let saidLoss = ''
  let trouble: string | null = null
  let isOver = false
  let lookedAt = Number.NEGATIVE_INFINITY

  const setWatching = (isWatching: boolean): void => {
    const was = watch !== undefined
    clearTimeout(watch)
    watch = isWatching ? setTimeout(() => setWatching(false), watchMillis) : undefined
    if (was !== isWatching && !isOver) onWatching()
  }
  const look = async (): Promise<void> => {
    const found = await foreignRules(pathsOf(forwardedListeners(listeners()), readHostView(places())), mark, [
      tableName,
    ])
    if (isOver) return
    const texts = found.map(({ text, isSure }) => `${text}${isSure ? '' : ' (unless another rule lets them pass)'}`)
    for (const text of texts) if (!said.has(text)) log.warn(text)
    said = new Set(texts)
    findings = found
    if (!found.some(({ isSure }) => isSure)) trouble = null
  }
  return {
    begin: () => {
      soon ??= setTimeout(
        () => {
          soon = undefined
          lookedAt = performance.now()
          setWatching(true)
          void look()
        },
        Math.max(settleMillis, lookedAt + leastPause - performance.now()),
      )
    },
    count: (counts) => {
      const losses = before === undefined ? [] : lossesBetween(before, counts)
      const hasCome = before !== undefined && [...counts].some(([name, count]) => count > (before?.get(name) ?? 0))
      before = counts
      const text = losses.map(lossText).join(' ')
      const cause = findings.find(({ isSure }) => isSure)?.text
      if (losses.length > 0 && saidLoss === '') log.error(cause === undefined ? text : `${text}. ${cause}`)
      if (losses.length > 0) saidLoss = text
      if (losses.some(({ isComplete }) => isComplete) && cause !== undefined) trouble = cause
      else if (losses.length === 0 && hasCome) {
        if (saidLoss !== '') log.info('What clients and servers say comes through again')
        saidLoss = ''
        trouble = null
      }
    },
    isWatching: () => watch !== undefined,
    trouble: () => trouble,
    findings: () => [...(saidLoss === '' ? [] : [saidLoss]), ...said],
    stop: () => {
      isOver = true
      clearTimeout(soon)
      clearTimeout(watch)
    },
  }
}
