// Takes connections of the other balancers. Nobody else gets a byte, and who has not shown the key costs little.

import { createServer, type Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { type Endpoint, endpointText, plainAddress } from '../core/endpoint.ts'
import { familyOf } from '../core/ip-address.ts'
import { isOtherKey, type Key, tlsOptions } from './transport.ts'

/** Why a connection was not taken. */
export type Refusal = 'not-a-peer' | 'too-many' | 'other-key' | 'no-handshake'

/** `stop`: takes nobody any more at once; resolves when those that it took are gone, whom others end. */
export type Acceptor = { readonly stop: () => Promise<void> }

export type AcceptorOptions = {
  readonly listen: Endpoint
  readonly key: Key
  readonly mayConnect: (address: string) => boolean
  /** A connection from `address` of one that has the key; `identity` is what it calls itself. */
  readonly onSecure: (socket: TLSSocket, address: string, identity: string) => void
  readonly onRefused: (reason: Refusal, address: string) => void
  /** Why nobody can connect; null: they can now. */
  readonly onTrouble: (text: string | null) => void
}

/** The same as the end of a sentence. */
export const refusalWords: Readonly<Record<Refusal, string>> = {
  'not-a-peer': 'peers.to does not have it (not-a-peer)',
  'too-many': 'it has too many already, or makes too many in a second (too-many)',
  'other-key': 'what it says is not made with the key of key_file (other-key)',
  'no-handshake': 'it does not speak as a balancer does, or says nothing (no-handshake)',
}

const callerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

const handshakeTimeout = 3000
/** Of one address at once: a peer needs one, and two for a moment. */
const mostConnections = 4
const handshakesPerSecond = 10
const retryInterval = 1000

/** Listens, and tries again where the address is not here yet or the port is taken. */
export const startAcceptor = (options: AcceptorOptions): Acceptor => {
  const { listen, key, mayConnect, onSecure, onRefused, onTrouble } = options
  const shown = endpointText(listen)
  const identities = new WeakMap<object, string>()
  const callers = new Map<string, { open: number; tokens: number; filledAt: number }>()
  /** Sockets that have not shown the key yet, by address and port. */
  const strangers = new Map<string, Socket>()
  let isStopped = false
  let retry: NodeJS.Timeout | null = null

  const tls = createTlsServer(
    {
      ...tlsOptions,
      handshakeTimeout,
      dhparam: 'auto',
      pskCallback: (socket, identity) => {
        identities.set(socket, identity)
        return key
      },
    },
    (socket) => {
      const address = plainAddress(socket.remoteAddress)
      strangers.delete(callerOf(socket))
      if (isStopped || address === '') socket.destroy()
      else onSecure(socket, address, identities.get(socket) ?? '')
    },
  )
  tls.on('tlsClientError', (error, socket) => {
    const address = plainAddress(socket.remoteAddress)
    socket.destroy()
    onRefused(isOtherKey(error) ? 'other-key' : 'no-handshake', address)
  })

  const admits = (address: string): boolean => {
    const now = performance.now()
    const caller = callers.get(address) ?? { open: 0, tokens: handshakesPerSecond, filledAt: now }
    callers.set(address, caller)
    const refill = ((now - caller.filledAt) * handshakesPerSecond) / 1000
    caller.tokens = Math.min(handshakesPerSecond, caller.tokens + refill)
    caller.filledAt = now
    if (caller.tokens < 1 || caller.open >= mostConnections) return false
    caller.tokens -= 1
    return true
  }
  const server = createServer((socket) => {
    const address = plainAddress(socket.remoteAddress)
    const refusal = !mayConnect(address) ? 'not-a-peer' : admits(address) ? null : 'too-many'
    if (refusal !== null) {
      socket.on('error', () => {})
      socket.resetAndDestroy()
      onRefused(refusal, address)
      return
    }
    const caller = callers.get(address)
    if (caller !== undefined) caller.open += 1
    const called = callerOf(socket)
    strangers.set(called, socket)
    socket.once('close', () => {
      strangers.delete(called)
      if (caller !== undefined) caller.open -= 1
    })
    tls.emit('connection', socket)
  })
  server.on('error', (error) => {
    onTrouble(`cannot listen at ${shown} (${'code' in error ? error.code : error.message})`)
    if (isStopped) return
    retry = setTimeout(begin, retryInterval)
    retry.unref()
  })
  server.on('listening', () => onTrouble(null))
  const begin = (): void => {
    if (isStopped) return
    server.listen({ host: listen.address, port: listen.port, ipv6Only: familyOf(listen.address) === 'ipv6' })
  }
  begin()
  return {
    stop: async () => {
      isStopped = true
      if (retry !== null) clearTimeout(retry)
      for (const socket of strangers.values()) socket.destroy()
      if (server.listening) await new Promise((resolve) => server.close(resolve))
    },
  }
}
