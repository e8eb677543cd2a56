// A server on loopback that tests play with: it greets with its name, and its checks answer whatever is wanted.

import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'

/** What the server says to its checks. A test changes it at will. */
export type Manner = {
  status: number
  body: string
  /** The line of its agent (HAProxy: `agent-check`). */
  line: string
  /** Whether sessions are accepted; else they are refused. */
  accepts: boolean
}

/** The server, its ports, and the sessions it has. */
export type Actor = {
  readonly name: string
  readonly address: string
  readonly manner: Readonly<Manner>
  readonly behave: (change: Partial<Manner>) => Promise<void>
  readonly close: () => void
}

/** The ports of every actor; each has an address of its own. */
export const actorPorts = { sessions: 13_306, checks: 19_222, lines: 19_223 } as const

/** Starts a server with good manners at an address of 127.0.0.0/8. */
export const startActor = async (name: string, address: string): Promise<Actor> => {
  const manner: Manner = { status: 200, body: 'fine', line: 'up ready 100%', accepts: true }
  const sockets = new Set<Socket>()
  const sessions = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    socket.on('data', () => {})
    socket.write(`${name}\n`)
  })
  const checks = createHttpServer((_, response) => {
    response.writeHead(manner.status, { 'content-type': 'text/plain' }).end(manner.body)
  })
  const lines = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(`${manner.line}\n`)
  })
  const { sessions: port } = actorPorts
  await Promise.all([
    listen(sessions, address, port),
    listen(checks, address, actorPorts.checks),
    listen(lines, address, actorPorts.lines),
  ])
  return {
    name,
    address,
    manner,
    behave: async (change) => {
      const accepted = manner.accepts
      Object.assign(manner, change)
      if (manner.accepts && !accepted) await listen(sessions, address, port)
      if (!manner.accepts && accepted) sessions.close()
    },
    close: () => {
      for (const server of [sessions, checks, lines]) server.close()
      checks.closeAllConnections()
      for (const socket of sockets) socket.destroy()
    },
  }
}

const listen = (server: Server, host: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
