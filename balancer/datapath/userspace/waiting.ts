// Clients that wait for a server: how long each may, and when servers that did not accept it are tried anew.

/** Those who wait, the longest first. Some may be set aside: nothing helps them but a retry or a change of the servers. */
export type Waiting<C> = {
  /** Adds a client, or sets its moments anew. */
  readonly add: (client: C, moments: WaitingMoments) => void
  readonly remove: (client: C) => void
  readonly setAside: (client: C) => void
  readonly recall: (client: C) => void
  readonly recallAll: () => void
  /** All who are not set aside. */
  readonly ready: () => Iterable<C>
  readonly all: () => Iterable<C>
  readonly size: () => number
}

/** Moments of `performance.now()`: the end of the wait, and of the pause after a failed connect; null without one. */
export type WaitingMoments = { readonly until: number; readonly retryAt: number | null }

export type WaitingOptions<C> = {
  readonly onOver: (client: C) => void
  readonly onRetry: (client: C) => void
}

type Timers = { readonly over: NodeJS.Timeout; readonly retry: NodeJS.Timeout | undefined }

/** Nobody waits. */
export const createWaiting = <C>({ onOver, onRetry }: WaitingOptions<C>): Waiting<C> => {
  const waiting = new Map<C, Timers>()
  // Thousands may pause between retries: whoever comes meanwhile must not look at each of them.
  let ready = new Set<C>()
  const remove = (client: C): void => {
    const timers = waiting.get(client)
    clearTimeout(timers?.over)
    clearTimeout(timers?.retry)
    waiting.delete(client)
    ready.delete(client)
  }
  return {
    add: (client, { until, retryAt }) => {
      remove(client)
      const at = (moment: number, act: (client: C) => void) =>
        setTimeout(act, Math.max(0, moment - performance.now()), client)
      waiting.set(client, {
        over: at(until, onOver),
        retry: retryAt === null ? undefined : at(retryAt, onRetry),
      })
      ready.add(client)
    },
    remove,
    setAside: (client) => void ready.delete(client),
    recall: (client) => void ready.add(client),
    recallAll: () => {
      ready = new Set(waiting.keys())
    },
    ready: () => ready,
    all: () => waiting.keys(),
    size: () => waiting.size,
  }
}
