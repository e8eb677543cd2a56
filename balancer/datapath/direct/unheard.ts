// Sessions that are known by the word of a balancer that has died: whoever ended in its last second is among them, and would be
// counted until the idle timeout. Their clients are asked, with what also wakes up those whose sessions end (resets/core/forged-syn.ts):
// who still has the session says so with a challenge ACK, which its server takes for a repeated one (RFC 5961 section 4.2, RFC 9293
// section 3.10.7.4), and who has not says RST. Both come by the rules, which remember what they hear. One in TIME_WAIT acknowledges
// too; the server's own reset to that ends its wait, and it says RST when it is asked once more.

import { endpointText } from '../../core/endpoint.ts'
import { addressBytes } from '../../core/ip-address.ts'
import type { ResetPace } from '../resets/core/reset-queue.ts'
import type { SessionResets } from '../resets/session-resets.ts'
import { wakeUp } from './core/wake-up.ts'
import type { FlowWatch } from './flow-watch.ts'
import { hexOf } from './others.ts'

/** Asks clients. */
export type Unheard = {
  /** An address came, or a balancer was lost: clients are asked when those who speak by themselves have had the time to. */
  readonly askSoon: () => void
  readonly addressLeft: (address: string) => void
  readonly close: () => void
}

export type UnheardOptions = {
  readonly flows: Pick<FlowWatch, 'all' | 'look' | 'clientsOf'>
  readonly onlyTold: (bind: string) => ReadonlySet<string>
  /** Whether an address that moves is here: then no other balancer has any of its sessions. */
  readonly hasMovedHere: (address: string) => boolean
  /** Whether all other balancers are connected: those tell what ends. */
  readonly isComplete: () => boolean
  readonly questions: Pick<SessionResets, 'add' | 'forget' | 'close'>
  /** Milliseconds, for tests. */
  readonly pause?: number
}

/** Slow: nobody waits for the answers. */
export const questionPace: ResetPace = { rate: 500, serverAfter: 0, repeatAfter: 700 }
const usualPause = 3000

/** Nobody is asked yet. */
export const askUnheard = (options: UnheardOptions): Unheard => {
  const { flows, onlyTold, hasMovedHere, isComplete, questions, pause = usualPause } = options
  let timer: NodeJS.Timeout | undefined
  let isOpen = true
  const ask = async (): Promise<void> => {
    for (const { bind } of isComplete() ? [] : flows.all()) {
      const name = endpointText(bind)
      if (!hasMovedHere(bind.address)) continue
      await flows.look(name)
      const one = flows.all().find((watched) => watched.bind === bind)
      if (!isOpen || one === undefined || !hasMovedHere(bind.address)) continue
      const told = onlyTold(name)
      one.book.visit(({ key, state }) => {
        if (state !== 'live' || !told.has(hexOf(key))) return
        for (const client of flows.clientsOf(key)) questions.add(wakeUp(bind, client, undefined))
      })
    }
  }
  return {
    askSoon: () => {
      clearTimeout(timer)
      timer = setTimeout(() => void ask(), pause)
    },
    addressLeft: (address) => questions.forget(Uint8Array.from(addressBytes(address))),
    close: () => {
      isOpen = false
      clearTimeout(timer)
      questions.close()
    },
  }
}
