// Inside a host: opens sockets there and gives them to who asked, who has them in its own event loop.

import type { SendHandle } from 'node:child_process'
import { connect, createServer } from 'node:net'

/** What is asked for; each is answered once, by its number. `from` is an address of the host. */
export type SocketOrder = {
  readonly number: number
  readonly open: 'connection' | 'server'
  readonly address: string
  readonly port: number
  readonly from?: string | undefined
}

/** The socket comes with it; `error` is the system's word where there is none. */
export type SocketAnswer = { readonly number: number; readonly error: string | null }

const answer = (message: SocketAnswer, handle?: SendHandle, done?: () => void): void => {
  process.send?.(message, handle, {}, done)
}
const refuse = (number: number, error: Error): void =>
  answer({ number, error: 'code' in error ? String(error.code) : error.message })

const openConnection = ({ number, address, port, from }: SocketOrder): void => {
  const socket = connect({ host: address, port, ...(from === undefined ? {} : { localAddress: from }) })
  // Not a byte is read here.
  socket.pause()
  socket.once('error', (error) => refuse(number, error))
  socket.once('connect', () => answer({ number, error: null }, socket))
}

const openServer = ({ number, address, port }: SocketOrder): void => {
  const server = createServer()
  server.once('error', (error) => refuse(number, error))
  // What listens is there as long as one of both has it: who asked alone decides.
  server.listen({ host: address, port }, () => answer({ number, error: null }, server, () => server.close()))
}

process.on('message', (order: SocketOrder) => {
  if (order.open === 'connection') openConnection(order)
  else openServer(order)
})
process.once('disconnect', () => process.exit(0))
