// Where the sessions of the kernel datapath are kept: numbers in a few columns, found by open addressing, without an object for
// each. 40 bytes a place; between three eighths and three quarters of the places are taken, or they are the first thousand.

/**
 * What is known of each place. `time` is the moment a session began, and of one that is over how long it was; milliseconds, NaN
 * where that is not known.
 */
export type SessionColumns = ReturnType<typeof makeColumns>

/**
 * The places, changed in place. What tells a session from all before and after it is the kernel's id of the entry, and a hash of
 * its client's flow, since ids of 32 bits meet among a hundred thousand. `find` and `add` give the index of one, valid until the next `add` or `remove`; -1: it is not there,
 * or there is no room. A new place has zeros, and its time is not known.
 */
export type SessionSlots = {
  readonly find: (id: number, hash: number) => number
  readonly add: (id: number, hash: number) => number
  readonly remove: (index: number) => void
  readonly size: () => number
  readonly capacity: () => number
  /** They are others after an `add`. */
  readonly columns: () => SessionColumns
}

const firstCapacity = 1024
const fullAt = 0.75

/** FNV-1a over the bytes. */
export const hashOf = (bytes: Uint8Array): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < bytes.length; i += 1) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193)
  return hash >>> 0
}

const makeColumns = (capacity: number) => ({
  id: new Uint32Array(capacity),
  hash: new Uint32Array(capacity),
  taken: new Uint8Array(capacity),
  phase: new Uint8Array(capacity),
  reason: new Uint8Array(capacity),
  generation: new Uint8Array(capacity),
  mark: new Uint32Array(capacity),
  time: new Float64Array(capacity),
  bytesIn: new Float64Array(capacity),
  bytesOut: new Float64Array(capacity),
})

/** Makes room that grows, up to this many places (a power of two). */
export const createSessionSlots = (largest: number): SessionSlots => {
  let capacity = Math.min(firstCapacity, largest)
  let columns = makeColumns(capacity)
  let size = 0

  const home = (id: number, hash: number): number => (id ^ hash) & (capacity - 1)
  const copy = (from: typeof columns, source: number, target: number): void => {
    columns.id[target] = from.id[source] ?? 0
    columns.hash[target] = from.hash[source] ?? 0
    columns.taken[target] = 1
    columns.phase[target] = from.phase[source] ?? 0
    columns.reason[target] = from.reason[source] ?? 0
    columns.generation[target] = from.generation[source] ?? 0
    columns.mark[target] = from.mark[source] ?? 0
    columns.time[target] = from.time[source] ?? 0
    columns.bytesIn[target] = from.bytesIn[source] ?? 0
    columns.bytesOut[target] = from.bytesOut[source] ?? 0
  }
  /** The place of the key, or the free one where it would be. */
  const probe = (id: number, hash: number): number => {
    let at = home(id, hash)
    while (columns.taken[at] === 1 && (columns.id[at] !== id || columns.hash[at] !== hash))
      at = (at + 1) & (capacity - 1)
    return at
  }
  const grow = (): void => {
    const old = columns
    columns = makeColumns(capacity * 2)
    capacity *= 2
    for (let i = 0; i < old.taken.length; i += 1) {
      if (old.taken[i] === 1) copy(old, i, probe(old.id[i] ?? 0, old.hash[i] ?? 0))
    }
  }
  const find: SessionSlots['find'] = (id, hash) => {
    const at = probe(id, hash)
    return columns.taken[at] === 1 ? at : -1
  }
  const add: SessionSlots['add'] = (id, hash) => {
    if (size + 1 > capacity * fullAt) {
      if (capacity >= largest) return -1
      grow()
    }
    const at = probe(id, hash)
    columns.id[at] = id
    columns.hash[at] = hash
    columns.taken[at] = 1
    columns.phase[at] = 0
    columns.reason[at] = 0
    columns.generation[at] = 0
    columns.mark[at] = 0
    columns.time[at] = Number.NaN
    columns.bytesIn[at] = 0
    columns.bytesOut[at] = 0
    size += 1
    return at
  }
  const remove: SessionSlots['remove'] = (index) => {
    // Those behind move up, so that none is out of reach of its search.
    let free = index
    for (let at = (free + 1) & (capacity - 1); columns.taken[at] === 1; at = (at + 1) & (capacity - 1)) {
      const from = home(columns.id[at] ?? 0, columns.hash[at] ?? 0)
      if (((at - from) & (capacity - 1)) >= ((at - free) & (capacity - 1))) {
        copy(columns, at, free)
        free = at
      }
    }
    columns.taken[free] = 0
    size -= 1
  }
  return {
    find,
    add,
    remove,
    size: () => size,
    capacity: () => capacity,
    columns: () => columns,
  }
}
