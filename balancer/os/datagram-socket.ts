// Datagrams to a receiver that may be gone, slow or not there yet: each is taken by the kernel at once, or not at all. Node has
// no datagrams of AF_UNIX, and keeps those of UDP in memory until a thread has resolved what needs no resolving.

import { addressBytes } from '../core/ip-address.ts'
import { callClose, callConnect, callSendTo, callSocket, lastError } from './libc.ts'
import { type Outcome, refused } from './outcome.ts'

/** A socket of this host by its path, or a UDP port by its IPv4 address. */
export type DatagramTarget = { readonly path: string } | { readonly address: string; readonly port: number }

/** An open socket. `send` never waits; it tells the system's error where the datagram was not taken, such as `EAGAIN`. */
export type DatagramSocket = {
  readonly send: (bytes: Uint8Array) => string | null
  readonly close: () => void
}

const [afUnix, afInet, sockDgram, sockCloexec] = [1, 2, 2, 0o2000000]
const [dontWait, noSignal] = [0x40, 0x4000]
const inetAddressLength = 16
/** How the system says that an earlier datagram found nobody (ICMP: port unreachable): this one was not sent for it. */
const bounced = 'ECONNREFUSED'

/** Opens a socket for datagrams to one receiver; whether that is there, the first of them tells. */
export const openDatagramSocket = (target: DatagramTarget): Outcome<DatagramSocket> => {
  const [family, address] = 'path' in target ? [afUnix, unixAddress(target.path)] : [afInet, inetAddress(target)]
  const fd = callSocket(family, sockDgram | sockCloexec, 0)
  if (fd < 0) return failed('open')
  // Only a connected UDP socket hears of a port that nobody listens at. A path is looked up each time: a receiver that starts
  // anew makes another socket there.
  if (family === afInet && callConnect(fd, address, address.length) !== 0) {
    const refusal = failed('connect')
    callClose(fd)
    return refusal
  }
  const attempt = (bytes: Uint8Array): string | null =>
    Number(callSendTo(fd, bytes, bytes.length, dontWait | noSignal, address, address.length)) < 0 ? lastError() : null
  let isOpen = true
  return {
    ok: true,
    value: {
      send: (bytes) => {
        if (!isOpen) return 'EBADF'
        const code = attempt(bytes)
        if (code === bounced && family === afInet) void attempt(bytes)
        return code
      },
      close: () => {
        if (isOpen) callClose(fd)
        isOpen = false
      },
    },
  }
}

const familyBytes = (family: number): Uint8Array => new Uint8Array(Uint16Array.of(family).buffer)

/** struct sockaddr_un with its zero at the end. */
const unixAddress = (path: string): Uint8Array => Buffer.concat([familyBytes(afUnix), Buffer.from(`${path}\0`)])

/** struct sockaddr_in: family, port and address in network order, and zeros. */
const inetAddress = ({ address, port }: { readonly address: string; readonly port: number }): Uint8Array => {
  const bytes = Buffer.alloc(inetAddressLength)
  bytes.set(familyBytes(afInet), 0)
  bytes.writeUInt16BE(port, 2)
  bytes.set(addressBytes(address), 4)
  return bytes
}

const failed = (what: string) => {
  const code = lastError()
  return refused(code, `cannot ${what} a socket for datagrams: ${code}`)
}
