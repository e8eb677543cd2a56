// What the tests of the proxy share: free ports, servers on loopback, a listener in front of them.

import { connect, createServer, type Socket } from 'node:net'
import { balancerSchema, type ListenerConfig } from '../../../balancer/config/schema.ts'
import { createBinds } from '../../../balancer/datapath/userspace/binds.ts'
import { createProxyListener, type ProxyListener } from '../../../balancer/datapath/userspace/proxy-listener.ts'
import type { EndedSession } from '../../../balancer/datapath/userspace/session-trace.ts'
import type { ListenerFact } from '../../../balancer/pool/core/facts.ts'
import { failedCheck, healthFact } from '../pool/health-fact.ts'

/** A TCP server on loopback that hands each connection to `serve`. */
export type Backend = { readonly port: number; readonly sockets: Set<Socket>; readonly close: () => void }

/** Starts a backend; half-open connections are allowed as in MySQL's own protocol tests. */
export const startBackend = async (serve: (socket: Socket) => void): Promise<Backend> => {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  return { port: portOf(server.address()), sockets, close }
}

/** Has a server listen on a port that was free until now. */
export const openLate = async (port: number, serve: (socket: Socket) => void): Promise<{ close: () => void }> => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    serve(socket)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return { close: () => void server.close() }
}

/** A port of 127.0.0.1 where nothing listens. */
export const freePort = async (): Promise<number> => {
  const backend = await startBackend(() => {})
  backend.close()
  return backend.port
}

const portOf = (address: unknown): number => {
  if (typeof address === 'object' && address !== null && 'port' in address) return Number(address.port)
  throw new Error('no TCP address')
}

/** A running listener in front of backends, all of them marked up. */
export type Front = {
  readonly listener: TestListener
  readonly port: number
  readonly names: readonly string[]
  /** The sessions that have ended, as the session log would have them. */
  readonly ended: readonly EndedSession[]
}

/** A listener with its addresses. */
export type TestListener = Pick<ProxyListener, 'hear' | 'setWriter' | 'reconfigure' | 'endSessions' | 'stop'> & {
  readonly fact: () => ListenerFact
  readonly markServer: (name: string, up: boolean) => void
  readonly addressChanged: (address: string, present: boolean) => void
}

/** The configuration of a listener; `change` holds keys as an operator writes them, `server` those of each server. */
export const listenerConfig = (
  port: number,
  backends: readonly number[],
  change: Record<string, unknown> = {},
): ListenerConfig => {
  const { server: _, ...keys } = change
  const servers = backends.map((backend, i) => ({
    name: `s${i + 1}`,
    address: `127.0.0.1:${backend}`,
    ...serverKeys(change),
  }))
  const [config] = balancerSchema.parse({
    router_id: 'test',
    listeners: [{ name: 'mysql', bind: `127.0.0.1:${port}`, servers, ...keys }],
  }).listeners
  if (config === undefined) throw new Error('no listener')
  return config
}

/** Starts a listener in front of backends. */
export const startFront = async (ports: readonly number[], change: Record<string, unknown> = {}): Promise<Front> => {
  const port = await freePort()
  const config = listenerConfig(port, ports, change)
  const ended: EndedSession[] = []
  const listener = createProxyListener({
    config,
    onTrouble: () => {},
    onShortage: () => {},
    hasRoom: () => true,
    onEnded: (record) => ended.push(record()),
  })
  let isPresent = true
  const binds = createBinds({ isPresent: () => isPresent, onChange: () => {}, onAcceptFailure: () => {} })
  const owner = config.name
  await binds.assign(
    config.bind.map((endpoint, i) => ({
      endpoint,
      key: `listeners[0].bind[${i}]`,
      owner,
      accept: listener.accept,
    })),
  )
  const front: TestListener = {
    ...listener,
    fact: () => listener.fact(binds.statesOf(owner)),
    markServer: (name, up) => {
      const server = config.servers.find((candidate) => candidate.name === name)
      listener.hear(
        healthFact(name, {
          up,
          weight: server?.weight ?? 1,
          maximumSessions: server?.max_connections ?? 0,
          backup: server?.backup ?? false,
          lastCheck: up ? null : failedCheck(),
        }),
      )
    },
    addressChanged: (address, present) => {
      isPresent = present
      binds.addressChanged(address)
      if (!present) listener.addressLeft(address)
    },
    stop: () => {
      binds.stop()
      listener.stop()
    },
  }
  for (const { name } of config.servers) front.markServer(name, true)
  return { listener: front, port, names: config.servers.map(({ name }) => name), ended }
}

const serverKeys = (change: Record<string, unknown>): object =>
  typeof change['server'] === 'object' && change['server'] !== null ? change['server'] : {}

/** A client of the proxy: what it received, and how its connection ended. */
export type TestClient = {
  readonly socket: Socket
  readonly received: () => string
  readonly ended: Promise<'end' | 'reset'>
}

/** Connects to the front. */
export const startClient = (port: number): TestClient => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  const ended = new Promise<'end' | 'reset'>((resolve) => {
    socket.once('end', () => resolve('end'))
    socket.once('error', () => resolve('reset'))
  })
  return { socket, received: () => text, ended }
}
