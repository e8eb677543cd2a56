// A TCP connection that the server never sees: the handshake is given up with a reset before its last acknowledgement.

import { Socket } from 'node:net'
import { callClose, callSetSocketOption, callSocket, lastError } from './libc.ts'
import { type Outcome, refused } from './outcome.ts'

const familyIpv4 = 2
const typeStream = 1
const closeOnExec = 0o2000000
const nonBlocking = 0o4000
/** Level and option of TCP_QUICKACK, tcp(7). */
const quickAcknowledgement = [6, 12] as const

/**
 * A socket that holds back the last packet of its handshake for 200 ms. Who calls `resetAndDestroy` on `connect` has the
 * kernel send a reset in its place, and the server's accept(2) returns nothing (HAProxy: its plain `check`).
 */
export const openQuietSocket = (): Outcome<Socket> => {
  const fd = callSocket(familyIpv4, typeStream | closeOnExec | nonBlocking, 0)
  if (fd < 0) return failed('socket')
  const off = new Uint8Array(Int32Array.of(0).buffer)
  if (callSetSocketOption(fd, ...quickAcknowledgement, off, off.length) < 0) {
    const outcome = failed('setsockopt')
    callClose(fd)
    return outcome
  }
  return { ok: true, value: new Socket({ fd, readable: false, writable: true }) }
}

const failed = (call: string): Outcome<never> => {
  const code = lastError()
  return refused(code, `${call}: ${code}`)
}
