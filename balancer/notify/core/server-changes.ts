// Which facts about servers and writers are a change that somebody has to hear of.

import type { ServerHealthFact, WriterFact } from '../../pool/core/facts.ts'
import { serverKey } from '../../pool/core/pool.ts'
import { isUnchecked } from '../../pool/core/server-state.ts'
import type { ServerNotification, ServerState, WriterNotification } from './notification.ts'

/** A change, without who tells it and when. */
export type ServerChange =
  | Pick<ServerNotification, 'type' | 'listener' | 'server' | 'state' | 'previous' | 'reason'>
  | Pick<WriterNotification, 'type' | 'listener' | 'server' | 'previous' | 'reason'>

/** What is known by those who are told. */
export type ServerChanges = {
  /** The change that a fact is; undefined: everybody knows, or it is none. From now on it is known. */
  readonly hear: (fact: ServerHealthFact | WriterFact) => ServerChange | undefined
  /** Forgets the servers and writers of other listeners than these. */
  readonly keep: (listeners: readonly Listener[]) => void
}

type Listener = { readonly name: string; readonly servers: readonly { readonly name: string }[] }
type Known = { readonly state: ServerState; readonly reason: string }

/** The state that a fact tells; null as long as nothing is known. */
const stateOf = (fact: ServerHealthFact): ServerState | null => {
  if (fact.admin === 'maint') return 'maint'
  if (isUnchecked(fact)) return null
  if (!fact.up) return 'down'
  return fact.admin === 'drain' || fact.draining ? 'drain' : 'up'
}

/** Begins with nothing known: a server that is up at its first check is no news, one that is not is. */
export const createServerChanges = (): ServerChanges => {
  const servers = new Map<string, Known>()
  const writers = new Map<string, string | null>()

  const hearServer = (fact: ServerHealthFact): ServerChange | undefined => {
    const { listener, server } = fact
    const key = serverKey(listener, server)
    const state = stateOf(fact)
    const previous = servers.get(key)?.state ?? null
    if (state === null || state === previous) return undefined
    const reason = reasonOf(fact, state)
    servers.set(key, { state, reason })
    if (previous === null && state === 'up') return undefined
    return { type: 'SERVER', listener, server, state, previous, reason }
  }
  const hearWriter = ({ listener, server }: WriterFact): ServerChange | undefined => {
    const isFirst = !writers.has(listener)
    const previous = writers.get(listener) ?? null
    if (server === previous && !isFirst) return undefined
    writers.set(listener, server)
    if (isFirst) return undefined
    const former = previous === null ? undefined : servers.get(serverKey(listener, previous))
    const reason =
      previous === null
        ? 'there was none'
        : former === undefined || former.state === 'up'
          ? `${previous} is the writer no more`
          : `${previous} is ${former.state.toUpperCase()}: ${former.reason}`
    return { type: 'WRITER', listener, server, previous, reason }
  }
  return {
    hear: (fact) => (fact.fact === 'writer' ? hearWriter(fact) : hearServer(fact)),
    keep: (listeners) => {
      const names = new Set(listeners.map(({ name }) => name))
      const keys = new Set(listeners.flatMap((one) => one.servers.map(({ name }) => serverKey(one.name, name))))
      for (const key of servers.keys()) if (!keys.has(key)) servers.delete(key)
      for (const name of writers.keys()) if (!names.has(name)) writers.delete(name)
    },
  }
}

const reasonOf = ({ orders, admin, agent, draining, lastCheck }: ServerHealthFact, state: ServerState): string => {
  const check = lastCheck === null ? 'not checked yet' : `${lastCheck.reason}: ${lastCheck.text}`
  const byAgent = agent === null ? undefined : `agent says "${agent.text}"`
  switch (state) {
    case 'down':
      return agent?.down === true ? (byAgent ?? check) : check
    case 'maint':
    case 'drain':
      if (orders.admin === admin && admin !== 'ready') return 'ordered by an operator'
      return draining && admin === 'ready' ? 'the check answered 404' : (byAgent ?? check)
    case 'up':
      return check
    default:
      return state satisfies never
  }
}
