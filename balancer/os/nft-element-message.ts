// Elements of maps as nftables carries them over netlink (linux/netfilter/nf_tables.h): read and written here, without IO.
// One pass over a message and no object for an element: a list has a hundred thousand of them.

import { isLittleEndian } from './host-order.ts'
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

/** A map whose values are marks, or a set: its elements have no value, and 0 is read. */
export type NftMap = {
  readonly family: 'netdev' | 'inet'
  readonly table: string
  readonly name: string
  readonly isSet?: boolean
}

/**
 * One element. Its key lies in `buffer` from `keyAt` on, each field of a concatenation filled up to a multiple of four bytes.
 * `timeout`: what it was made with, in milliseconds, whatever a later `update` of a rule has set; null: that of the map.
 * `expires`: milliseconds that are left of it, exact to a tick of the kernel; null: it never ends.
 */
export type NftElement = {
  readonly buffer: Uint8Array
  readonly keyAt: number
  readonly keyBytes: number
  readonly value: number
  readonly timeout: number | null
  readonly expires: number | null
}

/**
 * An element to write. Times in milliseconds; where `expires` is more than `timeout` (a rule's `update` has prolonged it), it is
 * written with that as its timeout: the kernel refuses the pair.
 */
export type ElementToAdd = {
  readonly key: Uint8Array
  readonly value: number
  readonly timeout: number
  readonly expires: number
}

/**
 * What a datagram of the kernel holds. `error` is a negative errno, 0 for an acknowledgement. `torn`: the rules were changed
 * while they were listed, and elements may be missing.
 */
export type ElementMessage =
  | { readonly kind: 'element'; readonly element: NftElement }
  | { readonly kind: 'answer'; readonly sequence: number; readonly error: number }
  | { readonly kind: 'torn' }
  | { readonly kind: 'end'; readonly error: number }

/** Reads the messages between two places of its buffer. The element is the same object each time: valid only during the call. */
export type ElementReader = (start: number, end: number, visit: (message: ElementMessage) => void) => void

/**
 * How many elements of one key a transaction of a single one may remove. While a transaction replaces an element, rules find neither
 * the old one nor the new one, and may make another: two of one key are there.
 */
export const mostTwins = 3

/** Writes one transaction after the other into the same room; each holds at most `places` elements, with one removal each. */
export type BatchWriter = {
  readonly places: number
  readonly begin: (sequence: number) => void
  readonly remove: (sequence: number, key: Uint8Array) => void
  readonly add: (sequence: number, element: ElementToAdd) => void
  /** Ends the transaction, and gives what is to be sent; valid until the next one begins. */
  readonly end: (sequence: number) => Uint8Array
}

const subsystem = 10
const [newElements, getElements, removeElements] = [12, 13, 14]
/** linux/netfilter/nfnetlink.h */
const [batchBegin, batchEnd] = [16, 17]
/** NFTA_SET_ELEM_LIST_*; NFTA_LIST_ELEM; NFTA_SET_ELEM_*; NFTA_DATA_VALUE */
const listTypes = { table: 1, map: 2, elements: 3 } as const
const listElement = 1
const types = { key: 1, data: 2, timeout: 4, expiration: 5 } as const
const dataValue = 1
const families = { inet: 1, netdev: 5 } as const
const valueBytes = 4

/** The element that was read last, filled in place. */
class ElementInBuffer implements NftElement {
  readonly buffer: Uint8Array
  readonly view: DataView
  keyAt = 0
  keyBytes = 0
  value = 0
  timeout: number | null = null
  expires: number | null = null

  constructor(buffer: Uint8Array) {
    this.buffer = buffer
    this.view = viewOf(buffer)
  }

  /** False: it is none of a set, or of a map whose values are marks. */
  read(start: number, end: number): boolean {
    const { view } = this
    let [key, data] = [absent, absent]
    let isOther = false
    this.timeout = null
    this.expires = null
    for (let at = start; at + attributeHeaderBytes <= end; ) {
      const length = view.getUint16(at, isLittleEndian)
      if (length < attributeHeaderBytes || at + length > end) return false
      const [from, to] = [at + attributeHeaderBytes, at + length]
      switch (view.getUint16(at + 2, isLittleEndian) & typeMask) {
        case types.key:
          key = findAttribute(view, from, to, dataValue)
          break
        case types.data:
          data = findAttribute(view, from, to, dataValue)
          isOther = data === absent || attributeEnd(view, data) - data !== valueBytes
          break
        case types.timeout:
          if (to - from >= 8) this.timeout = longNumber(view, from)
          break
        case types.expiration:
          if (to - from >= 8) this.expires = longNumber(view, from)
          break
      }
      at += length + (-length & 3)
    }
    if (key === absent || isOther) return false
    this.keyAt = key
    this.keyBytes = attributeEnd(view, key) - key
    this.value = data === absent ? 0 : view.getUint32(data, isLittleEndian)
    return true
  }
}

