// A TCP connection that the server never sees: the handshake is given up with a reset before its last acknowledgement.

import { Socket } from 'node:net'
import type { Family } from '../core/ip-address.ts'
import { callBind, callClose, callGetSocketName, callSetSocketOption, callSocket, lastError } from './libc.ts'
import { type Outcome, refused } from './outcome.ts'
import { domains, socketAddress } from './socket-address.ts'

const typeStream = 1
const closeOnExec = 0o2000000
const nonBlocking = 0o4000
/** Level and option: SO_REUSEADDR, and TCP_QUICKACK of tcp(7). */
const reuseAddress = [1, 2] as const
const quickAcknowledgement = [6, 12] as const

/**
 * A socket that holds back the last packet of its handshake for 200 ms. Who calls `resetAndDestroy` on `connect` has the
 * kernel send a reset in its place, and the server's accept(2) returns nothing (HAProxy: its plain `check`). `port` is one
 * of its own to connect from.
 */
export const openQuietSocket = (family: Family, port: ReservedPort | null = null): Outcome<Socket> => {
  const fd = callSocket(domains[family], typeStream | closeOnExec | nonBlocking, 0)
  if (fd < 0) return failed('socket')
  const isQuiet = set(fd, quickAcknowledgement, 0)
  if (!isQuiet || (port !== null && !bindTo(fd, port.name))) {
    const outcome = failed(isQuiet ? 'bind' : 'setsockopt')
    callClose(fd)
    return outcome
  }
  return { ok: true, value: new Socket({ fd, readable: false, writable: true }) }
}

const everyAddress: Readonly<Record<Family, string>> = { ipv4: '0.0.0.0', ipv6: '::' }

/** A local port of one family, as the name of a socket, that no other connection of this host is given. */
export type ReservedPort = { readonly name: Uint8Array; readonly close: () => void }

/** Takes a port for checks, for the time when sessions have all the others. It serves one connection to each server. */
export const reservePort = (family: Family): Outcome<ReservedPort> => {
  const fd = callSocket(domains[family], typeStream | closeOnExec, 0)
  if (fd < 0) return failed('socket')
  const name = socketAddress({ address: everyAddress[family], port: 0 })
  const length = new Uint8Array(Uint32Array.of(name.length).buffer)
  if (bindTo(fd, name) && callGetSocketName(fd, name, length) === 0) {
    return { ok: true, value: { name, close: () => void callClose(fd) } }
  }
  const outcome = failed('bind')
  callClose(fd)
  return outcome
}

const bindTo = (fd: number, name: Uint8Array): boolean =>
  set(fd, reuseAddress, 1) && callBind(fd, name, name.length) === 0

const set = (fd: number, [level, option]: readonly [number, number], value: number): boolean => {
  const bytes = new Uint8Array(Int32Array.of(value).buffer)
  return callSetSocketOption(fd, level, option, bytes, bytes.length) === 0
}

const failed = (call: string): Outcome<never> => {
  const code = lastError()
  return refused(code, `${call}: ${code}`)
}
