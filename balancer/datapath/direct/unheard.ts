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
  readonly questions: Pick<SessionResets, 'add' | 'sent' | 'forget' | 'close'>
  /** Milliseconds, for tests. */
  readonly pause?: number
}

/** Slow: nobody waits for the answers. */
export const questionPace: ResetPace = { rate: 500, serverAfter: 0, repeatAfter: 700 }
const usualPause = 3000
/** What waits to be sent takes memory. */
const batch = 1000

/** Nobody is asked yet. */
export const askUnheard = (options: UnheardOptions): Unheard => {
  const { flows, onlyTold, hasMovedHere, isComplete, questions, pause = usualPause } = options
  let timer: NodeJS.Timeout | undefined
  let round = 0
  const ask = async (): Promise<void> => {
    round += 1
    const own = round
    for (const { bind, book } of isComplete() ? [] : flows.all()) {
      const name = endpointText(bind)
      const goesOn = (): boolean => own === round && hasMovedHere(bind.address)
      if (goesOn()) await flows.look(name)
      const told = goesOn() ? onlyTold(name) : new Set<string>()
      const unheard: Uint8Array[] = []
      book.visit(({ key, state }) => {
        if (state === 'live' && told.has(hexOf(key))) unheard.push(key)
      })
      for (let i = 0; i < unheard.length && goesOn(); i += batch) {
        for (const key of unheard.slice(i, i + batch)) {
          for (const client of flows.clientsOf(key)) questions.add(wakeUp(bind, client, undefined))
        }
        await questions.sent()
      }
    }
  }
  return {
    askSoon: () => {
      clearTimeout(timer)
      timer = setTimeout(() => void ask(), pause)
    },
    addressLeft: (address) => questions.forget(Uint8Array.from(addressBytes(address))),
    close: () => {
      round += 1
      clearTimeout(timer)
      questions.close()
    },
  }
}
