// Whether what clients send comes through to the servers: they are tried when they come up, and rules of others are looked at.

import type { DecidingFact } from '../datapath.ts'
import { type AnswerTestOptions, testAnswers } from './answer-test.ts'
import { foreignRules } from './host-check.ts'
import type { Segment } from './segment.ts'

/** A watch that says in the log what is wrong. */
export type WayWatch = {
  /** Listeners are others: all of their servers are tried. */
  readonly begin: () => void
  /** A server that comes up is tried. */
  readonly hear: (fact: DecidingFact) => void
  readonly stop: () => void
}

export type WayWatchOptions = AnswerTestOptions & { readonly segment: Pick<Segment, 'endsOf' | 'pathOf' | 'host'> }

/** Nothing is tried before the first call. */
export const watchWays = (options: WayWatchOptions): WayWatch => {
  const { listeners, segment, log } = options
  const answers = testAnswers(options)
  const up = new Set<string>()
  let said: ReadonlySet<string> = new Set()
  let isOver = false
  const lookAtRules = async (): Promise<void> => {
    const devices = segment.host().devices.map(({ name }) => name)
    const found = await foreignRules(listeners(), devices)
    if (isOver) return
    for (const { text, isSure } of found) {
      if (!said.has(text)) log.warn(`${text}${isSure ? '' : ' (unless another rule lets them pass)'}`)
    }
    said = new Set(found.map(({ text }) => text))
  }
  return {
    begin: () => {
      for (const { name, servers } of listeners()) for (const server of servers) answers.begin(name, server.name)
      void lookAtRules()
    },
    hear: (fact) => {
      if (fact.fact !== 'server-health') return
      const key = `${fact.listener}/${fact.server}`
      if (fact.up && !up.has(key)) answers.begin(fact.listener, fact.server)
      if (fact.up) up.add(key)
      else up.delete(key)
    },
    stop: () => {
      isOver = true
      answers.stop()
    },
  }
}
