// Ethernet frames through AF_PACKET: Node has no packet sockets.

import {
  callBind,
  callClose,
  callInterfaceIndex,
  callReceive,
  callSendTo,
  callSetSocketOption,
  callSocket,
  lastError,
} from './libc.ts'
import { done, type Outcome, refused } from './outcome.ts'
import type { SocketFilter } from './socket-filter.ts'

/** A socket that sends whole Ethernet frames, and receives those that its filter passes: none without one. */
export type PacketSocket = {
  /** Hands one frame, header included, to the interface with this index. */
  readonly send: (interfaceIndex: number, frame: Uint8Array) => Outcome
  /** The frames that have come in since the last call, on whatever interface, before any rule has seen them; at most 256. */
  readonly receive: () => readonly Uint8Array[]
  readonly close: () => void
}

const family = 17
const typeRaw = 3
const closeOnExec = 0o2000000
const socketAddressLength = 20
/** ETH_P_ALL in network byte order: whoever wants only IP is given a frame after the rules at ingress, if at all. */
const allProtocols = [0, 3]
const dontWait = 0x40
const [socketLevel, packetLevel] = [1, 263]
const [attachFilter, ignoreOutgoing] = [26, 23]
const [framesAtOnce, longestFrame] = [256, 2048]

/** Opens a packet socket; needs the capability net_raw. */
export const openPacketSocket = (filter?: SocketFilter): Outcome<PacketSocket> => {
  const fd: number = callSocket(family, typeRaw | closeOnExec, 0)
  if (fd < 0) return failed('cannot open a packet socket')
  if (filter !== undefined) {
    const listens = listenTo(fd, filter)
    if (!listens.ok) {
      callClose(fd)
      return listens
    }
  }
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
  const buffer = new Uint8Array(longestFrame)
  const receive: PacketSocket['receive'] = () => {
    const frames: Uint8Array[] = []
    while (isOpen && frames.length < framesAtOnce) {
      const length = Number(callReceive(fd, buffer, buffer.length, dontWait))
      if (length <= 0) break
      frames.push(buffer.slice(0, length))
    }
    return frames
  }
  const close = (): void => {
    if (isOpen) callClose(fd)
    isOpen = false
  }
  return { ok: true, value: { send, receive, close } }
}

/** The filter comes first: nothing else is heard, not even for a moment. */
const listenTo = (fd: number, { program }: SocketFilter): Outcome => {
  const one = Buffer.from(Int32Array.of(1).buffer)
  const address = linkAddress(0)
  address.set(allProtocols, 2)
  const isSet =
    callSetSocketOption(fd, socketLevel, attachFilter, program, program.length) === 0 &&
    callSetSocketOption(fd, packetLevel, ignoreOutgoing, one, one.length) === 0 &&
    callBind(fd, address, socketAddressLength) === 0
  return isSet ? done : failed('cannot listen with a packet socket')
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
