// TCP sockets that listen on an address before it is on this host (IP_FREEBIND, ip(7)): Node has no such option.

import type { Endpoint } from '../core/endpoint.ts'
import { familyOf } from '../core/ip-address.ts'
import { callListen } from './libc.ts'
import type { Outcome } from './outcome.ts'
import { bindTo, givenUp, lastRefusal, openSocket, setOption, socketOptions, socketTypes } from './socket.ts'
import { domains, socketAddress } from './socket-address.ts'

/** A listening socket, as the number of its file; the address may come later. */
export const listenFreely = ({ address, port }: Endpoint, backlog: number): Outcome<number> => {
  const family = familyOf(address)
  const fd = openSocket(domains[family], socketTypes.nodeStream)
  if (fd < 0) return lastRefusal('socket')
  // Options of IPv4 count for sockets of both families.
  for (const option of [socketOptions.reuseAddress, socketOptions.freeBind]) {
    if (!setOption(fd, option, 1)) return givenUp(fd, 'setsockopt')
  }
  // Lets a session whose address has left still tell its client with a reset; it needs the capability net_raw or net_admin.
  setOption(fd, socketOptions.transparent, 1)
  // Who listens on :: takes IPv4 too, whatever net.ipv6.bindv6only says.
  if (family === 'ipv6') setOption(fd, socketOptions.onlyIpv6, 0)
  if (!bindTo(fd, socketAddress({ address, port }))) return givenUp(fd, 'bind')
  if (callListen(fd, backlog) < 0) return givenUp(fd, 'listen')
  return { ok: true, value: fd }
}
