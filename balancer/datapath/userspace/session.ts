// The two sockets of a session: connecting to a server, and joining both sides with half-close, back-pressure and
// idle timeouts.

import { connect, type Socket } from 'node:net'
import type { Endpoint } from '../../config/values.ts'
import type { Millis } from '../../core/time.ts'

/** How a session ended: both sides closed it, the client left while it waited for a server, one side was reset or idle
 * too long, or this program ended it: its server went down, is not the writer any more, is a backup that is not needed any
 * more or was taken out of the configuration, its address left this host, or the program stopped. */
export type SessionEnd =
  | 'closed'
  | 'client-left'
  | 'client-reset'
  | 'server-reset'
  | 'client-timeout'
  | 'server-timeout'
  | 'server-down'
  | 'demoted'
  | 'active-server-up'
  | 'server-removed'
  | 'address-left'
  | 'stopped'

/** Two joined sockets. `bytes` counts what each side sent so far: `in` the client, `out` the server. */
export type Session = {
  readonly bytes: () => { readonly in: number; readonly out: number }
  readonly end: (reason: SessionEnd) => void
}

/** The connected socket, or why there is none. */
export type Connected = { readonly ok: true; readonly socket: Socket } | { readonly ok: false; readonly reason: string }

/** A connection on its way. `abort` gives it up at once. */
export type Attempt = { readonly result: Promise<Connected>; readonly abort: () => void }

/** Why there is no connection after `abort`. */
export const aborted = 'aborted'

/** Dead peers are found by the kernel, although database sessions may be idle for hours. */
const keepAliveMillis = 60_000

/** Why there is no connection with a server that closed it without a word. */
const mute = 'closed without a word'

/**
 * Connects to a server within `timeout` (HAProxy: `timeout connect`). The kernel accepts for a server that starts, stops or
 * hangs, so there is a connection only when one side has said something, or when both have been silent for so long again. A
 * server that ends it before has not accepted, and `client` can still be given to another.
 */
export const connectTo = ({ address, port }: Endpoint, timeout: Millis, client: Socket): Attempt => {
  const socket = connect({ host: address, port, allowHalfOpen: true, noDelay: true })
  const { promise, resolve } = withResolvers<Connected>()
  const settle = (connected: Connected): void => {
    clearTimeout(timer)
    socket.removeListener('error', onError)
    socket.removeListener('end', onEnd)
    for (const side of [socket, client]) side.removeListener('readable', look)
    if (!connected.ok) {
      socket.on('error', () => {})
      socket.destroy()
    }
    resolve(connected)
  }
  const fail = (reason: string): void => settle({ ok: false, reason })
  const succeed = (): void => settle({ ok: true, socket })
  const onError = (error: NodeJS.ErrnoException): void => fail(error.code ?? error.message)
  const onEnd = (): void => fail(mute)
  /** What was said stays in the sockets. */
  const look = (): void => {
    socket.read(0)
    if (socket.readableLength > 0 || client.readableLength > 0) succeed()
  }
  let timer = setTimeout(fail, timeout, 'timeout')
  socket.once('error', onError)
  socket.once('connect', () => {
    clearTimeout(timer)
    timer = setTimeout(succeed, timeout)
    socket.once('end', onEnd)
    for (const side of [socket, client]) side.on('readable', look)
    look()
  })
  return { result: promise, abort: () => fail(aborted) }
}

const withResolvers = <T>() => {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

/**
 * Watches a client that waits for its server (HAProxy: `option abortonclose`). What it sends meanwhile stays in the
 * socket. The returned function ends the watch.
 */
export const watchForLeaving = (client: Socket, onLeave: () => void): (() => void) => {
  // Reading nothing keeps the kernel telling us of a FIN or a reset, and lets the stream notice its end.
  const look = (): void => void client.read(0)
  client.on('readable', look)
  client.once('end', onLeave)
  client.once('error', onLeave)
  return () => {
    client.removeListener('readable', look)
    client.removeListener('end', onLeave)
    client.removeListener('error', onLeave)
  }
}

/**
 * Joins two sockets until both directions have ended. A reset or a timeout of one side resets the other, so that nobody
 * takes a broken session for a finished one. `onEnd` is called once.
 */
export const joinSockets = (
  client: Socket,
  server: Socket,
  timeouts: { readonly client: Millis; readonly server: Millis },
  onEnd: (reason: SessionEnd) => void,
): Session => {
  let ended = false
  const end = (reason: SessionEnd): void => {
    if (ended) return
    ended = true
    if (reason !== 'closed') {
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
    onEnd(reason)
  }
  const watch = (socket: Socket, timeout: Millis, side: 'client' | 'server'): void => {
    socket.setKeepAlive(true, keepAliveMillis)
    socket.setTimeout(timeout, () => end(`${side}-timeout`))
    socket.on('error', () => end(`${side}-reset`))
    socket.on('close', () => {
      if (client.destroyed && server.destroyed) end('closed')
    })
  }
  watch(client, timeouts.client, 'client')
  watch(server, timeouts.server, 'server')
  client.pipe(server)
  server.pipe(client)
  return { bytes: () => ({ in: client.bytesRead, out: server.bytesRead }), end }
}
