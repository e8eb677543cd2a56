// The flows in the kernel as what ends them sees them: listed, marked and removed.

import { performance } from 'node:perf_hooks'
import { endpointText } from '../../core/endpoint.ts'
import type { NftElements } from '../../os/nft-elements.ts'
import type { EndingFlow } from './core/ends-at.ts'
import { endedBit } from './core/flow-marks.ts'
import type { EndingFlows } from './endings.ts'
import { type FlowWatch, flowsMap } from './flow-watch.ts'
import { removeTwins } from './twins.ts'

/** The flows of the binds that are watched. */
export const endingFlows = (
  flows: FlowWatch,
  elements: Pick<NftElements, 'dump' | 'replace' | 'remove'>,
): EndingFlows => ({
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
    const checked = await removeTwins(elements, map, those)
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
})
