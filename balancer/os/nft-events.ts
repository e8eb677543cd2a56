// Changes of the rules of this host as nftables tells them (linux/netfilter/nf_tables.h), whoever makes them.

import { isLittleEndian } from './host-order.ts'
import { callClose, lastError } from './libc.ts'
import { openNetfilterSocket } from './netfilter-socket.ts'
import { absent, attributeEnd, familyBytes, findAttribute, headerBytes, typeOffset, viewOf } from './netlink-message.ts'
import { type Outcome, refused } from './outcome.ts'
import { receiveInto } from './socket.ts'

/** What was committed, a call for each transaction. */
export type NftListener = {
  /** `isOurs`: it changed something in the table that is watched. */
  readonly onCommit: (isOurs: boolean) => void
  /** Some were missed. */
  readonly onOverrun: () => void
  /** The socket is closed and stays so. */
  readonly onFailure: (text: string) => void
}

/** A subscription to the changes. */
export type NftEvents = {
  /** Reads all that has happened until now: a transaction that has ended has been told. */
  readonly drain: () => void
  readonly close: () => void
}

/** NFNLGRP_NFTABLES, as a bit. */
const group = 1 << (7 - 1)
const bufferBytes = 4 * 1024 * 1024
const longestDatagram = 64 * 1024
const interval = 50
const [subsystem, newGeneration] = [10, 15]
const elementMessages: readonly number[] = [12, 14]
/** The name of the table in every message: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, … */
const tableAttribute = 1
/** The name of the set in those about elements: NFTA_SET_ELEM_LIST_SET. */
const setAttribute = 2
/** NFPROTO_INET, NFPROTO_NETDEV. */
const familyNumbers = { inet: 1, netdev: 5 }

/**
 * Which table is watched. `isFilledByOthers`: of sets of it whose elements come and go without anybody being interested; none
 * are where it is not given.
 */
export type WatchedTable = {
  readonly family: keyof typeof familyNumbers
  readonly name: string
  readonly isFilledByOthers?: (set: string) => boolean
}

/** Watches a table. Needs the capability net_admin. */
export const watchNft = (table: WatchedTable, listener: NftListener): Outcome<NftEvents> => {
  const opened = openNetfilterSocket(group, bufferBytes)
  if (!opened.ok) return refused(opened.code, `cannot hear of changes of the rules: ${opened.code}`)
  const fd = opened.value
  const buffer = new Uint8Array(longestDatagram)
  const view = viewOf(buffer)
  let isOpen = true
  let isOurs = false
  const close = (): void => {
    if (!isOpen) return
    isOpen = false
    clearInterval(timer)
    callClose(fd)
  }
  const read = (): void => {
    while (isOpen) {
      const length = receiveInto(fd, buffer)
      if (length > 0) {
        walk(view, length, (type, start, end) => {
          if (type === newGeneration) {
            listener.onCommit(isOurs)
            isOurs = false
          } else isOurs ||= isAbout(table, view, type, start, end)
        })
        continue
      }
      const code = lastError()
      if (code === 'EAGAIN') return
      if (code === 'ENOBUFS') listener.onOverrun()
      else if (code !== 'EINTR') {
        close()
        listener.onFailure(`cannot hear of changes of the rules any more: ${code}`)
      }
    }
  }
  const timer = setInterval(read, interval)
  return { ok: true, value: { drain: read, close } }
}

/**
 * Calls `visit` for each message of nftables in a datagram; its body, from the family on, lies between `start` and `end`. What is cut
 * off ends it. One transaction may have a hundred thousand of them.
 */
const walk = (view: DataView, length: number, visit: (type: number, start: number, end: number) => void): void => {
  for (let at = 0; at + headerBytes + familyBytes <= length; ) {
    const size = view.getUint32(at, isLittleEndian)
    if (size < headerBytes + familyBytes || at + size > length) return
    const type = view.getUint16(at + typeOffset, isLittleEndian)
    if (type >> 8 === subsystem) visit(type & 0xff, at + headerBytes, at + size)
    at += size + (-size & 3)
  }
}

const isAbout = (
  { family, name, isFilledByOthers }: WatchedTable,
  view: DataView,
  type: number,
  start: number,
  end: number,
): boolean => {
  if (view.getUint8(start) !== familyNumbers[family]) return false
  const nameIn = (attribute: number): string | null => textAt(view, start + familyBytes, end, attribute)
  if (nameIn(tableAttribute) !== name) return false
  const set = elementMessages.includes(type) ? nameIn(setAttribute) : null
  return set === null || isFilledByOthers?.(set) !== true
}

/** The text of an attribute without the zero at its end; null where it is not there. */
const textAt = (view: DataView, start: number, end: number, wanted: number): string | null => {
  const at = findAttribute(view, start, end, wanted)
  if (at === absent) return null
  const bytes = Buffer.from(view.buffer, view.byteOffset + at, attributeEnd(view, at) - at)
  return bytes.toString().replace(/\0.*$/s, '')
}
