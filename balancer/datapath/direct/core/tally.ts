// Counts by small numbers, such as those of a listener's servers. PURE, but changed in place.

/** Counts; each is 0 until something is added to it. */
export type Tally = {
  readonly add: (number: number, by: number) => void
  readonly of: (number: number) => number
}

const firstRoom = 16

export const createTally = (): Tally => {
  let counts = new Float64Array(firstRoom)
  return {
    add: (number, by) => {
      if (number >= counts.length) {
        const larger = new Float64Array(2 ** Math.ceil(Math.log2(number + 1)))
        larger.set(counts)
        counts = larger
      }
      counts[number] = (counts[number] ?? 0) + by
    },
    of: (number) => counts[number] ?? 0,
  }
}
