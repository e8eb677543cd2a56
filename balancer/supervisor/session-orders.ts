// Orders of operators to end sessions, on their way to all processes that may have them, those of earlier programs included,
// and the answers on their way back, as one.

import type { BalancerConfig } from '../config/schema.ts'
import { forwarderOf, neededForwarders } from '../core/forwarders.ts'
import type { DrainingFact } from '../pool/core/facts.ts'
import { mergeEnded, type SessionsEnded, type SessionsToEnd } from '../pool/core/session-order.ts'
import type { ProcessRole } from './core/processes.ts'
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

type Waiting = {
  readonly asker: ProcessRole
  /** Who has not answered, and what that one is called. */
  readonly owing: Map<ProcessRole | number, string>
  readonly answers: SessionsEnded[]
  readonly limit: NodeJS.Timeout
}

/** Lists of 200,000 sessions take a second, and a host may be busy. */
const usualLimit = 10_000

/** No order yet. */
export const createSessionOrders = (options: SessionOrdersOptions): SessionOrders => {
  const { send, post, config, draining, obstacle, limit = usualLimit } = options
  const waiting = new Map<string, Waiting>()

  const concerned = (end: SessionsToEnd): readonly ProcessRole[] => {
    const { listeners } = config()
    const listener = end.by === 'server' ? listeners.find(({ name }) => name === end.listener) : undefined
    return listener === undefined ? neededForwarders(listeners) : [forwarderOf(listener.datapath)]
  }
  const settle: SessionOrders['answer'] = (from, id, result) => {
    const order = waiting.get(id)
    if (order === undefined || !order.owing.delete(from)) return
    order.answers.push(result)
    if (order.owing.size > 0) return
    clearTimeout(order.limit)
    waiting.delete(id)
    send(order.asker, { type: 'session-ordered', id, result: mergeEnded(order.answers) })
  }
  const fail = (from: ProcessRole | number, id: string, why: string): void => {
    const name = waiting.get(id)?.owing.get(from)
    settle(from, id, { ended: [], troubles: [`${name} ${why}`] })
  }
  const beLate = (id: string): void => {
    const late = [...(waiting.get(id)?.owing.keys() ?? [])]
    for (const from of late) fail(from, id, `has not answered within ${limit / 1000} s; ${lookFor}`)
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
      const owing = new Map<ProcessRole | number, string>([
        ...roles.map((role) => [role, `the process ${role}`] as const),
        ...workers,
      ])
      waiting.set(id, { asker, owing, answers: [], limit: setTimeout(beLate, limit, id) })
      if (workers.length > 0) post({ type: 'end-sessions', id, end })
      for (const role of roles) {
        if (!send(role, { type: 'end-sessions', id, end })) fail(role, id, 'is not running just now; try again')
      }
    },
    answer: settle,
    died: (role) => {
      for (const id of [...waiting.keys()]) fail(role, id, `died; ${lookFor}`)
    },
    drained: (worker) => {
      for (const id of [...waiting.keys()]) settle(worker, id, { ended: [], troubles: [] })
    },
  }
}

const nameOf = (worker: number, version: string): string =>
  `process ${worker} of version ${version}, which is draining,`
const lookFor = 'look with show sessions, and try again'
