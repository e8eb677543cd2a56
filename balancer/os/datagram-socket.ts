// Datagrams to a receiver that may be gone, slow or not there yet: each is taken by the kernel at once, or not at all. Node has
// no datagrams of AF_UNIX, and keeps those of UDP in memory until a thread has resolved what needs no resolving.

import type { Endpoint } from '../core/endpoint.ts'
import { familyOf } from '../core/ip-address.ts'
import { callClose, callConnect, lastError } from './libc.ts'
import type { Outcome } from './outcome.ts'
import { dontWait, givenUp, lastRefusal, noSignal, openSocket, sendTo, socketTypes } from './socket.ts'
import { domains, socketAddress, unixAddress } from './socket-address.ts'

/** A socket of this host by its path, or a UDP port by its address. */
export type DatagramTarget = { readonly path: string } | Endpoint

/** An open socket. `send` never waits; it tells the system's error where the datagram was not taken, such as `EAGAIN`. */
export type DatagramSocket = {
  readonly send: (bytes: Uint8Array) => string | null
  readonly close: () => void
}

/** How the system says that an earlier datagram found nobody (ICMP: port unreachable): this one was not sent for it. */
const bounced = 'ECONNREFUSED'

/** Opens a socket for datagrams to one receiver; whether that is there, the first of them tells. */
export const openDatagramSocket = (target: DatagramTarget): Outcome<DatagramSocket> => {
  const isUdp = !('path' in target)
  const address = isUdp ? socketAddress(target) : unixAddress(target.path)
  const fd = openSocket(isUdp ? domains[familyOf(target.address)] : domains.unix, socketTypes.datagram)
  if (fd < 0) return lastRefusal('cannot open a socket for datagrams')
  // Only a connected UDP socket hears of a port that nobody listens at. A path is looked up each time: a receiver that starts
  // anew makes another socket there.
  if (isUdp && callConnect(fd, address, address.length) !== 0) {
    return givenUp(fd, 'cannot connect a socket for datagrams')
  }
  const attempt = (bytes: Uint8Array): string | null =>
    sendTo(fd, bytes, address, dontWait | noSignal) ? null : lastError()
  let isOpen = true
  return {
    ok: true,
    value: {
      send: (bytes) => {
        if (!isOpen) return 'EBADF'
        const code = attempt(bytes)
        if (code === bounced && isUdp) void attempt(bytes)
        return code
      },
      close: () => {
        if (isOpen) callClose(fd)
        isOpen = false
      },
    },
  }
}
