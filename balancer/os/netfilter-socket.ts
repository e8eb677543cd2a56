// Netlink sockets of netfilter: what connection tracking and nftables are asked and heard of through.

import { callBind, callClose, callSendTo, callSetSocketOption, callSocket, lastError } from './libc.ts'
import { done, type Outcome, refused } from './outcome.ts'
import type { SocketFilter } from './socket-filter.ts'

const family = 16
const typeRaw = 3
const closeOnExec = 0o2000000
const netfilter = 12
const socketLevel = 1
const socketOptions = { attachFilter: 26, receiveBufferForce: 33 } as const
const addressLength = 12

/**
 * Opens one that hears these groups (bits, the first is group 1), and only what the filter passes. A refusal has the
 * system's code alone.
 */
export const openNetfilterSocket = (groups: number, bufferBytes: number, filter?: SocketFilter): Outcome<number> => {
  const fd = callSocket(family, typeRaw | closeOnExec, netfilter)
  if (fd < 0) return refused(lastError(), '')
  const size = Buffer.from(Int32Array.of(bufferBytes).buffer)
  const isSet =
    callSetSocketOption(fd, socketLevel, socketOptions.receiveBufferForce, size, size.length) === 0 &&
    (filter === undefined ||
      callSetSocketOption(fd, socketLevel, socketOptions.attachFilter, filter.program, filter.program.length) === 0) &&
    callBind(fd, netlinkAddress(groups), addressLength) === 0
  if (isSet) return { ok: true, value: fd }
  const code = lastError()
  callClose(fd)
  return refused(code, '')
}

/** Sends requests to the kernel. */
export const sendToNetfilter = (fd: number, bytes: Uint8Array): Outcome =>
  Number(callSendTo(fd, bytes, bytes.length, 0, netlinkAddress(0), addressLength)) === bytes.length
    ? done
    : refused(lastError(), '')

/** struct sockaddr_nl; number 0 is the kernel, or a number that it chooses. */
const netlinkAddress = (groups: number): Uint8Array => {
  const address = new Uint8Array(addressLength)
  address.set(new Uint8Array(Uint16Array.of(family).buffer), 0)
  address.set(new Uint8Array(Uint32Array.of(groups).buffer), 8)
  return address
}
