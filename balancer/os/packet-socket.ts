// Ethernet frames through AF_PACKET: Node has no packet sockets.

import { callClose, callInterfaceIndex } from './libc.ts'
import { done, type Outcome, refused } from './outcome.ts'
import {
  bindTo,
  givenUp,
  lastRefusal,
  openSocket,
  receiveWaiting,
  sendTo,
  setOption,
  socketOptions,
  socketTypes,
} from './socket.ts'
import { domains, linkAddress } from './socket-address.ts'
import type { SocketFilter } from './socket-filter.ts'

/** A socket that sends whole Ethernet frames, and receives those that its filter passes: none without one. */
export type PacketSocket = {
  /** Hands one frame, header included, to the interface with this index. */
  readonly send: (interfaceIndex: number, frame: Uint8Array) => Outcome
  /** The frames that have come in since the last call, on whatever interface, before any rule has seen them; at most 256. */
  readonly receive: () => readonly Uint8Array[]
  readonly close: () => void
}

/** ETH_P_ALL: whoever wants only IP is given a frame after the rules at ingress, if at all. */
const allProtocols = 3
const [framesAtOnce, longestFrame] = [256, 2048]

/** Opens a packet socket; needs the capability net_raw. */
export const openPacketSocket = (filter?: SocketFilter): Outcome<PacketSocket> => {
  const fd = openSocket(domains.packet, socketTypes.raw)
  if (fd < 0) return lastRefusal('cannot open a packet socket')
  if (filter !== undefined && !listenTo(fd, filter)) return givenUp(fd, 'cannot listen with a packet socket')
  let isOpen = true
  const send: PacketSocket['send'] = (interfaceIndex, frame) => {
    if (!isOpen) return refused('closed', 'the packet socket is closed')
    // The frame brings its own header.
    return sendTo(fd, frame, linkAddress(interfaceIndex, 0)) ? done : lastRefusal('cannot send an Ethernet frame')
  }
  const receive: PacketSocket['receive'] = () => (isOpen ? receiveWaiting(fd, framesAtOnce, longestFrame) : [])
  const close = (): void => {
    if (isOpen) callClose(fd)
    isOpen = false
  }
  return { ok: true, value: { send, receive, close } }
}

/** The filter comes first: nothing else is heard, not even for a moment. */
const listenTo = (fd: number, { program }: SocketFilter): boolean =>
  setOption(fd, socketOptions.attachFilter, program) &&
  setOption(fd, socketOptions.ignoreOutgoing, 1) &&
  bindTo(fd, linkAddress(0, allProtocols))

/** The index of an interface now: one that was made anew has another. */
export const interfaceIndexOf = (name: string): Outcome<number> => {
  const index = callInterfaceIndex(name)
  return index === 0 ? refused('ENODEV', `there is no interface ${name}`) : { ok: true, value: index }
}
