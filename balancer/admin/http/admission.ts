// Who may hold connections to the status page: so many of each source and in all; who only holds one makes room.

import type { Socket } from 'node:net'
import { plainAddress } from '../../core/endpoint.ts'

/** The open connections of the status page. */
export type Admission = {
  /** Lets a connection in, or destroys it where nobody can make room. Tells which it was, and who had to go. */
  readonly enter: (socket: Socket) => void
  /** A request of it is complete: it does not make room until the answer is out. */
  readonly busy: (socket: Socket) => void
  readonly idle: (socket: Socket) => void
  /** How many are in. */
  readonly count: () => number
}

export type AdmissionLimits = { readonly all: number; readonly perSource: number }

/** No connection yet. `refused` is called for each that had to go. */
export const createAdmission = ({ all, perSource }: AdmissionLimits, refused: () => void): Admission => {
  const sources = new Map<Socket, string>()
  /** In the order in which they became idle. One whose request is half sent is idle. */
  const idle = new Set<Socket>()

  const leave = (socket: Socket): void => {
    sources.delete(socket)
    idle.delete(socket)
  }
  const makeRoom = (source: string | undefined): boolean => {
    const longest = [...idle].find((socket) => source === undefined || sources.get(socket) === source)
    if (longest === undefined) return false
    leave(longest)
    longest.destroy()
    refused()
    return true
  }
  return {
    enter: (socket) => {
      const source = plainAddress(socket.remoteAddress)
      const own = [...sources.values()].filter((one) => one === source).length
      const isRoom = (own < perSource || makeRoom(source)) && (sources.size < all || makeRoom(undefined))
      if (!isRoom) {
        refused()
        socket.destroy()
        return
      }
      sources.set(socket, source)
      idle.add(socket)
      socket.once('close', () => leave(socket))
    },
    busy: (socket) => void idle.delete(socket),
    idle: (socket) => {
      if (sources.has(socket)) idle.add(socket)
    },
    count: () => sources.size,
  }
}
