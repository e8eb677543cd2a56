// When this host takes sessions over that it has never seen, and nobody is there to tell which were elsewhere than their slots
// say: from then on those slots stay theirs, whatever changes for new ones.

import { performance } from 'node:perf_hooks'
import type { SlotTable } from '../../pool/core/slot-table.ts'
import type { RunningListener } from './listener.ts'
import type { OwnTable } from './others.ts'

/** What is heard of addresses and of the other balancers. */
export type Takeover = {
  readonly addressCame: (address: string) => void
  readonly addressLeft: (address: string) => void
  readonly peerLost: () => void
  /** A peer tells its slots: it is connected. */
  readonly peerHeard: () => void
  /** This balancer has just started, and another one tells of the slots that it keeps for those whom it took over. */
  readonly joined: (tables: readonly OwnTable[]) => void
}

/** What is needed of a listener. */
export type TakingListener = Pick<RunningListener, 'table' | 'established' | 'establishedSince' | 'keepEstablished'> & {
  readonly config: () => { readonly name: string; readonly bind: readonly { readonly address: string }[] }
}

export type TakeoverOptions = {
  readonly listeners: () => readonly TakingListener[]
  /** Whether all the other balancers are connected, and there are some. */
  readonly isComplete: () => boolean
}

/** A balancer that has died is missed by VRRP and by its peers at moments so far apart at most. */
const sameEvent = 15_000

/** Nothing has been taken over. */
export const watchTakeovers = ({ listeners, isComplete }: TakeoverOptions): Takeover => {
  const cameAt = new WeakMap<TakingListener, { readonly at: number; readonly table: SlotTable }>()
  const leftAt = new WeakMap<TakingListener, number>()
  /** Whoever was lost before this moment is back: what is kept since then is of a loss that is over. */
  let completeAt = Number.NEGATIVE_INFINITY
  const isRecent = (at: number): boolean => performance.now() - at < sameEvent
  const addressesOf = (listener: TakingListener): readonly string[] =>
    listener.config().bind.map(({ address }) => address)
  return {
    addressCame: (address) => {
      for (const listener of listeners()) {
        if (!addressesOf(listener).includes(address)) continue
        const table = listener.table()
        cameAt.set(listener, { at: performance.now(), table })
        const since = listener.establishedSince()
        const isOfThisLoss = since !== null && isRecent(since) && since > completeAt
        // Whom it had taken over before the address left is somewhere else by now, and who begins at another balancer does so by other
        // slots: a login that began there a moment ago is the next that comes.
        if (!isOfThisLoss) listener.keepEstablished(table)
      }
    },
    addressLeft: (address) => {
      for (const listener of listeners()) {
        if (!addressesOf(listener).includes(address)) continue
        leftAt.set(listener, performance.now())
        // What it came with is nobody's any more, however short a time ago that was.
        cameAt.delete(listener)
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
        // What is elsewhere than the slots that are kept was told as well. Those who are silent are waited for anew.
        else listener.keepEstablished((isKept ? listener.established() : undefined) ?? listener.table())
      }
    },
    peerHeard: () => {
      if (isComplete()) completeAt = performance.now()
    },
    joined: (tables) => {
      for (const { established } of tables) {
        if (established === undefined) continue
        const listener = listeners().find((one) => one.config().name === established.listener)
        if (listener?.establishedSince() === null) listener.keepEstablished(established)
      }
    },
  }
}
