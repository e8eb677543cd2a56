// Sessions of a listener with itself, over loopback, before the first client comes: the code that a take-over needs has
// then been compiled, and the first clients of a new master do not wait for that.

import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'
import { listenerSchema } from '../../config/listener-schema.ts'
import type { ServerHealthFact } from '../../pool/core/facts.ts'
import { createProxyListener } from './proxy-listener.ts'

const sessions = 200
const atOnce = 4
const longestMillis = 2000
const message = 'as long as a greeting of MySQL, which is less than a hundred bytes'

/** Resolves when it is done, or cannot be done here. Nothing but loopback is touched. */
export const warmUp = async (): Promise<void> => {
  const backend = createServer((socket) => {
    socket.on('error', () => {})
    socket.resume()
    socket.end(message)
  })
  try {
    const name = 'warm-up'
    const config = listenerSchema.parse({
      name,
      bind: '127.0.0.1:1',
      servers: [{ name, address: `127.0.0.1:${await listen(backend)}` }],
    })
    const listener = createProxyListener({
      config,
      onTrouble: () => {},
      onShortage: () => {},
      hasRoom: () => true,
      onEnded: () => {},
    })
    listener.hear(healthy(name))
    const front = createServer({ allowHalfOpen: true }, listener.accept)
    try {
      const port = await listen(front)
      const end = performance.now() + longestMillis
      for (let done = 0; done < sessions && performance.now() < end; done += atOnce) {
        await Promise.all(Array.from({ length: atOnce }, () => oneSession(port)))
      }
    } finally {
      front.close()
      listener.stop()
    }
  } catch {
    // A host without loopback: its first clients wait a little longer.
  } finally {
    backend.close()
  }
}

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** As a client does it: reads the greeting, answers, goes. */
const oneSession = (port: number): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.setTimeout(longestMillis, () => socket.destroy())
    socket.once('data', () => socket.end(message))
    socket.on('error', () => {})
    socket.once('close', () => resolve())
  })

const healthy = (name: string): ServerHealthFact => ({
  fact: 'server-health',
  listener: name,
  server: name,
  up: true,
  since: 0,
  admin: 'ready',
  draining: false,
  refusing: false,
  weight: 1,
  maximumSessions: 0,
  role: 'unknown',
  health: { value: 1, rise: 1, fall: 1 },
  counters: [1],
  lastCheck: null,
  backup: false,
  orders: { admin: 'ready', weight: null },
  agent: null,
  agentCheck: null,
  found: null,
  watched: false,
  malformedReports: {},
  lateChecks: 0,
})
