// What a director that has just started says of servers whose sessions an earlier process left in the kernel.

import type { ListenerConfig } from '../config/schema.ts'
import type { ServerHealthFact } from '../pool/core/facts.ts'
import { isUnchecked, isWorking } from '../pool/core/server-state.ts'
import type { RunningPlan } from './running-plan.ts'

/** Passes on what is said of servers; `stop` forgets what it still holds back. */
export type FirstWords = { readonly hear: (fact: ServerHealthFact) => void; readonly stop: () => void }

/**
 * A director that has just started says down of all until its checks have decided: that ends nothing of what was found here. Then
 * the first check decides alone, and one that is merely late would end all sessions of a server that was up a moment ago: of
 * `takers`, to which the rules found here give sessions, a first "down" waits for as long as `fall` checks take, and is dropped when
 * the server is up by then. What an operator or the server itself ordered does not wait.
 */
export const firstWords = (
  running: Pick<RunningPlan, 'plan' | 'hear'>,
  takers: () => ReadonlySet<string>,
): FirstWords => {
  const isKnown = (name: string): boolean => running.plan().servers.find(({ server }) => server === name)?.fact !== null
  const held = new Map<string, { fact: ServerHealthFact; readonly timer: NodeJS.Timeout }>()
  const drop = (server: string): void => {
    clearTimeout(held.get(server)?.timer)
    held.delete(server)
  }
  const hold = (fact: ServerHealthFact): void => {
    const { server } = fact
    const before = held.get(server)
    if (before !== undefined) {
      before.fact = fact
      return
    }
    const timer = setTimeout(() => {
      const last = held.get(server)?.fact
      drop(server)
      if (last !== undefined) running.hear(last)
    }, patienceOf(running.plan().config))
    held.set(server, { fact, timer })
  }
  return {
    hear: (fact) => {
      if (!isKnown(fact.server) && isUnchecked(fact)) return
      if (!isKnown(fact.server) && takers().has(fact.server) && isDoubtful(fact)) return hold(fact)
      drop(fact.server)
      running.hear(fact)
    },
    stop: () => {
      for (const server of [...held.keys()]) drop(server)
    },
  }
}

const isDoubtful = (fact: ServerHealthFact): boolean => fact.admin === 'ready' && !isWorking(fact)

/** How long `fall` checks of the listener take that all run into their timeout. */
const patienceOf = ({ check }: ListenerConfig): number =>
  Math.max(0, ...check.map(({ interval, timeout, fall }) => fall * (interval + timeout)))
