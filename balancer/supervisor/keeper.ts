// What an earlier program still does: its worker keeps the sessions it has, hears of what ends them, and is counted.

import { forwarderOf, holdsSessions } from '../core/forwarders.ts'
import type { ListenerFact } from '../pool/core/facts.ts'
import type { SessionsEnded } from '../pool/core/session-order.ts'
import { version } from '../version.ts'
import type { SupervisedProcess } from './child-process.ts'
import type { SuccessionHeard, SuccessionMessage } from './succession-messages.ts'

/** The sessions of an earlier program. */
export type Keeper = {
  /** The worker says what it has. */
  readonly heard: (fact: ListenerFact) => void
  /** The worker has ended sessions, as an operator ordered. */
  readonly ended: (id: string, result: SessionsEnded) => void
  /** The program that took over, or the root, said something. */
  readonly told: (message: SuccessionHeard) => void
  /** How many sessions there are, as far as is known. */
  readonly sessions: () => number
  readonly over: Promise<void>
}

export type KeeperOptions = {
  /** The process whose sessions these are; undefined where none runs that holds any. */
  readonly worker: SupervisedProcess | undefined
  readonly known: readonly ListenerFact[]
  /** A moment of the system's clock. */
  readonly until: number
  readonly post: (message: SuccessionMessage) => void
}

/** The worker takes no more sessions. */
export const keepSessions = ({ worker, known, until, post }: KeeperOptions): Keeper => {
  if (worker === undefined) return nothingKept
  const since = Date.now()
  const pid = worker.pid() ?? 0
  const listeners = new Map(known.filter(isHeld).map((fact) => [fact.listener, fact]))
  const sessions = (): number => [...listeners.values()].reduce((sum, one) => sum + (one.sessions ?? 0), 0)
  const report = (isOver: boolean): void => {
    post({
      type: 'fact',
      fact: {
        fact: 'draining',
        worker: pid,
        version,
        since,
        until,
        isOver,
        listeners: [...listeners.values()].map(leftOf).filter((one) => one.sessions > 0),
      },
    })
  }
  const ended: Keeper['ended'] = (id, result) => post({ type: 'sessions-ended', id, worker: pid, result })
  const over = worker.retire(until).then(() => report(true))
  if (sessions() > 0) report(false)
  return {
    heard: (fact) => {
      if (!isHeld(fact)) return
      listeners.set(fact.listener, fact)
      report(false)
    },
    ended,
    told: (message) => {
      if (message.type === 'end-sessions' && !worker.send(message)) ended(message.id, { ended: [], troubles: [] })
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

const nothingKept: Keeper = {
  heard: () => {},
  ended: () => {},
  told: () => {},
  sessions: () => 0,
  over: Promise.resolve(),
}

/** Rules in the kernel go on under the next program: their sessions are none of this one's. */
const isHeld = ({ datapath }: ListenerFact): boolean => holdsSessions(forwarderOf(datapath))

const leftOf = ({ listener, sessions, servers }: ListenerFact) => ({
  listener,
  sessions: sessions ?? 0,
  servers: servers
    .map(({ server, sessions: ofServer }) => ({ server, sessions: ofServer ?? 0 }))
    .filter((one) => one.sessions > 0),
})
