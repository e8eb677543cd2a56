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
}

/** A place for one server. */
export type PortSlot<C, S extends Stoppable> = {
  readonly server: () => S | null
  /** Rejects, with everything as before, where the new address is not to be had. */
  readonly prepare: (from: C, to: C) => Promise<Move>
}

const nothing: Move = { commit: () => undefined, undo: async () => undefined }

/** Opens the port of the first configuration; rejects where it is not to be had. */
export const openSlot = async <C, S extends Stoppable>(
  config: C,
  { open, isSame, portOf }: PortKind<C, S>,
): Promise<PortSlot<C, S>> => {
  let server = await open(config)
  const prepare = async (from: C, to: C): Promise<Move> => {
    if (isSame(from, to)) return nothing
    const old = server
    if (portOf(from) !== portOf(to)) {
      const next = await open(to)
      const commit = (): void => {
        server = next
        void old?.stop('moved')
      }
      return { commit, undo: async () => next?.stop() }
    }
    // The same port at another address, or with another handshake: the old listener has to go first. Its answers under way stay.
    const restore = async (): Promise<void> => {
      server = await open(from)
    }
    void old?.stop('moved')
    try {
      server = await open(to)
    } catch (error) {
      await restore()
      throw error
    }
    const undo = async (): Promise<void> => {
      void server?.stop()
      await restore()
    }
    return { commit: () => undefined, undo }
  }
  return { server: () => server, prepare }
}
