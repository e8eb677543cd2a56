// Ends sessions of the direct datapath: marks their flows, so that whoever speaks next hears a reset, and has the two sides
// speak that wait. What ends, and when, is decided by core/ending.ts.

import { performance } from 'node:perf_hooks'
import type { Logger } from 'pino'
import { type Endpoint, endpointText } from '../../core/endpoint.ts'
import { addressBytes } from '../../core/ip-address.ts'
import type { Outcome } from '../../os/outcome.ts'
import type { ResetPace } from '../resets/core/reset-queue.ts'
import type { SessionResets } from '../resets/session-resets.ts'
import {
  deadlineOf,
  type EndingEffect,
  type EndingEvent,
  isElsewhere,
  markMillis,
  owesAt,
  startEndings,
  step,
} from './core/ending.ts'
import type { Ending, EndingFlow } from './core/ends-at.ts'
import { type ServerPlace, wakeUp, wakeUpKey } from './core/wake-up.ts'

/** The flows of a bind in the kernel. What changes them tells for each whether it was there. `ENOENT`: there is no such map. */
export type EndingFlows = {
  readonly list: (bind: Endpoint) => Promise<Outcome<readonly EndingFlow[]>>
  /** Marks them as ended, for so many milliseconds. */
  readonly mark: (bind: Endpoint, flows: readonly EndingFlow[], timeout: number) => Promise<Outcome<readonly boolean[]>>
  readonly remove: (bind: Endpoint, flows: readonly EndingFlow[]) => Promise<Outcome<readonly boolean[]>>
}

/** How many sessions of each server, by number, have ended; `trouble`: why others may go on, for the operator. */
export type Ended = { readonly sessions: ReadonlyMap<number, number>; readonly trouble: string | null }

/** Ends sessions. */
export type DirectEndings = {
  /** The binds that the rules have. What an earlier process has ended there is told once more. */
  readonly setBinds: (binds: readonly Endpoint[]) => void
  /**
   * Ends sessions of a bind, when the rules do not send anybody there any more. Resolves when those that are meant are marked; both
   * sides hear of it within a second, or as soon as the pace allows. Where the address of the bind is not on this host an order that
   * `waits` is carried out when it comes, and another one is not. Where a bind `isClosed` nobody begins a session any more.
   */
  readonly end: (
    bind: Endpoint,
    ending: Ending,
    how: { readonly waits: boolean; readonly isClosed?: boolean; readonly untilUp?: boolean },
  ) => Promise<Ended>
  /** A server is up: what waits for the address because it was down (`untilUp`) is not owed any more. */
  readonly serverUp: (bind: Endpoint, server: number) => void
  /** An address that moves is not here, or is here again. One that nobody moves is always here. */
  readonly addressLeft: (address: string) => void
  readonly addressCame: (address: string) => void
  /** Until when rules and flows of a bind that is gone are needed for those that were ended there; a moment of `performance.now()`. */
  readonly neededUntil: (bind: Endpoint) => number
  /** Resolves when all have been told. */
  readonly told: () => Promise<void>
  readonly close: () => void
}

export type DirectEndingsOptions = {
  readonly flows: EndingFlows
  readonly resets: SessionResets
  /** The clients that the key of a flow may stand for (flow-key.ts). */
  readonly clientsOf: (key: Uint8Array) => readonly Endpoint[]
  /** Where the server with this number is, undefined where nobody has it. */
  readonly placeOf: (bind: Endpoint, server: number) => ServerPlace | undefined
  readonly log: Logger
}

/**
 * Servers hear it when their clients have had the time to close: what a server answers goes straight to its client, whose kernel
 * then resets it.
 */
export const directPace: ResetPace = { rate: 1000, serverAfter: 100, repeatAfter: 700 }

