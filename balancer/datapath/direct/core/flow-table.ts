// Where the flows of a bind are kept: numbers in a few columns, found by open addressing, without an object for each. PURE, but
// changed in place: there may be 200,000 of them, looked at each second. 50 to 60 bytes a place; between three eighths and three
// quarters of the places are taken.

import { jhash } from './jhash.ts'

/** What is known of each place; all moments are milliseconds of one clock. See flow-book.ts for what they mean. */
export type FlowColumns = ReturnType<typeof makeColumns>

/**
 * The places. `find` and `add` give the index of a key that lies in `bytes` from `at` on, valid until the next `add` or `remove`; -1: it
 * is not there. A new place has zeros. `remove` may move another one into the place: a walk looks at it once more.
 */
export type FlowTable = {
  readonly find: (bytes: Uint8Array, at: number) => number
  readonly add: (bytes: Uint8Array, at: number) => number
  readonly remove: (index: number) => void
  readonly keyOf: (index: number) => Uint8Array
  readonly size: () => number
  /** They are others after an `add` or a `shrink`. */
  readonly columns: () => FlowColumns
  /** Gives room back where most of it is free. */
  readonly shrink: () => void
}

const firstCapacity = 1024
const [fullAt, emptyAt] = [0.75, 0.15]

const makeColumns = (capacity: number, keyBytes: number) => ({
  keys: new Uint8Array(capacity * keyBytes),
  taken: new Uint8Array(capacity),
  phase: new Uint8Array(capacity),
  number: new Uint16Array(capacity),
  /** The last look that had it. */
  look: new Uint32Array(capacity),
  heardAt: new Float64Array(capacity),
  expiresAt: new Float64Array(capacity),
  begunAfter: new Float64Array(capacity),
  begunBy: new Float64Array(capacity),
})

/** Makes room for keys of so many bytes. `seed` is by chance: who chooses addresses shall not choose places. */
export const createFlowTable = (keyBytes: number, seed: number): FlowTable => {
  let capacity = firstCapacity
  let columns = makeColumns(capacity, keyBytes)
  let size = 0

  const home = (bytes: Uint8Array, at: number): number => jhash(bytes, at, keyBytes, seed) & (capacity - 1)
  const isSame = (index: number, bytes: Uint8Array, at: number): boolean => {
    const { keys } = columns
    const from = index * keyBytes
    for (let i = 0; i < keyBytes; i += 1) if (keys[from + i] !== bytes[at + i]) return false
    return true
  }
  /** The place of the key, or the free one where it would be. */
  const probe = (bytes: Uint8Array, at: number): number => {
    let index = home(bytes, at)
    while (columns.taken[index] === 1 && !isSame(index, bytes, at)) index = (index + 1) & (capacity - 1)
    return index
  }
  const copy = (from: FlowColumns, source: number, target: number): void => {
    columns.keys.set(from.keys.subarray(source * keyBytes, (source + 1) * keyBytes), target * keyBytes)
    columns.taken[target] = 1
    columns.phase[target] = from.phase[source] ?? 0
    columns.number[target] = from.number[source] ?? 0
    columns.look[target] = from.look[source] ?? 0
    columns.heardAt[target] = from.heardAt[source] ?? 0
    columns.expiresAt[target] = from.expiresAt[source] ?? 0
    columns.begunAfter[target] = from.begunAfter[source] ?? 0
    columns.begunBy[target] = from.begunBy[source] ?? 0
  }
  const resize = (wanted: number): void => {
    const old = columns
    capacity = wanted
    columns = makeColumns(capacity, keyBytes)
    for (let i = 0; i < old.taken.length; i += 1) {
      if (old.taken[i] === 1) copy(old, i, probe(old.keys, i * keyBytes))
    }
  }
  return {
    find: (bytes, at) => {
      const index = probe(bytes, at)
      return columns.taken[index] === 1 ? index : -1
    },
    add: (bytes, at) => {
      if (size + 1 > capacity * fullAt) resize(capacity * 2)
      const index = probe(bytes, at)
      columns.keys.set(bytes.subarray(at, at + keyBytes), index * keyBytes)
      columns.taken[index] = 1
      columns.phase[index] = 0
      columns.number[index] = 0
      columns.look[index] = 0
      columns.heardAt[index] = 0
      columns.expiresAt[index] = 0
      columns.begunAfter[index] = 0
      columns.begunBy[index] = 0
      size += 1
      return index
    },
    remove: (index) => {
      // Those behind move up, so that none is out of reach of its search.
      const last = capacity - 1
      let free = index
      for (let at = (free + 1) & last; columns.taken[at] === 1; at = (at + 1) & last) {
        const from = home(columns.keys, at * keyBytes)
        if (((at - from) & last) >= ((at - free) & last)) {
          copy(columns, at, free)
          free = at
        }
      }
      columns.taken[free] = 0
      size -= 1
    },
    keyOf: (index) => columns.keys.slice(index * keyBytes, (index + 1) * keyBytes),
    size: () => size,
    columns: () => columns,
    shrink: () => {
      let wanted = capacity
      while (wanted > firstCapacity && size < wanted * emptyAt) wanted /= 2
      if (wanted < capacity) resize(wanted)
    },
  }
}
