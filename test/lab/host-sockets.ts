// Sockets of a host of the lab in this process: one place for many clients and servers, without a process for each.

import { Server, Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Host } from './host.ts'
import type { SocketAnswer, SocketOrder } from './host-sockets-process.ts'

/** An address as the host sees it. `from`: one of its own, to connect from. */
export type Target = { readonly address: string; readonly port: number; readonly from?: string | undefined }

/** Half-open connections are allowed on all of them. None is a reason for this process to stay when the lab is gone. */
export type HostSockets = {
  /** Connects; nothing is read before somebody listens. Rejects with the system's word, such as ECONNREFUSED. */
  readonly connect: (target: Target) => Promise<Socket>
  /** Listens until the server is closed here. */
  readonly listen: (target: Target) => Promise<Server>
}

export const openHostSockets = (host: Host): HostSockets => {
  const entry = fileURLToPath(new URL('./host-sockets-process.js', import.meta.url))
  const inside = host.spawn('sockets', process.execPath, [entry], { ipc: true })
  const waiting = new Map<number, (answer: SocketAnswer, handle: unknown) => void>()
  let last = 0
  inside.onMessage((message, handle) => {
    const answer = message as SocketAnswer
    waiting.get(answer.number)?.(answer, handle)
    waiting.delete(answer.number)
  })
  const ask = (order: Omit<SocketOrder, 'number'>): Promise<unknown> =>
    new Promise((resolve, reject) => {
      last += 1
      waiting.set(last, ({ error }, handle) => (error === null ? resolve(handle) : reject(new Error(error))))
      inside.send({ ...order, number: last })
    })
  return {
    connect: async (target) => {
      const socket = await ask({ open: 'connection', ...target })
      if (!(socket instanceof Socket)) throw new Error('the connection was over before it came here')
      socket.allowHalfOpen = true
      return socket.unref()
    },
    listen: async (target) => {
      const server = await ask({ open: 'server', ...target })
      if (!(server instanceof Server)) throw new Error(`nothing listens on port ${target.port}`)
      server.on('connection', (accepted) => accepted.unref())
      return Object.assign(server.unref(), { allowHalfOpen: true })
    },
  }
}
