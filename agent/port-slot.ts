// One port of the agent that may move to another address, in two steps so that several move together or not at all.

/** A server on a port. */
export type Stoppable = { readonly stop: (why?: 'moved') => Promise<void> }

/** A prepared move: the new address is open already. */
export type Move = { readonly commit: () => void; readonly undo: () => Promise<void> }

/** How a kind of port is opened by a configuration `C` (null where it has none), and when two want the same one. */
export type PortKind<C, S extends Stoppable> = {
  readonly open: (config: C) => Promise<S | null>
  readonly isSame: (one: C, other: C) => boolean
  readonly portOf: (config: C) => number | undefined
  /** The failure to open, in one line for the operator. */
  readonly explain: (error: unknown, config: C) => Error
}

/** Who waits for a port that somebody else has, instead of not starting: for which failures, and who is told. */
export type Waiting = {
  readonly isWorthIt: (error: unknown) => boolean
  /** Why the port is not open yet; null when it is, or when nobody wants it any more. */
  readonly onChange: (why: Error | null) => void
}

/** A place for one server. */
export type PortSlot<C, S extends Stoppable> = {
  readonly server: () => S | null
  /** Rejects, with everything as before, where the new address is not to be had. */
  readonly prepare: (from: C, to: C) => Promise<Move>
  readonly stop: () => Promise<void>
}

/** Short beside the interval of any check: who asked the one before finds the agent there. */
const retryMillis = 200

/** Opens the port of the first configuration; rejects where it is not to be had, and not worth waiting for. */
export const openSlot = async <C, S extends Stoppable>(
  config: C,
  { open, isSame, portOf, explain }: PortKind<C, S>,
  waiting: Waiting | null,
): Promise<PortSlot<C, S>> => {
  let server: S | null = null
  /** What is wanted now: with a reload meanwhile another configuration has the same port. */
  let wanted = config
  let retry: NodeJS.Timeout | null = null
  let attempt: Promise<void> = Promise.resolve()

  const tryAgain = async (): Promise<void> => {
    try {
      const opened = await open(wanted)
      // Given up while it opened.
      if (retry === null) return await opened?.stop()
      server = opened
      giveUp()
    } catch {
      if (retry !== null) retry = later()
    }
  }
  const later = (): NodeJS.Timeout =>
    setTimeout(() => {
      attempt = tryAgain()
    }, retryMillis)
  const giveUp = (): void => {
    if (retry === null) return
    clearTimeout(retry)
    retry = null
    waiting?.onChange(null)
  }
  const openOrWait = async (it: C): Promise<void> => {
    try {
      server = await open(it)
    } catch (error) {
      if (waiting === null || !waiting.isWorthIt(error)) throw explain(error, it)
      server = null
      retry = later()
      waiting.onChange(explain(error, it))
    }
  }
  const openOrExplain = async (it: C): Promise<S | null> => {
    try {
      return await open(it)
    } catch (error) {
      throw explain(error, it)
    }
  }

  const prepare = async (from: C, to: C): Promise<Move> => {
    const commit = (): void => {
      wanted = to
    }
    if (isSame(from, to)) return { commit, undo: async () => undefined }
    const old = server
    if (old === null || portOf(from) !== portOf(to)) {
      const next = await openOrExplain(to)
      return {
        commit: () => {
          commit()
          giveUp()
          const before = server
          server = next
          void before?.stop('moved')
        },
        undo: async () => next?.stop(),
      }
    }
    // The same port at another address, or with another handshake: the old listener has to go first. Its answers under way stay.
    const restore = (): Promise<void> => openOrWait(from)
    void old.stop('moved')
    try {
      server = await openOrExplain(to)
    } catch (error) {
      await restore()
      throw error
    }
    const undo = async (): Promise<void> => {
      void server?.stop()
      await restore()
    }
    return { commit, undo }
  }

  await openOrWait(config)
  return {
    server: () => server,
    prepare,
    stop: async () => {
      giveUp()
      await attempt
      await server?.stop()
    },
  }
}
