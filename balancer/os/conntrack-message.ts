// Entries of connection tracking as ctnetlink carries them (linux/netfilter/nfnetlink_conntrack.h): read and written here,
// without IO. One pass over a message and no object for it: twenty thousand of them come in a second.

import type { Family } from '../core/ip-address.ts'
import { halves, isLittleEndian } from './host-order.ts'
import {
  absent,
  attribute,
  attributeEnd,
  attributeHeaderBytes,
  complete,
  doneType,
  errorType,
  familyBytes,
  findAttribute,
  flagsOffset,
  headerBytes,
  longNumber,
  messageFlags,
  nested,
  netfilterHeader,
  sequenceOffset,
  typeMask,
  typeOffset,
  viewOf,
} from './netlink-message.ts'
import { domains } from './socket-address.ts'

/** linux/netfilter/nf_conntrack_tcp.h: the state of a TCP connection by the packets that passed, in the kernel's order. */
export const tcpStates = [
  'none',
  'syn-sent',
  'syn-received',
  'established',
  'fin-wait',
  'close-wait',
  'last-ack',
  'time-wait',
  'close',
  'simultaneous-open',
] as const
export type TcpState = (typeof tcpStates)[number]

/** The half of an entry that tells a flow from others, as the kernel writes it: what a delete has to repeat. */
export type TupleBytes = Uint8Array

/** Who sends to whom. Addresses as 4 or 16 bytes. */
export type Flow = {
  readonly family: Family
  readonly source: Uint8Array
  readonly destination: Uint8Array
  readonly sourcePort: number
  readonly destinationPort: number
}

/**
 * One entry. `original` is what the client sends, `reply` what the server does; both are parts of the buffer that was
 * parsed. `id` and `original` together tell an entry from those before and after it. `tcpState` and `remaining` (seconds
 * until it expires; absent from one that has) are null where the kernel left them out; so are `bytes` without
 * `nf_conntrack_acct`, and `startedAt` (milliseconds since the epoch) without `nf_conntrack_timestamp`. `hasReply`: the other side said something.
 */
export type ConntrackEntry = {
  readonly change: 'new' | 'update' | 'destroy'
  readonly family: Family
  readonly id: number
  readonly mark: number
  readonly hasReply: boolean
  readonly tcpState: TcpState | null
  readonly remaining: number | null
  readonly startedAt: number | null
  readonly bytes: { readonly original: number; readonly reply: number } | null
  readonly original: TupleBytes
  readonly reply: TupleBytes
}

/** The sessions of a datapath in the whole of connection tracking: those with `mark & mask === value`. */
export type MarkFilter = { readonly value: number; readonly mask: number }

/** What a datagram of the kernel holds. `error` is a negative errno, 0 for an acknowledgement. */
export type ConntrackMessage =
  | { readonly kind: 'entry'; readonly entry: ConntrackEntry }
  | { readonly kind: 'answer'; readonly sequence: number; readonly error: number }
  | { readonly kind: 'end'; readonly isTorn: boolean }

const [subsystem, messageNew, messageGet, messageDelete] = [1, 0, 1, 2]
const types = {
  tupleOriginal: 1,
  tupleReply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  mark: 8,
  countersOriginal: 9,
  countersReply: 10,
  id: 12,
  timestamp: 20,
  markMask: 21,
} as const
const tupleTypes = { addresses: 1, ports: 2 } as const
const addressTypes = { ipv4Source: 1, ipv4Destination: 2, ipv6Source: 3, ipv6Destination: 4 } as const
const portTypes = { source: 2, destination: 3 } as const
const [tcpInfo, tcpInfoState, counterBytes, timestampStart] = [1, 1, 2, 1]
const seenReply = 1 << 1
const nanosInMillis = 1e6

/** BPF compares halves and words as if they were big-endian: the type of a message that tells the end of an entry. */
export const destroyType: number = halves((subsystem << 8) | messageDelete).readUInt16BE()
/** Where a message has its first attribute. */
export const attributesOffset: number = headerBytes + familyBytes
/** The path of attributes to the state of a TCP connection, and the one of the mark. */
export const tcpStatePath: readonly number[] = [types.protocolInfo, tcpInfo, tcpInfoState]
export const markType: number = types.mark

/**
 * Reads the messages that are in a buffer from one place to another, and calls `visit` for each. Messages and entries are the
 * same objects every time, filled anew: valid only during the call. What is cut off or no message at all ends the walk.
 */
export type ConntrackReader = (start: number, end: number, visit: (message: ConntrackMessage) => void) => void

