// Ethernet frames through AF_PACKET: Node has no packet sockets.

import { callClose, callInterfaceIndex, callSendTo, callSocket, lastError } from './libc.ts'
import { done, type Outcome, refused } from './outcome.ts'

/** A socket that sends whole Ethernet frames and receives none. */
export type PacketSocket = {
  /** Hands one frame, header included, to the interface with this index. */
  readonly send: (interfaceIndex: number, frame: Uint8Array) => Outcome
  readonly close: () => void
}

const family = 17
const typeRaw = 3
const closeOnExec = 0o2000000
const socketAddressLength = 20

/** Opens a packet socket; needs the capability net_raw. */
export const openPacketSocket = (): Outcome<PacketSocket> => {
  const fd: number = callSocket(family, typeRaw | closeOnExec, 0)
  if (fd < 0) return failed('cannot open a packet socket')
  let isOpen = true
  const send: PacketSocket['send'] = (interfaceIndex, frame) => {
    if (!isOpen) return refused('closed', 'the packet socket is closed')
    const sent: number | bigint = callSendTo(
      fd,
      frame,
      frame.length,
      0,
      linkAddress(interfaceIndex),
      socketAddressLength,
    )
    return Number(sent) === frame.length ? done : failed('cannot send an Ethernet frame')
  }
  const close = (): void => {
    if (isOpen) callClose(fd)
    isOpen = false
  }
  return { ok: true, value: { send, close } }
}

/** The index of an interface now: one that was made anew has another. */
export const interfaceIndexOf = (name: string): Outcome<number> => {
  const index = callInterfaceIndex(name)
  return index === 0 ? refused('ENODEV', `there is no interface ${name}`) : { ok: true, value: index }
}

/** struct sockaddr_ll of which only family and interface matter to a frame that brings its own header. */
const linkAddress = (interfaceIndex: number): Uint8Array => {
  const address = new Uint8Array(socketAddressLength)
  address.set(new Uint8Array(Uint16Array.of(family).buffer), 0)
  address.set(new Uint8Array(Int32Array.of(interfaceIndex).buffer), 4)
  return address
}

const failed = (what: string) => {
  const code = lastError()
  return refused(code, `${what}: ${code}`)
}
