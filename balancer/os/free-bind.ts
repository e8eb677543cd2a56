// TCP sockets that listen on an address before it is on this host (IP_FREEBIND, ip(7)): Node has no such option.

import type { Endpoint } from '../config/values.ts'
import { addressBytes, type Family, familyOf } from '../core/ip-address.ts'
import { callBind, callClose, callListen, callSetSocketOption, callSocket, lastError } from './libc.ts'
import { type Outcome, refused } from './outcome.ts'

const familyIpv4 = 2
const familyIpv6 = 10
const typeStream = 1
const closeOnExec = 0o2000000
const nonBlocking = 0o4000
type SocketOption = readonly [level: number, option: number]
const reuseAddress: SocketOption = [1, 2]
/**
 * What has to be set, and IP_TRANSPARENT: it lets a session whose address has left still tell its client with a reset, and
 * needs the capability net_raw or net_admin. Whoever listens on :: leaves IPv4 to others (IPV6_V6ONLY, ipv6(7)).
 */
const optionsOf: Readonly<
  Record<Family, { readonly needed: readonly SocketOption[]; readonly transparent: SocketOption }>
> = {
  ipv4: { needed: [reuseAddress, [0, 15]], transparent: [0, 19] },
  ipv6: { needed: [reuseAddress, [41, 78], [41, 26]], transparent: [41, 75] },
}

/** A listening socket, as the number of its file; the address may come later. */
export const listenFreely = ({ address, port }: Endpoint, backlog: number): Outcome<number> => {
  const family = familyOf(address)
  const { needed, transparent } = optionsOf[family]
  const fd = callSocket(family === 'ipv4' ? familyIpv4 : familyIpv6, typeStream | closeOnExec | nonBlocking, 0)
  if (fd < 0) return failed('socket')
  const yes = new Uint8Array(Int32Array.of(1).buffer)
  for (const [level, option] of needed) {
    if (callSetSocketOption(fd, level, option, yes, yes.length) < 0) return closed(fd, failed('setsockopt'))
  }
  callSetSocketOption(fd, ...transparent, yes, yes.length)
  const name = socketAddress(address, port)
  if (callBind(fd, name, name.length) < 0) return closed(fd, failed('bind'))
  if (callListen(fd, backlog) < 0) return closed(fd, failed('listen'))
  return { ok: true, value: fd }
}

/** struct sockaddr_in and sockaddr_in6 */
const socketAddress = (address: string, port: number): Uint8Array => {
  const isIpv4 = familyOf(address) === 'ipv4'
  const bytes = new Uint8Array(isIpv4 ? 16 : 28)
  bytes.set(new Uint8Array(Uint16Array.of(isIpv4 ? familyIpv4 : familyIpv6).buffer))
  bytes.set([port >> 8, port & 0xff], 2)
  bytes.set(addressBytes(address), isIpv4 ? 4 : 8)
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