/** The entry that was read last, filled in place. What costs something is cut out of the buffer when it is asked for. */
class EntryInBuffer implements ConntrackEntry {
  change: ConntrackEntry['change'] = 'new'
  family: Family = 'ipv4'
  id = 0
  mark = 0
  hasReply = false
  tcpState: TcpState | null = null
  remaining: number | null = null
  startedAt: number | null = null
  readonly buffer: Uint8Array
  readonly view: DataView
  readonly cutOriginals: Uint8Array[] = []
  readonly counted = { original: 0, reply: 0 }
  originalAt = 0
  originalEnd = 0
  replyAt = 0
  replyEnd = 0
  originalCount = 0
  replyCount = 0

  constructor(buffer: Uint8Array) {
    this.buffer = buffer
    this.view = viewOf(buffer)
  }

  /** Events lie in the same places again and again: a part that was cut before is used again. */
  get original(): TupleBytes {
    const { buffer, cutOriginals, originalAt, originalEnd } = this
    const before = cutOriginals[originalAt >>> placeBits]
    if (before?.byteOffset === buffer.byteOffset + originalAt && before.length === originalEnd - originalAt)
      return before
    const part = buffer.subarray(originalAt, originalEnd)
    cutOriginals[originalAt >>> placeBits] = part
    return part
  }

  get reply(): TupleBytes {
    return this.buffer.subarray(this.replyAt, this.replyEnd)
  }

  get bytes(): ConntrackEntry['bytes'] {
    const { counted, originalCount, replyCount } = this
    if (originalCount === 0 || replyCount === 0) return null
    counted.original = longNumber(this.view, originalCount)
    counted.reply = longNumber(this.view, replyCount)
    return counted
  }

  /** False: it is no entry of TCP over IP. */
  read(start: number, end: number): boolean {
    const { view } = this
    const family = view.getUint8(start)
    if (family !== domains.ipv4 && family !== domains.ipv6) return false
    this.family = family === domains.ipv4 ? 'ipv4' : 'ipv6'
    this.id = 0
    this.mark = 0
    this.hasReply = false
    this.tcpState = null
    this.remaining = null
    this.startedAt = null
    this.originalAt = 0
    this.replyAt = 0
    this.originalCount = 0
    this.replyCount = 0
    for (let at = start + familyBytes; at + attributeHeaderBytes <= end; ) {
      const length = view.getUint16(at, isLittleEndian)
      if (length < attributeHeaderBytes || at + length > end) return false
      this.readAttribute(view.getUint16(at + 2, isLittleEndian) & typeMask, at + attributeHeaderBytes, at + length)
      at += length + (-length & 3)
    }
    return this.originalAt > 0 && this.replyAt > 0
  }

  private readAttribute(type: number, at: number, end: number): void {
    const { view } = this
    switch (type) {
      case types.tupleOriginal:
        this.originalAt = at
        this.originalEnd = end
        break
      case types.tupleReply:
        this.replyAt = at
        this.replyEnd = end
        break
      case types.status:
        if (end - at >= 4) this.hasReply = (view.getUint32(at) & seenReply) !== 0
        break
      case types.timeout:
        if (end - at >= 4) this.remaining = view.getUint32(at)
        break
      case types.mark:
        if (end - at >= 4) this.mark = view.getUint32(at)
        break
      case types.id:
        if (end - at >= 4) this.id = view.getUint32(at)
        break
      case types.protocolInfo: {
        const tcp = findAttribute(view, at, end, tcpInfo)
        const state = tcp === absent ? absent : findAttribute(view, tcp, attributeEnd(view, tcp), tcpInfoState)
        if (state !== absent && attributeEnd(view, state) > state)
          this.tcpState = tcpStates[view.getUint8(state)] ?? null
        break
      }
      case types.countersOriginal:
        this.originalCount = find64(view, at, end, counterBytes)
        break
      case types.countersReply:
        this.replyCount = find64(view, at, end, counterBytes)
        break
      case types.timestamp: {
        const value = find64(view, at, end, timestampStart)
        if (value !== 0) this.startedAt = Math.floor(longNumber(view, value) / nanosInMillis)
        break
      }
    }
  }
}