/** Makes a reader of what a buffer holds, whenever it is called. What is cut off or no message at all ends the walk. */
export const elementReader = (buffer: Uint8Array): ElementReader => {
  const element = new ElementInBuffer(buffer)
  const { view } = element
  const found: ElementMessage = { kind: 'element', element }
  const readElements = (start: number, end: number, visit: (message: ElementMessage) => void): void => {
    const list = findAttribute(view, start, end, listTypes.elements)
    if (list === absent) return
    const last = attributeEnd(view, list)
    for (let at = list; at + attributeHeaderBytes <= last; ) {
      const length = view.getUint16(at, isLittleEndian)
      if (length < attributeHeaderBytes || at + length > last) return
      const isElement = (view.getUint16(at + 2, isLittleEndian) & typeMask) === listElement
      if (isElement && element.read(at + attributeHeaderBytes, at + length)) visit(found)
      at += length + (-length & 3)
    }
  }
  return (start, end, visit) => {
    for (let at = start; at + headerBytes <= end; ) {
      const length = view.getUint32(at, isLittleEndian)
      if (length < headerBytes || at + length > end) return
      const type = view.getUint16(at + typeOffset, isLittleEndian)
      const body = at + headerBytes
      if ((view.getUint16(at + flagsOffset, isLittleEndian) & messageFlags.interrupted) !== 0) visit({ kind: 'torn' })
      if (type === typeOf(newElements)) readElements(body + familyBytes, at + length, visit)
      else if (type === doneType)
        visit({ kind: 'end', error: length >= headerBytes + 4 ? view.getInt32(body, isLittleEndian) : 0 })
      else if (type === errorType && length >= headerBytes + 4)
        visit({
          kind: 'answer',
          sequence: view.getUint32(at + sequenceOffset, isLittleEndian),
          error: view.getInt32(body, isLittleEndian),
        })
      at += length + (-length & 3)
    }
  }
}

/** A request to list all elements of a map. */
export const listRequest = (sequence: number, map: NftMap): Uint8Array => {
  const header = netfilterHeader(typeOf(getElements), messageFlags.dump, families[map.family])
  return complete(Buffer.concat([header, ...names(map)]), sequence)
}

/** Room of so many bytes for transactions that change elements of this map, whose keys have `keyBytes`. */
export const batchWriter = (map: NftMap, keyBytes: number, roomBytes: number): BatchWriter => {
  const family = families[map.family]
  const key = attribute(types.key | nested, attribute(dataValue, new Uint8Array(keyBytes)))
  const data = map.isSet
    ? Buffer.alloc(0)
    : attribute(types.data | nested, attribute(dataValue, new Uint8Array(valueBytes)))
  const times = [types.timeout, types.expiration].map((type) => attribute(type, new Uint8Array(8)))
  const message = (kind: number, more: number, ...parts: readonly Uint8Array[]): Buffer => {
    const element = attribute(listElement | nested, Buffer.concat(parts))
    return Buffer.concat([
      netfilterHeader(typeOf(kind), more, family),
      ...names(map),
      attribute(listTypes.elements | nested, element),
    ])
  }
  // All messages of a kind have one form: what differs is written over it. The key, the data and the times stand at the end.
  const removal = message(removeElements, 0, key)
  const addition = message(newElements, messageFlags.create, ...times, key, data)
  for (const form of [removal, addition]) complete(form, 0)
  const border = (type: number): Buffer => complete(batchBorder(type), 0)
  const [beginning, ending] = [border(batchBegin), border(batchEnd)]
  const borders = beginning.length + ending.length
  const bytes = new Uint8Array(Math.max(roomBytes, borders + mostTwins * removal.length + addition.length))
  const view = viewOf(bytes)
  let length = 0
  const write = (form: Uint8Array, sequence: number): void => {
    bytes.set(form, length)
    view.setUint32(length + sequenceOffset, sequence, isLittleEndian)
    length += form.length
  }
  const keyEnd = keyBytes + (-keyBytes & 3)
  return {
    places: Math.max(1, Math.floor((roomBytes - borders) / (removal.length + addition.length))),
    begin: (sequence) => {
      length = 0
      write(beginning, sequence)
    },
    remove: (sequence, keyToWrite) => {
      write(removal, sequence)
      bytes.set(keyToWrite, length - keyEnd)
    },
    add: (sequence, { key: keyToWrite, value, timeout, expires }) => {
      write(addition, sequence)
      const keyAt = length - data.length - keyEnd
      if (data.length > 0) view.setUint32(length - valueBytes, value, isLittleEndian)
      bytes.set(keyToWrite, keyAt)
      const [timesEnd, left] = [keyAt - 2 * attributeHeaderBytes, Math.max(1, Math.ceil(expires))]
      setLongNumber(view, timesEnd - 8, left)
      setLongNumber(view, timesEnd - 12 - 8, Math.max(left, Math.ceil(timeout)))
    },
    end: (sequence) => {
      write(ending, sequence)
      return bytes.subarray(0, length)
    },
  }
}

const typeOf = (message: number): number => (subsystem << 8) | message

const names = ({ table, name }: NftMap): readonly Uint8Array[] => [
  attribute(listTypes.table, Buffer.from(`${table}\0`)),
  attribute(listTypes.map, Buffer.from(`${name}\0`)),
]

const batchBorder = (type: number): Buffer => {
  const bytes = netfilterHeader(type, 0, 0)
  bytes.writeUInt16BE(subsystem, headerBytes + 2)
  return bytes
}

/** What `longNumber` reads. */
const setLongNumber = (view: DataView, at: number, value: number): void => {
  view.setUint32(at, Math.floor(value / 2 ** 32))
  view.setUint32(at + 4, value >>> 0)
}
