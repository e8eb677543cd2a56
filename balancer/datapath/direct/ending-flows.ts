// The flows in the kernel as what ends them sees them: by client, listed, marked and removed.

import { performance } from 'node:perf_hooks'
import { endpointText } from '../../core/endpoint.ts'
import { addressBytes, addressText } from '../../core/ip-address.ts'
import type { NftElements } from '../../os/nft-elements.ts'
import type { Outcome } from '../../os/outcome.ts'
import type { EndingFlow } from './core/ending.ts'
import type { Flow } from './core/flow-book.ts'
import { flowKey } from './core/flow-key.ts'
import { endedBit } from './core/flow-marks.ts'
import type { EndingFlows } from './endings.ts'
import { type FlowWatch, flowsMap, type WatchedFlows } from './flow-watch.ts'

/** The flows of the binds that are watched. */
export const endingFlows = (flows: FlowWatch, elements: Pick<NftElements, 'replace' | 'remove'>): EndingFlows => ({
  list: async (bind) => {
    const looked = await flows.look(endpointText(bind))
    const one = flows.at(endpointText(bind))
    if (!looked.ok) return looked
    const found: EndingFlow[] = []
    one?.book.visit((flow) => {
      const state = stateOf(flow, one)
      if (state === null) return
      const { number: server, begunAfter, begunBy } = flow
      for (const { address, port } of flows.clientsOf(flow.key)) {
        const client = { address: Uint8Array.from(addressBytes(address)), port }
        found.push({ client, server, state, begunAfter, begunBy })
      }
    })
    return { ok: true, value: found }
  },
  mark: (bind, ended, timeout) =>
    elements.replace(
      flowsMap(bind),
      ended.map((flow) => ({ key: keyOf(flow), value: flow.server | endedBit, timeout, expires: timeout })),
    ),
  remove: (bind, ended): Promise<Outcome<readonly boolean[]>> => elements.remove(flowsMap(bind), ended.map(keyOf)),
})

/** A client that has only asked is none to be told: its kernel asks again, and its address may be anybody's. */
const stateOf = ({ state, expiresAt }: Flow, { bind }: WatchedFlows): EndingFlow['state'] | null => {
  if (state !== 'attempt') return state
  return expiresAt - performance.now() > bind.connect ? 'live' : null
}

const keyOf = ({ client: { address, port } }: EndingFlow): Uint8Array => flowKey({ address: addressText(address), port })
