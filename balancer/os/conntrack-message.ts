// Entries of connection tracking as ctnetlink carries them (linux/netfilter/nfnetlink_conntrack.h): read and written here,
// without IO. One pass over a message and few objects: twenty thousand of them come in a second.

import type { Family } from '../core/ip-address.ts'
import { attribute } from './address-message.ts'

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
/** linux/netlink.h */
const [errorType, doneType] = [2, 3]
const flags = { request: 0x1, acknowledge: 0x4, interrupted: 0x10, dump: 0x300, create: 0x400 } as const
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
const [headerBytes, familyBytes, attributeHeaderBytes] = [16, 4, 4]
const [inet, inet6] = [2, 10]
const typeMask = 0x3fff
const nested = 0x8000
const nanosInMillis = 1_000_000n

/** BPF compares halves and words as if they were big-endian: the type of a message that tells the end of an entry. */
export const destroyType: number = new DataView(Uint16Array.of((subsystem << 8) | messageDelete).buffer).getUint16(0)
/** Where a message has its type, and where its first attribute. */
export const [typeOffset, attributesOffset] = [4, headerBytes + familyBytes]
/** The path of attributes to the state of a TCP connection, and the one of the mark. */
export const tcpStatePath: readonly number[] = [types.protocolInfo, tcpInfo, tcpInfoState]
export const markType: number = types.mark

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** Calls `visit` for each message of a datagram. What is cut off or no message at all ends the walk. */
export const readConntrack = (datagram: Uint8Array, visit: (message: ConntrackMessage) => void): void => {
  const view = viewOf(datagram)
  for (let at = 0; at + headerBytes <= datagram.length; ) {
    const length = view.getUint32(at, isLittleEndian)
    if (length < headerBytes || at + length > datagram.length) return
    const type = view.getUint16(at + typeOffset, isLittleEndian)
    const flagsHere = view.getUint16(at + 6, isLittleEndian)
    if (type === doneType) {
      const error = length >= headerBytes + 4 ? view.getInt32(at + headerBytes, isLittleEndian) : 0
      visit({ kind: 'end', isTorn: error !== 0 || (flagsHere & flags.interrupted) !== 0 })
    } else if (type === errorType && length >= headerBytes + 4) {
      const sequence = view.getUint32(at + 8, isLittleEndian)
      visit({ kind: 'answer', sequence, error: view.getInt32(at + headerBytes, isLittleEndian) })
    } else if (type >> 8 === subsystem) {
      const change = (type & 0xff) === messageDelete ? 'destroy' : (flagsHere & flags.create) === 0 ? 'update' : 'new'
      const entry = entryIn(datagram, view, at + headerBytes, at + length, change)
      if (entry !== undefined) visit({ kind: 'entry', entry })
    }
    at += length + (-length & 3)
  }
}

