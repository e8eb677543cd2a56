// Raw sockets of both families: one protocol, one interface. The only file that touches the module raw-socket.

import { createSocket, type Socket } from 'raw-socket'
import { textOf } from '../core/error-text.ts'
import { addressBytes, type Family } from '../core/ip-address.ts'
import { hopLimitFilter, truncatedLength } from './hop-limit-filter.ts'
import { words } from './host-order.ts'
import { type Outcome, refused } from './outcome.ts'

/** What to listen to, and as whom. */
export type RawSocketOptions = {
  readonly family: Family
  /** IP protocol number. */
  readonly protocol: number
  readonly interface: { readonly name: string; readonly index: number }
  /** Address of this host on the interface, as which it joins the group. */
  readonly address: string
  /** Multicast group to join; null joins none. */
  readonly group: string | null
  /** IPv6 only: packets with a lower hop limit come cut off and marked as far. */
  readonly minimumHopLimit: number
  readonly onPacket: (packet: Received) => void
  /** The socket is closed and stays so. */
  readonly onFailure: (text: string) => void
}

/** What came in: of IPv4 the whole packet with its header, of IPv6 the payload. The bytes are valid only during the call. */
export type Received = { readonly bytes: Uint8Array; readonly source: string; readonly isFar: boolean }

/** An open raw socket. */
export type RawSocket = {
  /** Hands one whole IP packet, header included, to the kernel before it returns. */
  readonly send: (packet: Uint8Array, destination: string) => Outcome
  /** Delivers the packets that wait in the kernel now, so that nobody late acts without having heard them. */
  readonly receive: () => void
  readonly close: () => void
}

const level = { socket: 1, ipv4: 0, ipv6: 41, icmpv6: 58 } as const
const socketOption = { attachFilter: 26, bindToDevice: 25, receiveBufferForce: 33, mark: 36 } as const
const ipv4Option = { headerIncluded: 3, multicastInterface: 32, multicastLoop: 34, addMembership: 35 } as const
const ipv6Option = { multicastInterface: 17, multicastLoop: 19, addMembership: 20, headerIncluded: 36 } as const
/** ICMP6_FILTER */
const icmpv6Filter = 1
const families: Readonly<Record<Family, 1 | 2>> = { ipv4: 1, ipv6: 2 }
const protocolRaw = 255
const packetsAtOnce = 512
/**
 * Bytes of the receive buffer. A flood of 10,000 packets a second fills the usual one in 30 ms, and what is lost then are
 * the advertisements too.
 */
const receiveBuffer = 1024 * 1024
/** More packets than the buffer holds: the kernel doubles its size, and each of them takes at least 512 bytes. */
const packetsInBuffer = (2 * receiveBuffer) / 512

/** Opens a raw socket that hears and sends on one interface only. Its own packets do not come back. */
export const openRawSocket = (options: RawSocketOptions): Outcome<RawSocket> => {
  const name = `raw socket on ${options.interface.name}`
  const opened = open(name, options.family, options.protocol)
  if (!opened.ok) return opened
  const socket = opened.value
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
  const isSetUp = attempt(`cannot set up a ${name}`, () => {
    socket.setOption(level.socket, socketOption.receiveBufferForce, receiveBuffer)
    setUp[options.family](socket, options)
  })
  if (!isSetUp.ok) {
    close()
    return isSetUp
  }

  const deliver = (bytes: Uint8Array, source: string): void =>
    options.onPacket({ bytes, source, isFar: options.family === 'ipv6' && bytes.length === truncatedLength })
  /** Takes one waiting packet. EAGAIN ends the waiting ones; any other trouble comes again as an `error` event. */
  const takeOne = (): boolean => {
    const taken: (() => void)[] = []
    try {
      socket.wrap.recv(socket.buffer, (buffer, length, source) =>
        taken.push(() => deliver(buffer.subarray(0, length), source)),
      )
    } catch {
      return false
    }
    taken[0]?.()
    return taken.length > 0
  }
  const take = (most: number): void => {
    for (let i = 0; i < most && isOpen; i += 1) if (!takeOne()) return
  }
  const receive = (): void => take(packetsInBuffer)
  socket.on('message', (packet, source) => {
    // The module reads one packet per turn of the loop, and takes what its listeners throw for its own errors.
    try {
      deliver(packet, source)
      take(packetsAtOnce)
    } catch (error) {
      setImmediate(() => {
        throw error
      })
    }
  })

  const send: RawSocket['send'] = (packet, destination) => {
    if (!isOpen) return refused('closed', `${name} is closed`)
    return sendOn(socket, packet, destination, `cannot send on ${options.interface.name}`)
  }
  return { ok: true, value: { send, receive, close } }
}

/** A raw socket of the host, bound to nothing: it hears every packet of its protocol. */
export type HostSocket = Pick<RawSocket, 'send' | 'close'>

/** What a `HostSocket` hears. `wanted` is the only type of ICMPv6 that comes, null all of them. */
export type HostSocketOptions = Pick<RawSocketOptions, 'family' | 'protocol'> & {
  readonly wanted: number | null
  readonly onPacket: (packet: Uint8Array, source: string) => void
}

