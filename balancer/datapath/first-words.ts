// What a director that has just started says of servers whose sessions an earlier process left in the kernel.

import type { ListenerConfig } from '../config/schema.ts'
import type { ServerHealthFact } from '../pool/core/facts.ts'
import { isUnchecked, isWorking } from '../pool/core/server-state.ts'

/** Passes on what is said of servers; `stop` forgets what it still holds back. */
export type FirstWords = { readonly hear: (fact: ServerHealthFact) => void; readonly stop: () => void }

/** `isKnown`: something was passed on of that server; `takers`: servers to which the rules found here give sessions. */
export type FirstWordsOptions = {
  readonly config: () => ListenerConfig
  readonly isKnown: (server: string) => boolean
  readonly takers: () => ReadonlySet<string>
  readonly hear: (fact: ServerHealthFact) => void
}

/**
 * A director that has just started says down of all until its checks have decided: that ends nothing of what was found here. Then
 * the first check decides alone, and one that is merely late would end all sessions of a server that was up a moment ago: of
 * those that take sessions here, a first "down" waits for as long as `fall` checks take, and is dropped when the server is up by then.
 * What an operator or the server itself ordered does not wait.
 */
export const firstWords = ({ config, isKnown, takers, hear }: FirstWordsOptions): FirstWords => {
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
      if (last !== undefined) hear(last)
    }, patienceOf(config()))
    held.set(server, { fact, timer })
  }
  return {
    hear: (fact) => {
      if (!isKnown(fact.server) && isUnchecked(fact)) return
      if (!isKnown(fact.server) && takers().has(fact.server) && isDoubtful(fact)) return hold(fact)
      drop(fact.server)
      hear(fact)
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
