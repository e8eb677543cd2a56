// TCP sockets that listen on an address before it is on this host (IP_FREEBIND, ip(7)): Node has no such option.

import type { Endpoint } from '../config/values.ts'
import { addressBytes } from '../core/ip-address.ts'
import { callBind, callClose, callListen, callSetSocketOption, callSocket, lastError } from './libc.ts'
import { type Outcome, refused } from './outcome.ts'

const familyIpv4 = 2
const typeStream = 1
const closeOnExec = 0o2000000
const nonBlocking = 0o4000
/** Level and option. */
const reuseAddress = [1, 2] as const
const freeBind = [0, 15] as const
/** Lets a session whose address has left still tell its client with a reset; it needs the capability net_raw or net_admin. */
const transparent = [0, 19] as const

/** A listening socket, as the number of its file; the address may come later. */
export const listenFreely = ({ address, port }: Endpoint, backlog: number): Outcome<number> => {
  const fd = callSocket(familyIpv4, typeStream | closeOnExec | nonBlocking, 0)
  if (fd < 0) return failed('socket')
  const yes = new Uint8Array(Int32Array.of(1).buffer)
  for (const [level, option] of [reuseAddress, freeBind]) {
    if (callSetSocketOption(fd, level, option, yes, yes.length) < 0) return closed(fd, failed('setsockopt'))
  }
  callSetSocketOption(fd, ...transparent, yes, yes.length)
  const name = socketAddress(address, port)
  if (callBind(fd, name, name.length) < 0) return closed(fd, failed('bind'))
  if (callListen(fd, backlog) < 0) return closed(fd, failed('listen'))
  return { ok: true, value: fd }
}

/** struct sockaddr_in */
const socketAddress = (address: string, port: number): Uint8Array => {
  const bytes = new Uint8Array(16)
  bytes.set(new Uint8Array(Uint16Array.of(familyIpv4).buffer))
  bytes.set([port >> 8, port & 0xff, ...addressBytes(address)], 2)
  return bytes
}

const failed = (call: string): Outcome<never> => {
  const code = lastError()
  return refused(code, `${call}: ${code}`)
}

const closed = (fd: number, outcome: Outcome<never>): Outcome<never> => {
  callClose(fd)
  return outcome
}