/** Makes a reader of what a buffer holds, whenever it is called. */
export const conntrackReader = (buffer: Uint8Array): ConntrackReader => {
  const entry = new EntryInBuffer(buffer)
  const { view } = entry
  const found: ConntrackMessage = { kind: 'entry', entry }
  return (start, end, visit) => {
    for (let at = start; at + headerBytes <= end; ) {
      const length = view.getUint32(at, isLittleEndian)
      if (length < headerBytes || at + length > end) return
      const type = view.getUint16(at + typeOffset, isLittleEndian)
      const flagsHere = view.getUint16(at + flagsOffset, isLittleEndian)
      if (type >> 8 === subsystem) {
        entry.change =
          (type & 0xff) === messageDelete ? 'destroy' : (flagsHere & messageFlags.create) === 0 ? 'update' : 'new'
        if (length > headerBytes && entry.read(at + headerBytes, at + length)) visit(found)
      } else if (type === doneType) {
        const error = length >= headerBytes + 4 ? view.getInt32(at + headerBytes, isLittleEndian) : 0
        visit({ kind: 'end', isTorn: error !== 0 || (flagsHere & messageFlags.interrupted) !== 0 })
      } else if (type === errorType && length >= headerBytes + 4) {
        const sequence = view.getUint32(at + sequenceOffset, isLittleEndian)
        visit({ kind: 'answer', sequence, error: view.getInt32(at + headerBytes, isLittleEndian) })
      }
      at += length + (-length & 3)
    }
  }
}

/** Cut parts are remembered by place of 1,024 bytes. */
const placeBits = 10

/** Where a value of 64 bits begins; 0: there is none. */
const find64 = (view: DataView, start: number, end: number, wanted: number): number => {
  const value = findAttribute(view, start, end, wanted)
  return value === absent || attributeEnd(view, value) - value < 8 ? 0 : value
}
/** The flow that a tuple describes; undefined where it is not one of TCP over IP. */
export const flowOf = (tuple: TupleBytes): Flow | undefined => {
  const view = viewOf(tuple)
  const addresses = findAttribute(view, 0, tuple.length, tupleTypes.addresses)
  const ports = findAttribute(view, 0, tuple.length, tupleTypes.ports)
  if (addresses === absent || ports === absent) return undefined
  const address = (type: number, size: number): Uint8Array | undefined => {
    const at = findAttribute(view, addresses, attributeEnd(view, addresses), type)
    return at === absent || attributeEnd(view, at) - at !== size ? undefined : tuple.slice(at, at + size)
  }
  const port = (type: number): number | undefined => {
    const at = findAttribute(view, ports, attributeEnd(view, ports), type)
    return at === absent || attributeEnd(view, at) - at < 2 ? undefined : view.getUint16(at)
  }
  const [sourcePort, destinationPort] = [port(portTypes.source), port(portTypes.destination)]
  if (sourcePort === undefined || destinationPort === undefined) return undefined
  const ipv4 = address(addressTypes.ipv4Source, 4)
  const family = ipv4 === undefined ? 'ipv6' : 'ipv4'
  const source = ipv4 ?? address(addressTypes.ipv6Source, 16)
  const destination =
    family === 'ipv4' ? address(addressTypes.ipv4Destination, 4) : address(addressTypes.ipv6Destination, 16)
  if (source === undefined || destination === undefined) return undefined
  return { family, source, destination, sourcePort, destinationPort }
}

/** A request for all entries with the mark; the kernel leaves out the others. */
export const listRequest = (sequence: number, { value, mask }: MarkFilter): Uint8Array =>
  request(messageGet, messageFlags.dump, sequence, 0, [
    attribute(types.mark, bigEndian(value)),
    attribute(types.markMask, bigEndian(mask)),
  ])

/** A request to delete this entry, and none that took its place: the kernel compares the id. */
export const deleteRequest = (sequence: number, entry: EntryKey): Uint8Array =>
  request(messageDelete, messageFlags.acknowledge, sequence, domains[entry.family], [
    attribute(types.tupleOriginal | nested, entry.original),
    attribute(types.id, bigEndian(entry.id)),
  ])

/** A request to have this entry expire after so many seconds without a packet; the next packet sets its own policy again. */
export const timeoutRequest = (sequence: number, entry: EntryKey, seconds: number): Uint8Array =>
  request(messageNew, messageFlags.acknowledge, sequence, domains[entry.family], [
    attribute(types.tupleOriginal | nested, entry.original),
    attribute(types.timeout, bigEndian(seconds)),
  ])

/** What tells an entry from all others. */
export type EntryKey = Pick<ConntrackEntry, 'family' | 'id' | 'original'>

const bigEndian = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

const request = (
  message: number,
  more: number,
  sequence: number,
  family: number,
  attributes: readonly Uint8Array[],
): Uint8Array =>
  complete(Buffer.concat([netfilterHeader((subsystem << 8) | message, more, family), ...attributes]), sequence)
