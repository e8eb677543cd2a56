// Feeds the rules of `serving` with facts, addresses and moments.

import type { Logger } from 'pino'
import type { ListenerConfig } from '../../config/schema.ts'
import { type Millis, millis } from '../../core/time.ts'
import { type AddressWatch, watchAddresses } from '../../os/address-watch.ts'
import { monotonicNow } from '../../os/clock.ts'
import type { Fact } from '../../pool/core/facts.ts'
import {
  concernedListeners,
  nothingKnown,
  type Serving,
  servingOf,
  withBinds,
  withFact,
  withSupplies,
} from '../core/serving.ts'

/** What is known of this host's service. */
export type ServingWatch = {
  readonly hear: (fact: Fact) => void
  /** The verdict for a router with these addresses. */
  readonly of: (addresses: ReadonlySet<string>) => Serving
  readonly reconfigure: (listeners: readonly ListenerConfig[]) => void
  readonly stop: () => void
}

const retryAfter = 1000
/** Whether this process stalls is looked at so often, and a tick that comes so much later tells of a stall. */
const tickInterval = 250
const lateness = 250
/** After a stall the others may just have been silent because nobody listened, or because the whole host stood still. */
const listeningTime = 700

/** Starts to watch. `onChange` is called whenever a verdict may have changed. */
export const watchServing = (first: readonly ListenerConfig[], log: Logger, onChange: () => void): ServingWatch => {
  let listeners = first
  let known = nothingKnown(monotonicNow())
  let addresses: AddressWatch | null = null
  let isStopped = false
  let timer: NodeJS.Timeout | undefined
  let retry: NodeJS.Timeout | undefined
  let soon: NodeJS.Immediate | undefined
  let tickedAt = monotonicNow()
  let lookedAt = tickedAt
  let listenUntil = tickedAt

  /** The addresses that routers asked for: a listener on all addresses has them all. */
  const virtual = new Set<string>()
  const holds = (listener: ListenerConfig): boolean =>
    [...virtual].some(
      (address) => addresses?.has(address) === true && concernedListeners([listener], new Set([address])).length > 0,
    )

  const tick = (): void => {
    const now = monotonicNow()
    if (now - tickedAt > tickInterval + lateness) listenUntil = millis(now + listeningTime)
    tickedAt = now
  }
  const look = (): void => {
    soon = undefined
    if (isStopped) return
    tick()
    if (tickedAt < listenUntil) {
      wakeAt(listenUntil)
      return
    }
    lookedAt = tickedAt
    known = withBinds(known, listeners, (address) => addresses?.has(address) === true, lookedAt)
    known = withSupplies(known, listeners, holds, lookedAt)
    const { lookAgainAt } = servingOf(known, listeners, lookedAt)
    if (lookAgainAt !== null) wakeAt(lookAgainAt)
    onChange()
  }
  const wakeAt = (moment: Millis): void => {
    clearTimeout(timer)
    timer = setTimeout(lookSoon, Math.max(1, Math.ceil(moment - monotonicNow()))).unref()
  }
  /** Timers fire before messages are read, and of several messages the last one counts. */
  const lookSoon = (): void => {
    soon ??= setImmediate(look)
  }
  const follow = (): void => {
    watchAddresses(lookSoon).then(
      (watch) => {
        if (isStopped) watch.close()
        else {
          addresses = watch
          lookSoon()
        }
      },
      (error: unknown) => {
        log.warn({ err: error }, 'Cannot list the addresses of this host; trying again')
        if (!isStopped) retry = setTimeout(follow, retryAfter).unref()
      },
    )
  }
  follow()
  lookSoon()
  const ticker = setInterval(tick, tickInterval).unref()
  return {
    hear: (fact) => {
      known = withFact(known, fact, monotonicNow())
      if (fact.fact !== 'virtual-router' && fact.fact !== 'writer') lookSoon()
    },
    of: (own) => {
      for (const address of own) virtual.add(address)
      return servingOf(known, concernedListeners(listeners, own), lookedAt)
    },
    reconfigure: (next) => {
      listeners = next
      lookSoon()
    },
    stop: () => {
      isStopped = true
      clearTimeout(timer)
      clearTimeout(retry)
      clearInterval(ticker)
      clearImmediate(soon)
      addresses?.close()
    },
  }
}
