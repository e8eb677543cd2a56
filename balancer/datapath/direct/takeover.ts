// When this host takes sessions over that it has never seen, and nobody is there to tell which were elsewhere than their slots
// say: from then on those slots stay theirs, whatever changes for new ones.

import { performance } from 'node:perf_hooks'
import type { SlotTable } from '../../pool/core/slot-table.ts'
import type { RunningListener } from './listener.ts'

/** What is heard of addresses and of the other balancers. */
export type Takeover = {
  readonly addressCame: (address: string) => void
  readonly addressLeft: (address: string) => void
  readonly peerLost: () => void
}

export type TakeoverOptions = {
  readonly listeners: () => readonly RunningListener[]
  /** Whether all the other balancers are connected, and there are some. */
  readonly isComplete: () => boolean
}

/** A balancer that has died is missed by VRRP and by its peers at moments so far apart at most. */
const sameEvent = 15_000

/** Nothing has been taken over. */
export const watchTakeovers = ({ listeners, isComplete }: TakeoverOptions): Takeover => {
  const cameAt = new WeakMap<RunningListener, { readonly at: number; readonly table: SlotTable }>()
  const leftAt = new WeakMap<RunningListener, number>()
  const isRecent = (at: number | null | undefined): boolean => at != null && performance.now() - at < sameEvent
  const addressesOf = (listener: RunningListener): readonly string[] =>
    listener.config().bind.map(({ address }) => address)
  return {
    addressCame: (address) => {
      for (const listener of listeners()) {
        if (!addressesOf(listener).includes(address)) continue
        const table = listener.table()
        cameAt.set(listener, { at: performance.now(), table })
        if (!isComplete() && !isRecent(listener.establishedSince())) listener.keepEstablished(table)
      }
    },
    addressLeft: (address) => {
      for (const listener of listeners()) {
        if (addressesOf(listener).includes(address)) leftAt.set(listener, performance.now())
      }
    },
    // It has told until now what is elsewhere than the slots say: what it had besides is where they say.
    peerLost: () => {
      for (const listener of listeners()) {
        const came = cameAt.get(listener)
        const since = listener.establishedSince()
        // Another one had nothing since then.
        const isKept = since !== null && since > (leftAt.get(listener) ?? Number.NEGATIVE_INFINITY)
        if (came !== undefined && isRecent(came.at)) listener.keepEstablished(came.table)
        else if (!isKept) listener.keepEstablished(listener.table())
      }
    },
  }
}
