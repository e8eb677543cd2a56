// The flows in the kernel as what ends them sees them: listed, marked and removed.

import { performance } from 'node:perf_hooks'
import { endpointText } from '../../core/endpoint.ts'
import type { NftElements, NftMap } from '../../os/nft-elements.ts'
import { done, type Outcome } from '../../os/outcome.ts'
import type { EndingFlow } from './core/ending.ts'
import { endedBit } from './core/flow-marks.ts'
import type { EndingFlows } from './endings.ts'
import { type FlowWatch, flowsMap } from './flow-watch.ts'

/** A list may lack some: a second one that shows nothing more is believed, and so many are enough. */
const [fewestChecks, mostChecks] = [2, 5]

/** The flows of the binds that are watched. */
export const endingFlows = (
  flows: FlowWatch,
  elements: Pick<NftElements, 'dump' | 'replace' | 'remove'>,
): EndingFlows => {
  /**
   * While a transaction replaces an element, a packet of the session finds neither the old one nor the new one to update, and adds one
   * like the old one: in front of the new one, so that the session would go on. To remove the key once more removes that one alone.
   */
  const removeTwins = async (map: NftMap, marked: ReadonlySet<string>): Promise<Outcome> => {
    for (let check = 1; check <= mostChecks; check += 1) {
      const seen = new Map<string, { readonly key: Uint8Array; ended: boolean; live: boolean }>()
      const listed = await elements.dump(map, ({ buffer, keyAt, keyBytes, value }) => {
        const text = textOf(buffer.subarray(keyAt, keyAt + keyBytes))
        if (!marked.has(text)) return
        const one = seen.get(text) ?? { key: buffer.slice(keyAt, keyAt + keyBytes), ended: false, live: false }
        if ((value & endedBit) === 0) one.live = true
        else one.ended = true
        seen.set(text, one)
      })
      if (!listed.ok) return listed
      const twins = [...seen.values()].flatMap(({ key, ended, live }) => (ended && live ? [key] : []))
      if (twins.length === 0 && check >= fewestChecks && !listed.value.isTorn) return done
      const removed = await elements.remove(map, twins)
      if (!removed.ok) return removed
    }
    return done
  }
  return {
    list: async (bind) => {
      const looked = await flows.look(endpointText(bind))
      if (!looked.ok) return looked
      const one = flows.at(endpointText(bind))
      const found: EndingFlow[] = []
      one?.book.visit((flow) => {
        // What has more time than a SYN gives is a session of which one packet was seen, after a fail-over.
        const isSession = flow.state === 'attempt' && flow.expiresAt - performance.now() > one.bind.connect
        found.push(isSession ? { ...flow, state: 'live' } : flow)
      })
      return { ok: true, value: found }
    },
    mark: async (bind, ended, timeout) => {
      const map = flowsMap(bind)
      const marks = ended.map(({ key, number }) => ({ key, value: number | endedBit, timeout, expires: timeout }))
      const marked = await elements.replace(map, marks)
      if (!marked.ok) return marked
      const those = marks.filter((_, i) => marked.value[i])
      const checked = await removeTwins(map, new Set(those.map(({ key }) => textOf(key))))
      if (!checked.ok) return checked
      const book = flows.at(endpointText(bind))?.book
      // A look may lack them, and then they would live on there.
      for (const { key, value, expires } of those) {
        book?.see({ buffer: key, keyAt: 0, value, expires }, performance.now())
      }
      return marked
    },
    remove: (bind, ended) =>
      elements.remove(
        flowsMap(bind),
        ended.map(({ key }) => key),
      ),
  }
}

const textOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1')
