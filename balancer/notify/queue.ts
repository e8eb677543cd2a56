// Tasks one after another, in order, and only so many of them waiting.

/** A queue. `add` never runs a task within the call; `idle` resolves when nothing waits or runs. */
export type Queue<T> = {
  readonly add: (item: T) => void
  readonly idle: () => Promise<void>
  /** Forgets what waits. */
  readonly clear: () => void
}

/** Makes a queue. When more than `most` wait, the oldest of them is dropped: the newest is what is true. */
export const createQueue = <T>(
  most: number,
  run: (item: T) => Promise<void>,
  onDropped: (item: T) => void,
): Queue<T> => {
  const waiting: T[] = []
  let working: Promise<void> | null = null
  const work = async (): Promise<void> => {
    // Whoever adds is in the middle of an election.
    await new Promise((resolve) => setImmediate(resolve))
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await run(item)
    working = null
  }
  return {
    add: (item) => {
      waiting.push(item)
      if (waiting.length > most) {
        const [oldest] = waiting.splice(0, 1)
        if (oldest !== undefined) onDropped(oldest)
      }
      working ??= work()
    },
    idle: async () => {
      while (working !== null) await working
    },
    clear: () => {
      waiting.length = 0
    },
  }
}
