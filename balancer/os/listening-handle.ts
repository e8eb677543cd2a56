// Listening sockets on their way from one process to another, over the channel that Node opens to its children. Nobody on
// the way accepts from them, and whoever has one shares the queue of clients with all who have it.

import type { SendHandle } from 'node:child_process'
import type { Server } from 'node:net'

/** A listening socket that can be sent to another process, and listened on there. */
export type ListeningHandle = SendHandle

/** The socket of a server that listens. A `Server` that is sent would begin to accept wherever it arrives. */
export const handleOf = (server: Server): ListeningHandle => Reflect.get(server, '_handle')

/** Gives up this process's share in it. */
export const closeHandle = (handle: ListeningHandle): void => {
  if (handle !== undefined && 'close' in handle) handle.close()
}
