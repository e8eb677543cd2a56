// A map of flows as a test has it, and looks at it.

import { millis } from '../../../../../balancer/core/time.ts'
import type { FlowBook, FlowChanges } from '../../../../../balancer/datapath/direct/core/flow-book.ts'
import { flowKey } from '../../../../../balancer/datapath/direct/core/flow-key.ts'

export const [second, minute, hour] = [1000, 60_000, 3_600_000]
export const [closing, ended] = [0x8000, 0x4000]

/** One element: the port of its client, its mark, and the moment at which it expires. */
export type MapEntry = { readonly port: number; readonly mark: number; readonly until: number }

export const keyOf = (port: number): Uint8Array => flowKey({ address: '10.0.0.1', port })

type LookOptions = { readonly idle?: number; readonly connect?: number; readonly isTorn?: boolean }

/** One look at what is in the map at this moment. */
export const lookAt = (
  book: FlowBook,
  at: number,
  entries: readonly MapEntry[],
  { idle = 8 * hour, connect = 10 * second, isTorn = false }: LookOptions = {},
): FlowChanges => {
  book.beginLook({ at: millis(at), idle: millis(idle), connect: millis(connect) })
  for (const { port, mark, until } of entries) {
    // Keys do not lie at the beginning of what the kernel sends.
    const buffer = Buffer.concat([Buffer.alloc(3, 0xee), keyOf(port)])
    book.see({ buffer, keyAt: 3, value: mark, expires: until - at }, at)
  }
  return book.endLook({ at: millis(at), isTorn })
}
