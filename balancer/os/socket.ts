// Sockets that Node has no class for, by the number of their file: socket(2), socket(7).

import { words } from './host-order.ts'
import { callBind, callClose, callReceive, callSendTo, callSetSocketOption, callSocket, lastError } from './libc.ts'
import { type Outcome, refused } from './outcome.ts'

const closeOnExec = 0o2000000
const nonBlocking = 0o4000
/** SOCK_*; `nodeStream` is for Node, which wants a socket that never blocks. */
export const socketTypes = { stream: 1, nodeStream: 1 | nonBlocking, datagram: 2, raw: 3 } as const

/** MSG_DONTWAIT; MSG_NOSIGNAL: a receiver that is gone is an error, and ends nobody. */
export const [dontWait, noSignal] = [0x40, 0x4000]

/** Options by level and number. */
export const socketOptions = {
  reuseAddress: [1, 2],
  attachFilter: [1, 26],
  receiveBufferForce: [1, 33],
  freeBind: [0, 15],
  transparent: [0, 19],
  onlyIpv6: [41, 26],
  quickAcknowledgement: [6, 12],
  ignoreOutgoing: [263, 23],
} as const

/** The number of a new socket, negative where the system refuses it; no program that is started inherits it. */
export const openSocket = (domain: number, type: number, protocol = 0): number =>
  callSocket(domain, type | closeOnExec, protocol)

/** Sets an option to an integer, or to a structure; false where the system refuses. */
export const setOption = (
  fd: number,
  [level, option]: readonly [number, number],
  value: number | Uint8Array,
): boolean => {
  const bytes = typeof value === 'number' ? words(value) : value
  return callSetSocketOption(fd, level, option, bytes, bytes.length) === 0
}

/** Gives the socket an address; false where the system refuses. */
export const bindTo = (fd: number, address: Uint8Array): boolean => callBind(fd, address, address.length) === 0

/** Sends one datagram; false where the system did not take all of it. */
export const sendTo = (fd: number, bytes: Uint8Array, address: Uint8Array, flags = 0): boolean =>
  Number(callSendTo(fd, bytes, bytes.length, flags, address, address.length)) === bytes.length

/** Takes one datagram that waits, cut off where `buffer` ends. Its length; negative: `lastError` says why, EAGAIN that none waits. */
export const receiveInto = (fd: number, buffer: Uint8Array): number =>
  Number(callReceive(fd, buffer, buffer.length, dontWait))

/** The datagrams that wait, at most so many, each cut off at so many bytes. */
export const receiveWaiting = (fd: number, most: number, longest: number): readonly Uint8Array[] => {
  const waiting: Uint8Array[] = []
  const buffer = new Uint8Array(longest)
  while (waiting.length < most) {
    const length = receiveInto(fd, buffer)
    if (length <= 0) break
    waiting.push(buffer.slice(0, length))
  }
  return waiting
}

/** What the last call was refused with, as `what: CODE`. */
export const lastRefusal = (what: string): Outcome<never> => {
  const code = lastError()
  return refused(code, `${what}: ${code}`)
}

/** The same of a socket that is of no use after it: it is closed. */
export const givenUp = (fd: number, what: string): Outcome<never> => {
  const refusal = lastRefusal(what)
  callClose(fd)
  return refusal
}
