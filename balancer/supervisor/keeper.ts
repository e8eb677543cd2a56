// What an earlier program still does: its worker keeps the sessions it has, hears of what ends them, and is counted.

import type { ListenerFact } from '../pool/core/facts.ts'
import { version } from '../version.ts'
import type { SupervisedProcess } from './child-process.ts'
import type { SuccessionHeard, SuccessionMessage } from './succession-messages.ts'

/** The sessions of an earlier program. */
export type Keeper = {
  /** The worker says what it has. */
  readonly heard: (fact: ListenerFact) => void
  /** The program that took over, or the root, said something. */
  readonly told: (message: SuccessionHeard) => void
  /** How many sessions there are, as far as is known. */
  readonly sessions: () => number
  readonly over: Promise<void>
}

export type KeeperOptions = {
  readonly worker: SupervisedProcess
  readonly known: readonly ListenerFact[]
  /** A moment of the system's clock. */
  readonly until: number
  readonly post: (message: SuccessionMessage) => void
}

/** The worker takes no more sessions. */
export const keepSessions = ({ worker, known, until, post }: KeeperOptions): Keeper => {
  const since = Date.now()
  const pid = worker.pid() ?? 0
  const listeners = new Map(known.map((fact) => [fact.listener, fact]))
  const sessions = (): number => [...listeners.values()].reduce((sum, one) => sum + one.sessions, 0)
  const report = (isOver: boolean): void => {
    const each = [...listeners.values()].filter((one) => one.sessions > 0)
    post({
      type: 'fact',
      fact: {
        fact: 'draining',
        worker: pid,
        version,
        since,
        until,
        isOver,
        listeners: each.map(({ listener, sessions: count, servers }) => ({
          listener,
          sessions: count,
          servers: servers
            .filter((server) => server.sessions > 0)
            .map(({ server, sessions: ofServer }) => ({ server, sessions: ofServer })),
        })),
      },
    })
  }
  const over = worker.retire(until).then(() => report(true))
  if (sessions() > 0) report(false)
  return {
    heard: (fact) => {
      listeners.set(fact.listener, fact)
      report(false)
    },
    told: (message) => {
      if (message.type === 'outline') {
        const names = new Set(message.listeners.map(({ name }) => name))
        for (const name of listeners.keys()) if (!names.has(name)) listeners.delete(name)
        worker.send(message)
      }
      if (message.type === 'stop') void worker.stop()
      if (message.type !== 'fact') return
      const { fact } = message
      if (fact.fact === 'server-health' || fact.fact === 'writer') worker.send({ type: 'fact', fact })
    },
    sessions,
    over,
  }
}