/** Opens a raw socket that hears all interfaces; `source` is the sender's address. Errors while reading are left to time-outs. */
export const openHostSocket = ({ family, protocol, wanted, onPacket }: HostSocketOptions): Outcome<HostSocket> => {
  const opened = open('raw socket', family, protocol)
  if (!opened.ok) return opened
  const socket = opened.value
  socket.on('message', onPacket)
  socket.on('error', () => {})
  const filter = wanted === null ? null : typeFilter(wanted)
  return hostSocket(socket, () => {
    if (filter !== null) socket.setOption(level.icmpv6, icmpv6Filter, filter, filter.length)
  })
}

/** struct icmp6_filter (RFC 3542 section 3.2): a bit for each type, set for those that do not come. */
const typeFilter = (type: number): Buffer => {
  const words = new Uint32Array(8).fill(0xffff_ffff)
  words[type >> 5] = ~(1 << (type & 31)) >>> 0
  return Buffer.from(words.buffer)
}

/** A raw socket that sends whole IP packets, of whatever source, and hears none. */
export type ForgingSocket = Pick<RawSocket, 'send' | 'close'>

/** Opens it; `mark` is that of its packets (SO_MARK), by which rules of nftables know them. */
export const openForgingSocket = (family: Family, mark: number): Outcome<ForgingSocket> => {
  // Of this protocol nothing ever comes, and the header is the sender's (raw(7)).
  const opened = open('raw socket', family, protocolRaw)
  if (!opened.ok) return opened
  const socket = opened.value
  socket.on('error', () => {})
  const value = words(mark)
  return hostSocket(socket, () => socket.setOption(level.socket, socketOption.mark, value, value.length))
}

/** What is left of a socket that is set up by `prepare`. */
const hostSocket = (socket: Socket, prepare: () => void): Outcome<HostSocket> => {
  const isSetUp = attempt('cannot set up a raw socket', prepare)
  if (!isSetUp.ok) {
    socket.close()
    return isSetUp
  }
  const send: HostSocket['send'] = (packet, destination) =>
    sendOn(socket, packet, destination, `cannot send to ${destination}`)
  return { ok: true, value: { send, close: () => socket.close() } }
}

const open = (name: string, family: Family, protocol: number): Outcome<Socket> =>
  attempt(`cannot open a ${name}`, () => createSocket({ protocol, addressFamily: families[family] }))

const sendOn = (socket: Socket, packet: Uint8Array, destination: string, what: string): Outcome =>
  attempt(what, () => {
    socket.wrap.send(Buffer.from(packet), 0, packet.length, destination, () => undefined)
    return undefined
  })

/** What the module does, as an outcome: it throws. */
const attempt = <T>(what: string, work: () => T): Outcome<T> => {
  try {
    return { ok: true, value: work() }
  } catch (error) {
    const text = textOf(error)
    return refused(errorCodes[text] ?? 'EIO', `${what}: ${text}`)
  }
}

const bindToDevice = (socket: Socket, name: string): void => {
  const device = Buffer.from(`${name}\0`)
  socket.setOption(level.socket, socketOption.bindToDevice, device, device.length)
}

const setUp: Readonly<Record<Family, (socket: Socket, options: RawSocketOptions) => void>> = {
  ipv4: (socket, { interface: { name, index }, address, group }) => {
    bindToDevice(socket, name)
    socket.setOption(level.ipv4, ipv4Option.headerIncluded, 1)
    const sender = multicastRequestIpv4('0.0.0.0', address, index)
    socket.setOption(level.ipv4, ipv4Option.multicastInterface, sender, sender.length)
    socket.setOption(level.ipv4, ipv4Option.multicastLoop, 0)
    if (group === null) return
    const membership = multicastRequestIpv4(group, address, index)
    socket.setOption(level.ipv4, ipv4Option.addMembership, membership, membership.length)
  },
  ipv6: (socket, { interface: { name, index }, group, minimumHopLimit }) => {
    bindToDevice(socket, name)
    const filter = hopLimitFilter(minimumHopLimit)
    socket.setOption(level.socket, socketOption.attachFilter, filter.program, filter.program.length)
    socket.setOption(level.ipv6, ipv6Option.headerIncluded, 1)
    socket.setOption(level.ipv6, ipv6Option.multicastInterface, index)
    socket.setOption(level.ipv6, ipv6Option.multicastLoop, 0)
    if (group === null) return
    // struct ipv6_mreq
    const membership = Buffer.from([...addressBytes(group), ...words(index)])
    socket.setOption(level.ipv6, ipv6Option.addMembership, membership, membership.length)
  },
}

/** struct ip_mreqn: group, own address, interface index in the byte order of the host. */
const multicastRequestIpv4 = (group: string, address: string, index: number): Buffer =>
  Buffer.from([...addressBytes(group), ...addressBytes(address), ...words(index)])

/** The module throws the C library's texts. A full queue of the socket is no lack of ports, as it is for connect(2). */
const errorCodes: Readonly<Record<string, string>> = {
  'Operation not permitted': 'EPERM',
  'Permission denied': 'EACCES',
  'Network is unreachable': 'ENETUNREACH',
  'Invalid argument': 'EINVAL',
  'No buffer space available': 'ENOBUFS',
  'Resource temporarily unavailable': 'ENOBUFS',
  'Cannot allocate memory': 'ENOMEM',
}
