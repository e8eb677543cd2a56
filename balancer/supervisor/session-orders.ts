// Orders of operators to end sessions, on their way to all processes that may have them, those of earlier programs included,
// and the answers on their way back, as one.

import type { BalancerConfig } from '../config/schema.ts'
import { forwarderOf, neededForwarders } from '../core/forwarders.ts'
import type { DrainingFact } from '../pool/core/facts.ts'
import { mergeEnded, type SessionsEnded, type SessionsToEnd } from '../pool/core/session-order.ts'
import type { ProcessRole } from './core/processes.ts'
import { type Asked, gatherAnswers } from './gathering.ts'
import type { ToChild } from './messages.ts'
import type { SuccessionMessage } from './succession-messages.ts'

/** The orders that are not answered yet. */
export type SessionOrders = {
  /** Passes on an order of the process `asker`; `id` is like no other, of this or another program. */
  readonly pass: (asker: ProcessRole, id: string, end: SessionsToEnd) => void
  /** A process has answered; a number is the process id of an earlier program's worker. */
  readonly answer: (from: ProcessRole | number, id: string, result: SessionsEnded) => void
  readonly died: (role: ProcessRole) => void
  /** The worker of an earlier program has no session left. */
  readonly drained: (worker: number) => void
}

export type SessionOrdersOptions = {
  /** Gives a message to a process, and is false where there is none to take it. */
  readonly send: (role: ProcessRole, message: ToChild) => boolean
  /** Tells the earlier programs. */
  readonly post: (message: SuccessionMessage) => void
  readonly config: () => Pick<BalancerConfig, 'listeners'>
  /** Workers of earlier programs that have sessions. */
  readonly draining: () => readonly DrainingFact[]
  /** Why no order can be carried out just now; null where one can. */
  readonly obstacle: () => string | null
  /** Milliseconds that a process has for its answer; for tests. */
  readonly limit?: number
}

/** Lists of 200,000 sessions take a second, and a host may be busy. */
const usualLimit = 10_000

/** No order yet. */
export const createSessionOrders = (options: SessionOrdersOptions): SessionOrders => {
  const { send, post, config, draining, obstacle, limit = usualLimit } = options
  const orders = gatherAnswers<SessionsEnded>({
    merge: mergeEnded,
    troubled: (troubles) => ({ ended: [], troubles }),
    tell: (asker, id, result) => void send(asker, { type: 'session-ordered', id, result }),
    limit,
  })
  const concerned = (end: SessionsToEnd): readonly ProcessRole[] => {
    const { listeners } = config()
    const listener = end.by === 'server' ? listeners.find(({ name }) => name === end.listener) : undefined
    return listener === undefined ? neededForwarders(listeners) : [forwarderOf(listener.datapath)]
  }
  return {
    pass: (asker, id, end) => {
      const why = obstacle()
      if (why !== null) {
        send(asker, { type: 'session-ordered', id, result: { ended: [], troubles: [why] } })
        return
      }
      const roles = concerned(end)
      const workers = draining().map(({ worker, version }) => [worker, nameOf(worker, version)] as const)
      orders.begin(asker, id, new Map<Asked, string>([...roles.map(named), ...workers]))
      if (workers.length > 0) post({ type: 'end-sessions', id, end })
      for (const role of roles) {
        if (!send(role, { type: 'end-sessions', id, end })) orders.fail(role, id, notRunning)
      }
    },
    answer: orders.answer,
    died: orders.died,
    drained: orders.drained,
  }
}

const notRunning = 'is not running just now; try again'
const named = (role: ProcessRole) => [role, `the process ${role}`] as const

const nameOf = (worker: number, version: string): string =>
  `process ${worker} of version ${version}, which is draining,`