const entryIn = (
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  change: ConntrackEntry['change'],
): ConntrackEntry | undefined => {
  const family = bytes[start] === inet ? 'ipv4' : bytes[start] === inet6 ? 'ipv6' : undefined
  let original: Uint8Array | undefined
  let reply: Uint8Array | undefined
  let [id, mark, hasReply] = [0, 0, false]
  let tcpState: TcpState | null = null
  let remaining: number | null = null
  let startedAt: number | null = null
  let sent: number | null = null
  let answered: number | null = null
  for (let at = start + familyBytes; at + attributeHeaderBytes <= end; ) {
    const length = view.getUint16(at, isLittleEndian)
    if (length < attributeHeaderBytes || at + length > end) return undefined
    const [value, valueEnd] = [at + attributeHeaderBytes, at + length]
    const holds = (size: number): boolean => valueEnd - value >= size
    switch (view.getUint16(at + 2, isLittleEndian) & typeMask) {
      case types.tupleOriginal:
        original = bytes.subarray(value, valueEnd)
        break
      case types.tupleReply:
        reply = bytes.subarray(value, valueEnd)
        break
      case types.status:
        if (holds(4)) hasReply = (view.getUint32(value) & seenReply) !== 0
        break
      case types.timeout:
        if (holds(4)) remaining = view.getUint32(value)
        break
      case types.mark:
        if (holds(4)) mark = view.getUint32(value)
        break
      case types.id:
        if (holds(4)) id = view.getUint32(value)
        break
      case types.protocolInfo: {
        const tcp = find(view, value, valueEnd, tcpInfo)
        const state = tcp === undefined ? undefined : find(view, tcp.at, tcp.end, tcpInfoState)
        if (state !== undefined && state.end > state.at) tcpState = tcpStates[bytes[state.at] ?? -1] ?? null
        break
      }
      case types.countersOriginal:
        sent = count(view, value, valueEnd)
        break
      case types.countersReply:
        answered = count(view, value, valueEnd)
        break
      case types.timestamp: {
        const found = find(view, value, valueEnd, timestampStart)
        if (found !== undefined && found.end - found.at >= 8)
          startedAt = Number(view.getBigUint64(found.at) / nanosInMillis)
        break
      }
    }
    at += length + (-length & 3)
  }
  if (family === undefined || original === undefined || reply === undefined) return undefined
  const bytesCounted = sent === null || answered === null ? null : { original: sent, reply: answered }
  return { change, family, id, mark, hasReply, tcpState, remaining, startedAt, bytes: bytesCounted, original, reply }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const find = (
  view: DataView,
  start: number,
  end: number,
  wanted: number,
): { readonly at: number; readonly end: number } | undefined => {
  for (let at = start; at + attributeHeaderBytes <= end; ) {
    const length = view.getUint16(at, isLittleEndian)
    if (length < attributeHeaderBytes || at + length > end) return undefined
    if ((view.getUint16(at + 2, isLittleEndian) & typeMask) === wanted)
      return { at: at + attributeHeaderBytes, end: at + length }
    at += length + (-length & 3)
  }
  return undefined
}

const count = (view: DataView, start: number, end: number): number | null => {
  const found = find(view, start, end, counterBytes)
  return found === undefined || found.end - found.at < 8 ? null : Number(view.getBigUint64(found.at))
}

/** The flow that a tuple describes; undefined where it is not one of TCP over IP. */
export const flowOf = (tuple: TupleBytes): Flow | undefined => {
  const view = viewOf(tuple)
  const addresses = find(view, 0, tuple.length, tupleTypes.addresses)
  const ports = find(view, 0, tuple.length, tupleTypes.ports)
  if (addresses === undefined || ports === undefined) return undefined
  const part = (type: number, size: number): Uint8Array | undefined => {
    const found = find(view, addresses.at, addresses.end, type)
    return found?.end === undefined || found.end - found.at !== size ? undefined : tuple.slice(found.at, found.end)
  }
  const port = (type: number): number | undefined => {
    const found = find(view, ports.at, ports.end, type)
    return found === undefined || found.end - found.at < 2 ? undefined : view.getUint16(found.at)
  }
  const [sourcePort, destinationPort] = [port(portTypes.source), port(portTypes.destination)]
  if (sourcePort === undefined || destinationPort === undefined) return undefined
  const ipv4 = [part(addressTypes.ipv4Source, 4), part(addressTypes.ipv4Destination, 4)] as const
  const ipv6 = [part(addressTypes.ipv6Source, 16), part(addressTypes.ipv6Destination, 16)] as const
  const family = ipv4[0] === undefined ? 'ipv6' : 'ipv4'
  const [source, destination] = family === 'ipv4' ? ipv4 : ipv6
  if (source === undefined || destination === undefined) return undefined
  return { family, source, destination, sourcePort, destinationPort }
}

/** A request for all entries with the mark; the kernel leaves out the others. */
export const listRequest = (sequence: number, { value, mask }: MarkFilter): Uint8Array =>
  request(messageGet, flags.dump, sequence, 0, [
    attribute(types.mark, bigEndian(value)),
    attribute(types.markMask, bigEndian(mask)),
  ])

/** A request to delete this entry, and none that took its place: the kernel compares the id. */
export const deleteRequest = (sequence: number, entry: EntryKey): Uint8Array =>
  request(messageDelete, flags.acknowledge, sequence, familyNumber(entry.family), [
    attribute(types.tupleOriginal | nested, entry.original),
    attribute(types.id, bigEndian(entry.id)),
  ])

/** A request to have this entry expire after so many seconds without a packet; the next packet sets its own policy again. */
export const timeoutRequest = (sequence: number, entry: EntryKey, seconds: number): Uint8Array =>
  request(messageNew, flags.acknowledge, sequence, familyNumber(entry.family), [
    attribute(types.tupleOriginal | nested, entry.original),
    attribute(types.timeout, bigEndian(seconds)),
  ])

/** What tells an entry from all others. */
export type EntryKey = Pick<ConntrackEntry, 'family' | 'id' | 'original'>

const familyNumber = (family: Family): number => (family === 'ipv4' ? inet : inet6)

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
): Uint8Array => {
  const body = Buffer.concat([Buffer.of(family, 0, 0, 0), ...attributes])
  const header = new DataView(new ArrayBuffer(headerBytes))
  header.setUint32(0, headerBytes + body.length, isLittleEndian)
  header.setUint16(4, (subsystem << 8) | message, isLittleEndian)
  header.setUint16(6, flags.request | more, isLittleEndian)
  header.setUint32(8, sequence, isLittleEndian)
  return Buffer.concat([new Uint8Array(header.buffer), body])
}
