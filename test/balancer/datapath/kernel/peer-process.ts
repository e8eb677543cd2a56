// Inside a host: TCP servers that say who they are and whom they see, and clients that tell what they meet.

import { connect, createServer, type Server, type Socket } from 'node:net'

/** What a peer is asked; each is answered once, by its number. */
export type PeerOrder = { readonly number: number } & (
  | { readonly do: 'serve'; readonly name: string; readonly port: number; readonly address: string }
  | { readonly do: 'end-serving'; readonly port: number }
  | {
      readonly do: 'connect'
      readonly address: string
      readonly port: number
      readonly from?: string | undefined
      readonly fromPort?: number | undefined
    }
  | { readonly do: 'say'; readonly session: number; readonly bytes: number }
  | { readonly do: 'hang-up'; readonly session: number; readonly isReset: boolean }
  | { readonly do: 'await-end'; readonly session: number }
)

/** `text` is what the server said, or the system's error. */
export type PeerAnswer = { readonly number: number; readonly ok: boolean; readonly text: string }

const servers = new Map<number, { readonly server: Server; readonly sockets: Set<Socket> }>()
const sessions = new Map<number, Socket>()
/** The system's errors by which sessions ended. */
const ends = new Map<number, string>()

const answer = (message: PeerAnswer): void => {
  process.send?.(message)
}

const serve = (number: number, name: string, port: number, address: string): void => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy())
    socket.write(`${name} ${socket.remoteAddress?.replace('::ffff:', '')}`)
    socket.pipe(socket)
  })
  server.listen({ port, host: address }, () => answer({ number, ok: true, text: '' }))
  servers.set(port, { server, sockets })
}

const open = (number: number, order: PeerOrder & { readonly do: 'connect' }): void => {
  const { address, port, from, fromPort } = order
  const local = {
    ...(from === undefined ? {} : { localAddress: from }),
    ...(fromPort === undefined ? {} : { localPort: fromPort }),
  }
  const socket = connect({ host: address, port, ...local })
  sessions.set(number, socket)
  socket.on('error', (error) => ends.set(number, 'code' in error ? `${error.code}` : error.message))
  socket.once('data', (data) => answer({ number, ok: true, text: data.toString() }))
  socket.once('error', (error) =>
    answer({ number, ok: false, text: 'code' in error ? `${error.code}` : error.message }),
  )
}

const say = (number: number, session: number, bytes: number): void => {
  const socket = sessions.get(session)
  if (socket === undefined || socket.destroyed) {
    answer({ number, ok: false, text: 'gone' })
    return
  }
  let left = bytes
  const take = (data: Buffer): void => {
    left -= data.length
    if (left > 0) return
    socket.off('data', take)
    answer({ number, ok: true, text: '' })
  }
  socket.on('data', take)
  socket.once('error', (error) => answer({ number, ok: false, text: error.message }))
  socket.write(Buffer.alloc(bytes))
}

const hangUp = (session: number, isReset: boolean): void => {
  if (isReset) sessions.get(session)?.resetAndDestroy()
  else sessions.get(session)?.destroy()
  sessions.delete(session)
}

/** Answers when the session is over, of itself. */
const awaitEnd = (number: number, session: number): void => {
  const socket = sessions.get(session)
  const over = (text: string): void => answer({ number, ok: true, text })
  const text = (): string => ends.get(session) ?? 'closed'
  if (socket === undefined || socket.destroyed) over(text())
  else socket.once('close', () => over(text()))
}

const endServing = (port: number): void => {
  const served = servers.get(port)
  for (const socket of served?.sockets ?? []) socket.destroy()
  served?.server.close()
}

process.on('message', (order: PeerOrder) => {
  const { number } = order
  if (order.do === 'serve') serve(number, order.name, order.port, order.address)
  else if (order.do === 'connect') open(number, order)
  else if (order.do === 'await-end') awaitEnd(number, order.session)
  else if (order.do === 'say') say(number, order.session, order.bytes)
  else {
    if (order.do === 'hang-up') hangUp(order.session, order.isReset)
    else endServing(order.port)
    answer({ number, ok: true, text: '' })
  }
})
process.once('disconnect', () => process.exit(0))
