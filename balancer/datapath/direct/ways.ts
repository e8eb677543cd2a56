// Whether what clients send comes through to the servers: they are tried when they come up, and rules of others are looked at.

import type { ListenerConfig } from '../../config/schema.ts'
import type { Finding } from '../../pool/core/listener-fact.ts'
import type { DecidingFact } from '../datapath.ts'
import { type AnswerTestOptions, testAnswers } from './answer-test.ts'
import { elsewhere, foreignRules } from './host-check.ts'
import type { Segment } from './segment.ts'

/** A watch that says in the log, and to whoever asks, what is wrong. */
export type WayWatch = {
  /** Listeners are others: all of their servers are tried. */
  readonly begin: () => void
  /** A server that comes up is tried. */
  readonly hear: (fact: DecidingFact) => void
  /** What is wrong now with the ways of a listener, and what to do. */
  readonly findings: (listener: Pick<ListenerConfig, 'name' | 'servers'>) => readonly Finding[]
  readonly stop: () => void
}

export type WayWatchOptions = AnswerTestOptions & {
  readonly segment: Pick<Segment, 'endsOf' | 'pathOf' | 'host' | 'lasting'>
}

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
    const texts = found.map(({ text, isSure }) => `${text}${isSure ? '' : ' (unless another rule lets them pass)'}`)
    for (const text of texts) if (!said.has(text)) log.warn(text)
    said = new Set(texts)
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
    findings: ({ name, servers }) => {
      const isOf = (listener: string, server: string): boolean =>
        listener === name && servers.some((one) => one.name === server)
      return [
        ...[...said].map((text) => ({ server: null, text })),
        ...segment
          .lasting()
          .flatMap(({ server: address, text, isElsewhere }) =>
            servers
              .filter((server) => server.address.address === address)
              .map((server) => ({ server: server.name, text: isElsewhere ? `${text}; ${elsewhere}` : text })),
          ),
        ...answers
          .findings()
          .flatMap(({ listener, server, text }) => (isOf(listener, server) ? [{ server, text }] : [])),
      ]
    },
    stop: () => {
      isOver = true
      answers.stop()
    },
  }
}
