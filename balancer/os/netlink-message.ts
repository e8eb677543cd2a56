// What all messages of netlink have in common (netlink(7), linux/netlink.h): the header, and attributes one behind the other.

import { halfAt, halves, isLittleEndian } from './host-order.ts'

/** struct nlmsghdr; struct nfgenmsg, which follows it in messages of netfilter; struct nlattr. */
export const [headerBytes, familyBytes, attributeHeaderBytes] = [16, 4, 4]
/** Where a header has its type, its flags and its sequence number. */
export const [typeOffset, flagsOffset, sequenceOffset] = [4, 6, 8]
/** NLMSG_ERROR, whose error 0 is an acknowledgement, and NLMSG_DONE, the end of a list. */
export const [errorType, doneType] = [2, 3]
/** NLM_F_*; those from 0x100 on mean one thing in a request for a list, and another in one to make something. */
export const messageFlags = {
  request: 0x1,
  acknowledge: 0x4,
  interrupted: 0x10,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
} as const
/** NLA_F_NESTED: its value is attributes. */
export const nested = 0x8000
/** NLA_TYPE_MASK */
export const typeMask = 0x3fff

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** struct nlattr around bytes, padded to a multiple of four. */
export const attribute = (type: number, bytes: Uint8Array): Buffer => {
  const length = attributeHeaderBytes + bytes.length
  return Buffer.concat([halves(length, type), bytes, Buffer.alloc(-length & 3)])
}

/** Types and values of the attributes from a place on; one that is cut off ends them. */
export function* attributesIn(bytes: Uint8Array, start: number): Generator<readonly [type: number, value: Uint8Array]> {
  for (let offset = start; offset + attributeHeaderBytes <= bytes.length; ) {
    const length = halfAt(bytes, offset)
    if (length < attributeHeaderBytes) return
    yield [halfAt(bytes, offset + 2) & typeMask, bytes.subarray(offset + attributeHeaderBytes, offset + length)]
    offset += length + (-length & 3)
  }
}

/** What `findAttribute` gives for one that is not there. */
export const absent = -1

/** Where the value of an attribute begins, or `absent`: without an object, for messages that come by the thousand. */
export const findAttribute = (view: DataView, start: number, end: number, wanted: number): number => {
  for (let at = start; at + attributeHeaderBytes <= end; ) {
    const length = view.getUint16(at, isLittleEndian)
    if (length < attributeHeaderBytes || at + length > end) return absent
    if ((view.getUint16(at + 2, isLittleEndian) & typeMask) === wanted) return at + attributeHeaderBytes
    at += length + (-length & 3)
  }
  return absent
}

/** Where the value ends that begins here. */
export const attributeEnd = (view: DataView, value: number): number =>
  value - attributeHeaderBytes + view.getUint16(value - attributeHeaderBytes, isLittleEndian)

/** A number of 64 bits, network order; beyond 2 ** 53 the nearest. */
export const longNumber = (view: DataView, at: number): number => view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4)

/** The beginning of a request to netfilter: both headers, as yet without length and sequence. */
export const netfilterHeader = (type: number, more: number, family: number): Buffer => {
  const bytes = Buffer.alloc(headerBytes + familyBytes)
  bytes.set(halves(type, messageFlags.request | more), typeOffset)
  bytes[headerBytes] = family
  return bytes
}

/** Writes length and sequence into the header of a message that is whole otherwise. */
export const complete = (message: Buffer, sequence: number): Buffer => {
  const view = viewOf(message)
  view.setUint32(0, message.length, isLittleEndian)
  view.setUint32(sequenceOffset, sequence, isLittleEndian)
  return message
}
