// A TCP connection that the server never sees: the handshake is given up with a reset before its last acknowledgement.

import { Socket } from 'node:net'
import type { Family } from '../core/ip-address.ts'
import { words } from './host-order.ts'
import { callClose, callGetSocketName } from './libc.ts'
import type { Outcome } from './outcome.ts'
import { bindTo, givenUp, lastRefusal, openSocket, setOption, socketOptions, socketTypes } from './socket.ts'
import { domains, socketAddress } from './socket-address.ts'

/**
 * A socket that holds back the last packet of its handshake for 200 ms. Who calls `resetAndDestroy` on `connect` has the
 * kernel send a reset in its place, and the server's accept(2) returns nothing (HAProxy: its plain `check`). `port` is one
 * of its own to connect from.
 */
export const openQuietSocket = (family: Family, port: ReservedPort | null = null): Outcome<Socket> => {
  const fd = openSocket(domains[family], socketTypes.nodeStream)
  if (fd < 0) return lastRefusal('socket')
  if (!setOption(fd, socketOptions.quickAcknowledgement, 0)) return givenUp(fd, 'setsockopt')
  if (port !== null && !bindAgain(fd, port.name)) return givenUp(fd, 'bind')
  return { ok: true, value: new Socket({ fd, readable: false, writable: true }) }
}

const everyAddress: Readonly<Record<Family, string>> = { ipv4: '0.0.0.0', ipv6: '::' }

/** A local port of one family, as the name of a socket, that no other connection of this host is given. */
export type ReservedPort = { readonly name: Uint8Array; readonly close: () => void }

/** Takes a port for checks, for the time when sessions have all the others. It serves one connection to each server. */
export const reservePort = (family: Family): Outcome<ReservedPort> => {
  const fd = openSocket(domains[family], socketTypes.stream)
  if (fd < 0) return lastRefusal('socket')
  const name = socketAddress({ address: everyAddress[family], port: 0 })
  const isTaken = bindAgain(fd, name) && callGetSocketName(fd, name, words(name.length)) === 0
  return isTaken ? { ok: true, value: { name, close: () => void callClose(fd) } } : givenUp(fd, 'bind')
}

/** To a port that another socket of this process may be bound to. */
const bindAgain = (fd: number, name: Uint8Array): boolean =>
  setOption(fd, socketOptions.reuseAddress, 1) && bindTo(fd, name)
