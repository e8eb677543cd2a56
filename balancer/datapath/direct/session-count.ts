// Counts the sessions of listeners by what looks at their flows find, and tells of those that are over.

import { performance } from 'node:perf_hooks'
import { endpointText } from '../../core/endpoint.ts'
import { collectSessions, type SessionList } from '../../pool/core/session-list.ts'
import type { SessionRecord } from '../../pool/core/session-record.ts'
import type { SessionEnd } from '../kernel/core/session-counts.ts'
import type { Flow, FlowChanges, GoneFlow } from './core/flow-book.ts'
import { createTallies, type Tallies } from './core/tallies.ts'
import type { FlowWatch, WatchedFlows } from './flow-watch.ts'
import type { RunningListener } from './listener.ts'
import { bindsOf } from './listeners.ts'
import { hexOf } from './others.ts'
import { sessionLine } from './session-line.ts'

/** Counts of sessions. */
export type SessionCounts = {
  /** Takes in a look at a bind. */
  readonly look: (bind: string, changes: FlowChanges) => void
  /** Live sessions with a number; and whether the kernel remembers any flow with it. */
  readonly sessionsOf: (binds: readonly string[], number: number) => number
  readonly isInUse: (binds: readonly string[], number: number) => boolean
  /** Live sessions one by one, as the last looks found them. */
  readonly list: () => SessionList
  /** Live sessions that the kernel remembers, whoever has their address. */
  readonly remembered: () => number
  readonly talliesOf: (listener: RunningListener) => Tallies
  /** When the oldest of the last looks at its binds began; a moment of `performance.now()`. */
  readonly countedAt: (listener: RunningListener) => number
}

export type SessionCountsOptions = {
  readonly flows: FlowWatch
  readonly listenerAt: (bind: string) => RunningListener | undefined
  readonly reasonOf: (bind: string, number: number) => SessionEnd
  /** Since when an address that moves is not here; null where it is. */
  readonly leftAt: (address: string) => number | null
  /** Whether an address that moves is here: then no other balancer has any of its sessions. */
  readonly hasMovedHere: (address: string) => boolean
  /** See others.ts: those are sessions of another balancer as long as no packet of them came here. */
  readonly onlyTold: (bind: string) => ReadonlySet<string>
  readonly onSession: (record: () => SessionRecord) => void
}

/** Frames come by an old ARP entry for a while. */
const staleMillis = 1000
const nobody = { address: '0.0.0.0', port: 0 }

/** Nothing is counted yet. */
export const countSessions = (options: SessionCountsOptions): SessionCounts => {
  const { flows, listenerAt, reasonOf, leftAt, hasMovedHere, onlyTold, onSession } = options
  const tallies = new WeakMap<RunningListener, Tallies>()
  /** Live sessions by bind and number. Those of an address that has left are another balancer's. */
  const live = new Map<string, ReadonlyMap<number, number>>()

  const talliesOf = (listener: RunningListener): Tallies => {
    const known = tallies.get(listener) ?? createTallies()
    tallies.set(listener, known)
    return known
  }
  const visitLive = ({ bind, book }: WatchedFlows, told: ReadonlySet<string>, visit: (flow: Flow) => void): void => {
    const since = leftAt(bind.address)
    book.visit((flow) => {
      if (flow.state !== 'live' || (told.size > 0 && told.has(hexOf(flow.key)))) return
      if (since !== null && flow.expiresAt - bind.idle < since + staleMillis) return
      visit(flow)
    })
  }
  const liveIn = (
    flows: WatchedFlows,
    numbers: readonly number[],
    told: ReadonlySet<string>,
  ): ReadonlyMap<number, number> => {
    const { bind, book } = flows
    if (leftAt(bind.address) === null && told.size === 0) {
      return new Map(numbers.map((number) => [number, book.counts(number).live]))
    }
    const found = new Map<number, number>()
    visitLive(flows, told, ({ number }) => found.set(number, (found.get(number) ?? 0) + 1))
    return found
  }
  const sessionsOf: SessionCounts['sessionsOf'] = (binds, number) =>
    binds.reduce((sum, bind) => sum + (live.get(bind)?.get(number) ?? 0), 0)
  const all = (): number =>
    [...live.values()].reduce((sum, counts) => sum + [...counts.values()].reduce((one, count) => one + count, 0), 0)

  const tell = (bind: string, listener: RunningListener, gone: GoneFlow): void => {
    const { number, begunBy, key, reason } = gone
    const server = listener.serverOf(number) ?? null
    const end = endOf[reason] ?? reasonOf(bind, number)
    talliesOf(listener).end(end)
    onSession(() => {
      const [client = nobody] = flows.clientsOf(key)
      const total = Number.isFinite(begunBy) ? performance.now() - begunBy : null
      return sessionLine(
        { client, listener: listener.config().name, server, total, end },
        {
          process: all(),
          listener: talliesOf(listener).all().sessions,
          server: sessionsOf(bindsOf(listener.config()), number),
        },
      )
    })
  }
  return {
    list: () => {
      const { add, list } = collectSessions()
      for (const one of flows.all()) {
        const bind = endpointText(one.bind)
        const listener = listenerAt(bind)
        if (listener === undefined) continue
        const ahead = Date.now() - performance.now()
        visitLive(one, onlyTold(bind), ({ key, number, begunBy }) =>
          add(() => ({
            client: flows.clientsOf(key)[0] ?? nobody,
            listener: listener.config().name,
            bind,
            server: listener.serverOf(number) ?? null,
            acceptedAt: Number.isFinite(begunBy) ? begunBy + ahead : null,
            isJoined: true,
            bytesIn: null,
            bytesOut: null,
          })),
        )
      }
      return list()
    },
    look: (bind, { begun, gone, unanswered }) => {
      const [one, listener] = [flows.at(bind), listenerAt(bind)]
      if (one === undefined || listener === undefined) return
      const told = onlyTold(bind)
      live.set(bind, liveIn(one, listener.numbers(), hasMovedHere(one.bind.address) ? new Set() : told))
      const began = new Map<number, number>()
      for (const { key, number } of begun) {
        if (!told.has(hexOf(key))) began.set(number, (began.get(number) ?? 0) + 1)
      }
      const now = new Map<number, number>()
      for (const own of bindsOf(listener.config())) {
        for (const [number, count] of live.get(own) ?? []) now.set(number, (now.get(number) ?? 0) + count)
      }
      talliesOf(listener).look(now, began)
      // What ends of an address that has left is another balancer's to tell.
      if (leftAt(one.bind.address) !== null) return
      for (const flow of gone) tell(bind, listener, flow)
      talliesOf(listener).fail(unanswered)
    },
    sessionsOf,
    isInUse: (binds, number) =>
      binds.some((bind) => {
        const counts = flows.at(bind)?.book.counts(number)
        return counts !== undefined && counts.attempts + counts.live + counts.closing > 0
      }),
    remembered: () => {
      let sum = 0
      for (const { book } of flows.all()) {
        book.visit(({ state }) => {
          if (state === 'live') sum += 1
        })
      }
      return sum
    },
    talliesOf,
    countedAt: (listener) =>
      Math.min(...bindsOf(listener.config()).map((bind) => flows.at(bind)?.lookedAt ?? Number.NEGATIVE_INFINITY)),
  }
}

/** Why a session is over that nobody ended here. */
const endOf: Readonly<Partial<Record<GoneFlow['reason'], SessionEnd>>> = {
  closed: 'closed',
  idle: 'timeout',
  reused: 'unseen',
  removed: 'deleted',
}
