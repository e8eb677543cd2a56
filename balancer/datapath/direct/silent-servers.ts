// Which servers of a listener pass their checks and answer no clients, by what is counted of their connections.

import { performance } from 'node:perf_hooks'
import type { Finding } from '../../pool/core/listener-fact.ts'
import type { Tallies } from './core/tallies.ts'
import { type Counted, counted, unanswered } from './core/unanswered.ts'
import type { RunningListener } from './listener.ts'

/** Asked as often as there is a report. */
export type SilentServers = {
  readonly findings: (
    listener: Pick<RunningListener, 'places' | 'numberOf' | 'table'>,
    tallies: Pick<Tallies, 'server'>,
  ) => readonly Finding[]
}

/** Nothing is known yet. */
export const watchSilentServers = (): SilentServers => {
  const histories = new WeakMap<Pick<RunningListener, 'places'>, Map<string, readonly Counted[]>>()
  return {
    findings: (listener, tallies) => {
      const before = histories.get(listener)
      const now = new Map<string, readonly Counted[]>()
      histories.set(listener, now)
      const takers = new Set(listener.table().targets.map(({ server }) => server))
      return listener.places().flatMap((place): readonly Finding[] => {
        const { server, address } = place
        // One that failed its checks is told by them.
        if (!takers.has(server)) return []
        const { totalSessions, connectFailures } = tallies.server(listener.numberOf(place))
        const count = { at: performance.now(), begun: totalSessions, failed: connectFailures }
        const history = counted(before?.get(server) ?? [], count)
        now.set(server, history)
        const text = unanswered(history, server, address.port)
        return text === null ? [] : [{ server, text }]
      })
    },
  }
}
