// All runtime sockets of one balancer, as its configuration has them: a reload opens, changes and closes what differs.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { RunCommand } from './conversation.ts'
import { type RuntimeSocket, type SocketPlace, startRuntimeSocket } from './runtime-socket.ts'

/** The running sockets. */
export type RuntimeSockets = Pick<RuntimeSocket, 'yield' | 'look' | 'retire' | 'stop'> & {
  /** Opens those that are new. What was there stays until `apply`; `cancel` takes all of it back. Throws `FailedStart`. */
  readonly prepare: (places: readonly SocketPlace[]) => Promise<PreparedSockets>
}

/** See `RuntimeSockets`. */
export type PreparedSockets = { readonly apply: () => void; readonly cancel: () => void }

/** Opens all of them, or throws `FailedStart`; see `startRuntimeSocket`. */
export const startRuntimeSockets = async (
  places: readonly SocketPlace[],
  run: RunCommand,
  log: Logger,
  options: { readonly takesOver: boolean },
): Promise<RuntimeSockets> => {
  type Open = { readonly place: SocketPlace; readonly socket: RuntimeSocket }
  let all: readonly Open[] = []
  const prepare = async (wanted: readonly SocketPlace[], takesOver: boolean): Promise<PreparedSockets> => {
    const next: Open[] = []
    const undo: (() => void)[] = []
    const cancel = (): void => {
      for (const step of undo.reverse()) step()
    }
    try {
      for (const place of wanted) {
        const known = all.find((one) => one.place.path === place.path)
        const socket = known?.socket ?? (await startRuntimeSocket(place, run, log, { takesOver }))
        next.push({ place, socket })
        if (known === undefined) undo.push(socket.stop)
        else if (!isDeepStrictEqual(known.place, place)) {
          socket.change(place)
          undo.push(() => socket.change(known.place))
        }
      }
    } catch (error) {
      cancel()
      throw error
    }
    const apply = (): void => {
      const kept = new Set(next.map(({ socket }) => socket))
      for (const { socket } of all) if (!kept.has(socket)) socket.stop()
      all = next
    }
    return { apply, cancel }
  }
  const first = await prepare(places, options.takesOver)
  first.apply()
  const each = (act: (socket: RuntimeSocket) => void): void => {
    for (const { socket } of all) act(socket)
  }
  return {
    prepare: (wanted) => prepare(wanted, false),
    yield: () => each((socket) => socket.yield()),
    look: () => each((socket) => socket.look()),
    retire: async () => {
      await Promise.all(all.map(({ socket }) => socket.retire()))
    },
    stop: () => each((socket) => socket.stop()),
  }
}
