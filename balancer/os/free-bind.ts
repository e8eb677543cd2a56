// TCP sockets that listen on an address before it is on this host (IP_FREEBIND, ip(7)): Node has no such option.

import type { Endpoint } from '../core/endpoint.ts'
import { familyOf } from '../core/ip-address.ts'
import { callBind, callClose, callListen, callSetSocketOption, callSocket, lastError } from './libc.ts'
import { type Outcome, refused } from './outcome.ts'
import { domains, socketAddress } from './socket-address.ts'

const typeStream = 1
const closeOnExec = 0o2000000
const nonBlocking = 0o4000
/** Level and option; those of IPv4 count for sockets of both families. */
const reuseAddress = [1, 2] as const
const freeBind = [0, 15] as const
/** Lets a session whose address has left still tell its client with a reset; it needs the capability net_raw or net_admin. */
const transparent = [0, 19] as const
/** Off: who listens on :: takes IPv4 too, whatever net.ipv6.bindv6only says. */
const onlyIpv6 = [41, 26] as const

/** A listening socket, as the number of its file; the address may come later. */
export const listenFreely = ({ address, port }: Endpoint, backlog: number): Outcome<number> => {
  const family = familyOf(address)
  const fd = callSocket(domains[family], typeStream | closeOnExec | nonBlocking, 0)
  if (fd < 0) return failed('socket')
  const [no, yes] = [flag(0), flag(1)]
  for (const [level, option] of [reuseAddress, freeBind]) {
    if (callSetSocketOption(fd, level, option, yes, yes.length) < 0) return closed(fd, failed('setsockopt'))
  }
  callSetSocketOption(fd, ...transparent, yes, yes.length)
  if (family === 'ipv6') callSetSocketOption(fd, ...onlyIpv6, no, no.length)
  const name = socketAddress({ address, port })
  if (callBind(fd, name, name.length) < 0) return closed(fd, failed('bind'))
  if (callListen(fd, backlog) < 0) return closed(fd, failed('listen'))
  return { ok: true, value: fd }
}

const flag = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer)

const failed = (call: string): Outcome<never> => {
  const code = lastError()
  return refused(code, `${call}: ${code}`)
}

const closed = (fd: number, outcome: Outcome<never>): Outcome<never> => {
  callClose(fd)
  return outcome
}
