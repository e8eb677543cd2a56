// The two sockets of a session: connecting to a server, and joining both sides with half-close, back-pressure and
// idle timeouts.

import { connect, type Socket } from 'node:net'
import type { Endpoint } from '../../core/endpoint.ts'
import { type Shortage, shortageOf } from '../../core/shortage.ts'
import type { Millis } from '../../core/time.ts'
import { isTrackingFull } from '../../os/host-limits.ts'
import type { LeaveReason } from '../core/plan.ts'

/** How a session ended: both sides closed it, the client left while it waited for a server, one side was reset or idle
 * too long, or this program ended it: its server must not have it any more, its address left this host, an operator
 * ordered it, or the program stopped. */
export type SessionEnd =
  | 'closed'
  | 'client-left'
  | 'client-reset'
  | 'server-reset'
  | 'client-timeout'
  | 'server-timeout'
  | LeaveReason
  | 'address-left'
  | 'ordered'
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
/** Why there is none with a server that did not answer in time. */
export const timedOut = 'timeout'

/** What this host was short of when a connection failed for `reason`; undefined where the reason lies elsewhere. */
export const shortageIn = (reason: string): Shortage | undefined =>
  reason === timedOut && isTrackingFull() ? 'connection-tracking' : shortageOf(reason)

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
  let timer = setTimeout(fail, timeout, timedOut)
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

/** COM_QUIT, the goodbye of a client of MySQL: a packet of one byte. */
const goodbye = Buffer.from([1, 0, 0, 0, 1])
/** The types of TLS records that a goodbye may be in: an alert, and encrypted data. */
const encrypted: readonly (number | undefined)[] = [0x15, 0x17]
const majorVersion = 3

/** How long, in milliseconds, a server has to close its side when its client has left after it sent `chunk`. */
const patienceAfter = (chunk: Buffer): number => {
  if (chunk.at(-1) === goodbye.at(-1) && chunk.subarray(-goodbye.length).equals(goodbye)) return 5000
  return encrypted.includes(chunk[0]) && chunk[1] === majorVersion ? 250 : 0
}

/**
 * Ends the server's side when its client has left; after a goodbye a little later than the server does it. Whoever closes first
 * keeps the port for a minute (TIME_WAIT). A server of MySQL closes at a goodbye: then the port here is free at once, and ports
 * do not bound how many sessions a second can follow each other.
 */
const letServerCloseFirst = (client: Socket, server: Socket): void => {
  let patience = 0
  client.on('data', (chunk) => {
    patience = patienceAfter(chunk)
  })
  client.once('end', () => {
    const endNow = (): void => {
      clearTimeout(timer)
      server.end()
    }
    // After a stall of this process timers fire before sockets are read.
    const timer = patience === 0 ? undefined : setTimeout(() => setImmediate(endNow), patience)
    if (timer === undefined || server.readableEnded) endNow()
    else server.once('end', endNow).once('close', () => clearTimeout(timer))
  })
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
  client.pipe(server, { end: false })
  letServerCloseFirst(client, server)
  server.pipe(client)
  return { bytes: () => ({ in: client.bytesRead, out: server.bytesRead }), end }
}
