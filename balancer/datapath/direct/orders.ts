// What has to end: what plans say of their servers, what an operator orders, and listeners that are gone.

import { type Endpoint, endpointText } from '../../core/endpoint.ts'
import { mergeEnded, type SessionsEnded, type SessionsToEnd } from '../../pool/core/session-order.ts'
import type { DecidingFact } from '../datapath.ts'
import type { SessionEnd } from '../kernel/core/session-counts.ts'
import type { Ending } from './core/ends-at.ts'
import type { DirectEndings, Ended } from './endings.ts'
import type { RunningListener } from './listener.ts'
import { bindsOf, type DueEffect } from './listeners.ts'

/** Ends sessions, and remembers why. */
export type Orders = {
  /** Carries out what plans want when the rules follow them. */
  readonly carryOut: (effects: readonly DueEffect[]) => void
  readonly hear: (fact: DecidingFact) => void
  /** All sessions of binds that are nobody's any more, or another listener's. */
  readonly endBinds: (binds: readonly Endpoint[]) => void
  readonly order: (end: SessionsToEnd) => Promise<SessionsEnded>
  /** Why sessions of a server were ended last. */
  readonly reasonOf: (bind: string, number: number) => SessionEnd
}

export type OrdersOptions = {
  readonly endings: Pick<DirectEndings, 'end' | 'serverUp'>
  readonly listeners: () => readonly RunningListener[]
  /** Brings the rules in line with the plans. */
  readonly change: () => Promise<unknown>
}

const everybody = Number.POSITIVE_INFINITY

/** Nothing is due yet. */
export const createOrders = ({ endings, listeners, change }: OrdersOptions): Orders => {
  const reasons = new Map<string, SessionEnd>()
  type How = Parameters<DirectEndings['end']>[2]
  const end = (bind: Endpoint, ending: Ending, reason: SessionEnd, how: How): Promise<Ended> => {
    reasons.set(`${endpointText(bind)} ${ending.server ?? ''}`, reason)
    return endings.end(bind, ending, how)
  }
  const carryOut: Orders['carryOut'] = (effects) => {
    const due = effects.flatMap(({ listener, effect }) => {
      // A client that asks for a server may be given another one each time: its attempts need no end.
      if (effect.effect !== 'end-sessions') return []
      const server = listener.numberOf(effect)
      if (server === undefined) return []
      const { reason, begunBefore } = effect
      return listener.config().bind.map((bind) => ({ bind, ending: { server, client: null, begunBefore }, reason }))
    })
    if (due.length === 0) return
    void change().then(() => {
      for (const { bind, ending, reason } of due) {
        void end(bind, ending, reason, { waits: true, untilUp: reason === 'server-down' })
      }
    })
  }
  const orderAt = async (listener: RunningListener, bind: Endpoint, ending: Ending): Promise<SessionsEnded> => {
    const { sessions, trouble } = await end(bind, ending, 'ordered', { waits: false })
    const { name } = listener.config()
    return {
      ended: [...sessions].map(([number, count]) => ({
        listener: name,
        server: listener.serverOf(number) ?? null,
        sessions: count,
      })),
      troubles: trouble === null ? [] : [trouble],
    }
  }
  return {
    carryOut,
    hear: (fact) => {
      if (fact.fact !== 'server-health' || !fact.up) return
      const listener = listeners().find((one) => one.config().name === fact.listener)
      const server = listener?.numberNamed(fact.server)
      if (listener === undefined || server === undefined) return
      for (const bind of listener.config().bind) endings.serverUp(bind, server)
    },
    endBinds: (binds) => {
      const taken = new Set(listeners().flatMap((listener) => bindsOf(listener.config())))
      for (const bind of binds) {
        const how = { waits: false, isClosed: !taken.has(endpointText(bind)) }
        void end(bind, { server: null, client: null, begunBefore: everybody }, 'stopped', how)
      }
    },
    order: async (order) => {
      const answers = listeners().flatMap((listener) => {
        const { name, bind: binds } = listener.config()
        if (order.by === 'client') {
          const client = { address: order.address, port: order.port }
          return binds.map((bind) => orderAt(listener, bind, { server: null, client, begunBefore: everybody }))
        }
        const server = name === order.listener ? listener.numberNamed(order.server) : undefined
        if (server === undefined) return []
        return binds.map((bind) => orderAt(listener, bind, { server, client: null, begunBefore: everybody }))
      })
      return mergeEnded(await Promise.all(answers))
    },
    reasonOf: (bind, number) => reasons.get(`${bind} ${number}`) ?? reasons.get(`${bind} `) ?? 'unseen',
  }
}
