// Raw IPv4 sockets: one protocol, one interface, one multicast group. The only file that touches the module raw-socket.

import { createSocket, type Socket } from 'raw-socket'
import { done, type Outcome, refused } from './outcome.ts'

/** What to listen to, and as whom to send. */
export type RawSocketOptions = {
  /** IP protocol number. */
  readonly protocol: number
  readonly interface: { readonly name: string; readonly index: number }
  /** Source address of everything that is sent to a multicast group. */
  readonly address: string
  readonly group: string
  readonly ttl: number
  /** Type of service byte. */
  readonly tos: number
  /** A whole IPv4 packet with its header; valid only until the function returns. */
  readonly onPacket: (packet: Uint8Array) => void
  /** The socket is closed and stays so. */
  readonly onFailure: (text: string) => void
}

/** An open raw socket. */
export type RawSocket = {
  /** Hands one payload to the kernel before it returns. */
  readonly send: (payload: Uint8Array, destination: string) => Outcome
  /** Delivers the packets that wait in the kernel now, so that nobody late acts without having heard them. */
  readonly receive: () => void
  readonly close: () => void
}

const level = { socket: 1, ip: 0 } as const
const option = {
  bindToDevice: 25,
  typeOfService: 1,
  multicastInterface: 32,
  multicastTtl: 33,
  multicastLoop: 34,
  addMembership: 35,
} as const
const packetsAtOnce = 512

/** Opens a raw socket that hears and sends on one interface only. Its own packets do not come back. */
export const openRawSocket = (options: RawSocketOptions): Outcome<RawSocket> => {
  const name = `raw socket on ${options.interface.name}`
  let socket: Socket
  try {
    socket = createSocket({ protocol: options.protocol })
  } catch (error) {
    return refused('socket', `cannot open a ${name}: ${messageOf(error)}`)
  }
  let isOpen = true
  const close = (): void => {
    if (isOpen) socket.close()
    isOpen = false
  }
  socket.on('error', (error) => {
    if (!isOpen) return
    close()
    options.onFailure(`${name}: ${error.message}`)
  })
  try {
    setUp(socket, options)
  } catch (error) {
    close()
    return refused('socket', `cannot set up a ${name}: ${messageOf(error)}`)
  }

  /** One waiting packet. EAGAIN ends the waiting ones; any other trouble comes again as an `error` event. */
  const next = (): Uint8Array | null => {
    const taken: Uint8Array[] = []
    try {
      socket.wrap.recv(socket.buffer, (buffer, bytes) => taken.push(buffer.subarray(0, bytes)))
    } catch {
      return null
    }
    return taken[0] ?? null
  }
  const receive = (): void => {
    for (let i = 0; i < packetsAtOnce && isOpen; i += 1) {
      const packet = next()
      if (packet === null) return
      options.onPacket(packet)
    }
  }
  socket.on('message', (packet) => {
    // The module reads one packet per turn of the loop, and takes what its listeners throw for its own errors.
    try {
      options.onPacket(packet)
      receive()
    } catch (error) {
      setImmediate(() => {
        throw error
      })
    }
  })

  const send: RawSocket['send'] = (payload, destination) => {
    if (!isOpen) return refused('closed', `${name} is closed`)
    try {
      socket.wrap.send(Buffer.from(payload), 0, payload.length, destination, () => undefined)
      return done
    } catch (error) {
      return refused('send', `cannot send on ${options.interface.name}: ${messageOf(error)}`)
    }
  }
  return { ok: true, value: { send, receive, close } }
}

/** A raw socket of the host, bound to nothing: it hears every packet of its protocol. */
export type HostSocket = Pick<RawSocket, 'send' | 'close'>

/** Opens a raw socket that hears all interfaces; `source` is the sender's address. Errors while reading are left to time-outs. */
export const openHostSocket = (
  protocol: number,
  onPacket: (packet: Uint8Array, source: string) => void,
): Outcome<HostSocket> => {
  let socket: Socket
  try {
    socket = createSocket({ protocol })
  } catch (error) {
    return refused('socket', `cannot open a raw socket: ${messageOf(error)}`)
  }
  socket.on('message', onPacket)
  socket.on('error', () => {})
  const send: HostSocket['send'] = (payload, destination) => {
    try {
      socket.wrap.send(Buffer.from(payload), 0, payload.length, destination, () => undefined)
      return done
    } catch (error) {
      return refused('send', `cannot send to ${destination}: ${messageOf(error)}`)
    }
  }
  return { ok: true, value: { send, close: () => socket.close() } }
}

const setUp = (socket: Socket, { interface: { name, index }, address, group, ttl, tos }: RawSocketOptions): void => {
  const device = Buffer.from(`${name}\0`)
  socket.setOption(level.socket, option.bindToDevice, device, device.length)
  const membership = multicastRequest(group, address, index)
  socket.setOption(level.ip, option.addMembership, membership, membership.length)
  const sender = multicastRequest('0.0.0.0', address, index)
  socket.setOption(level.ip, option.multicastInterface, sender, sender.length)
  socket.setOption(level.ip, option.multicastTtl, ttl)
  socket.setOption(level.ip, option.multicastLoop, 0)
  socket.setOption(level.ip, option.typeOfService, tos)
}

/** struct ip_mreqn: group, own address, interface index in the byte order of the host. */
const multicastRequest = (group: string, address: string, index: number): Buffer => {
  const bytes = Buffer.from([...group.split('.').map(Number), ...address.split('.').map(Number)])
  return Buffer.concat([bytes, Buffer.from(Uint32Array.of(index).buffer)])
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