/** Nothing is due yet. */
export const createDirectEndings = (options: DirectEndingsOptions): DirectEndings => {
  const { flows, resets, clientsOf, placeOf, log } = options
  let state = startEndings
  let timer: NodeJS.Timeout | undefined
  let isOpen = true
  let lastId = 0
  const orders = new Map<
    number,
    { readonly sessions: Map<number, number>; trouble: string | null; over: (ended: Ended) => void }
  >()
  const endedAt = new Map<string, number>()
  let last: Promise<void> = Promise.resolve()

  type Happened = EndingEvent extends infer One ? (One extends EndingEvent ? Omit<One, 'at'> : never) : never
  const happen = (event: Happened): void => {
    if (!isOpen) return
    const [next, effects] = step(state, { ...event, at: performance.now() })
    state = next
    for (const effect of effects) begin(effect)
    arm()
  }
  const arm = (): void => {
    clearTimeout(timer)
    const due = deadlineOf(state)
    if (due === null) return
    timer = setTimeout(() => happen({ event: 'deadline-reached' }), Math.max(0, due - performance.now()))
  }
  const begin = (effect: EndingEffect): void => {
    switch (effect.effect) {
      case 'look':
        look(effect.bind)
        return
      case 'end':
        // Before its turn comes: what it needs has to be there then.
        endedAt.set(endpointText(effect.bind), performance.now())
        inTurn(() => end(effect))
        return
      case 'remove':
        inTurn(async () => report(await flows.remove(effect.bind, effect.flows)))
        return
      case 'over':
        inTurn(async () => settle(effect.id, effect.isLost))
        return
      case 'tell':
        tell(effect.bind, effect.flows)
        return
      case 'spare':
        for (const { key } of effect.flows) {
          for (const client of clientsOf(key)) resets.cancel(wakeUpKey(effect.bind, client))
        }
        return
      case 'hold':
      case 'release':
      case 'forget':
        resets[effect.effect](Uint8Array.from(addressBytes(effect.address)))
        return
      default:
        effect satisfies never
    }
  }
  const inTurn = (work: () => Promise<void>): void => {
    last = last.then(work)
  }

  /** Looks at a bind follow one another: one that was asked for meanwhile begins when this one has ended. */
  const looking = new Map<string, { isWanted: boolean }>()
  const look = (bind: Endpoint): void => {
    const key = endpointText(bind)
    const running = looking.get(key)
    if (running !== undefined) {
      running.isWanted = true
      return
    }
    const own = { isWanted: false }
    looking.set(key, own)
    const since = performance.now()
    void flows.list(bind).then((listed) => {
      looking.delete(key)
      const isGone = !listed.ok && listed.code === 'ENOENT'
      if (!listed.ok && !isGone)
        log.warn({ text: listed.text }, `Cannot see which sessions have to end: ${listed.text}`)
      happen({ event: 'looked', bind, since, flows: listed.ok ? listed.value : isGone ? [] : null })
      if (own.isWanted && isOpen) look(bind)
    })
  }
  const end = async ({ id, bind, ending, flows: ended }: Extract<EndingEffect, { effect: 'end' }>): Promise<void> => {
    const marked = await flows.mark(bind, ended, markMillis)
    const order = orders.get(id)
    if (!marked.ok) {
      log.error(`Sessions that should have ended go on: ${marked.text}`)
      if (order !== undefined) order.trouble = marked.text
      happen({ event: 'not-marked', bind, ending })
      return
    }
    endedAt.set(endpointText(bind), performance.now())
    const those = ended.filter((_, i) => marked.value[i])
    if (order !== undefined) {
      for (const { number, state: before } of those) {
        if (before === 'live') order.sessions.set(number, (order.sessions.get(number) ?? 0) + 1)
      }
    }
    tell(bind, those)
  }
  const settle = (id: number, isLost: boolean): void => {
    const order = orders.get(id)
    orders.delete(id)
    if (order === undefined) return
    const { sessions, trouble } = order
    order.over({
      sessions,
      trouble:
        trouble ??
        (isLost ? 'the address is on another host: give the order there (or the kernel here does not answer)' : null),
    })
  }
  const report = (outcome: Outcome<unknown>): void => {
    if (!outcome.ok && outcome.code !== 'ENOENT')
      log.warn({ text: outcome.text }, `Old marks of sessions stay: ${outcome.text}`)
  }
  let isTelling = false
  const tell = (bind: Endpoint, those: readonly EndingFlow[]): void => {
    if (!isOpen || isElsewhere(state, bind.address)) return
    const places = new Map<number, ServerPlace | undefined>()
    for (const { key, number } of those) {
      if (!places.has(number)) places.set(number, placeOf(bind, number))
      for (const client of clientsOf(key)) resets.add(wakeUp(bind, client, places.get(number)))
    }
    if (isTelling || those.length === 0) return
    isTelling = true
    void resets.sent().then(() => {
      isTelling = false
      happen({ event: 'told' })
    })
  }

  return {
    setBinds: (binds) => happen({ event: 'binds', binds }),
    end: (bind, ending, how) =>
      new Promise((resolve) => {
        lastId += 1
        orders.set(lastId, { sessions: new Map(), trouble: null, over: resolve })
        happen({ event: 'ordered', id: lastId, bind, ending, ...how })
      }),
    serverUp: (bind, server) => happen({ event: 'server-up', bind, server }),
    addressLeft: (address) => happen({ event: 'address-left', address }),
    addressCame: (address) => happen({ event: 'address-came', address }),
    neededUntil: (bind) =>
      owesAt(state, bind)
        ? Number.POSITIVE_INFINITY
        : (endedAt.get(endpointText(bind)) ?? Number.NEGATIVE_INFINITY) + markMillis,
    told: resets.sent,
    close: () => {
      isOpen = false
      clearTimeout(timer)
      for (const id of orders.keys()) settle(id, true)
    },
  }
}
