// Netlink sockets of netfilter: what connection tracking and nftables are asked and heard of through.

import { callClose, lastError } from './libc.ts'
import { done, type Outcome, refused } from './outcome.ts'
import { bindTo, openSocket, sendTo, setOption, socketOptions, socketTypes } from './socket.ts'
import { domains, netlinkAddress } from './socket-address.ts'
import type { SocketFilter } from './socket-filter.ts'

/** NETLINK_NETFILTER */
const netfilter = 12

/**
 * Opens one that hears these groups (bits, the first is group 1), and only what the filter passes. A refusal has the
 * system's code alone.
 */
export const openNetfilterSocket = (groups: number, bufferBytes: number, filter?: SocketFilter): Outcome<number> => {
  const fd = openSocket(domains.netlink, socketTypes.raw, netfilter)
  if (fd < 0) return refused(lastError(), '')
  const isSet =
    setOption(fd, socketOptions.receiveBufferForce, bufferBytes) &&
    (filter === undefined || setOption(fd, socketOptions.attachFilter, filter.program)) &&
    bindTo(fd, netlinkAddress(groups))
  if (isSet) return { ok: true, value: fd }
  const code = lastError()
  callClose(fd)
  return refused(code, '')
}

/** Sends requests to the kernel. */
export const sendToNetfilter = (fd: number, bytes: Uint8Array): Outcome =>
  sendTo(fd, bytes, netlinkAddress(0)) ? done : refused(lastError(), '')
