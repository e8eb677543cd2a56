// Virtual time: what is to happen, in order. Nothing here waits for anything.

/** A clock that stands still until it is told to run. Moments are milliseconds. */
export type Clock = {
  readonly now: () => number
  /** Does something after a delay; at equal moments in the order of the calls. */
  readonly after: (delay: number, action: () => void) => void
  readonly runUntil: (moment: number) => void
}

type Entry = { readonly moment: number; readonly order: number; readonly action: () => void }

/** A clock at 0. */
export const createClock = (): Clock => {
  const heap: Entry[] = []
  let now = 0
  let order = 0

  const isSooner = (a: Entry | undefined, b: Entry | undefined): boolean =>
    a !== undefined && b !== undefined && (a.moment < b.moment || (a.moment === b.moment && a.order < b.order))
  const swap = (i: number, j: number): void => {
    const [a, b] = [heap[i], heap[j]]
    if (a === undefined || b === undefined) return
    heap[i] = b
    heap[j] = a
  }
  const rise = (start: number): void => {
    for (
      let i = start, parent = (i - 1) >> 1;
      i > 0 && isSooner(heap[i], heap[parent]);
      i = parent, parent = (i - 1) >> 1
    ) {
      swap(i, parent)
    }
  }
  const sink = (): void => {
    for (let i = 0; ; ) {
      const [left, right] = [2 * i + 1, 2 * i + 2]
      const child = isSooner(heap[right], heap[left]) ? right : left
      if (!isSooner(heap[child], heap[i])) return
      swap(i, child)
      i = child
    }
  }
  const takeFirst = (): Entry | undefined => {
    swap(0, heap.length - 1)
    const first = heap.pop()
    sink()
    return first
  }

  return {
    now: () => now,
    after: (delay, action) => {
      heap.push({ moment: now + delay, order, action })
      order += 1
      rise(heap.length - 1)
    },
    runUntil: (moment) => {
      while (heap[0] !== undefined && heap[0].moment <= moment) {
        const entry = takeFirst()
        now = entry?.moment ?? now
        entry?.action()
      }
      now = moment
    },
  }
}
