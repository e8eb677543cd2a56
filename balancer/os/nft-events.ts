// Changes of the rules of this host as nftables tells them (linux/netfilter/nf_tables.h), whoever makes them.

import { callClose, callReceive, lastError } from './libc.ts'
import { openNetfilterSocket } from './netfilter-socket.ts'
import { type Outcome, refused } from './outcome.ts'

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
const dontWait = 0x40
const bufferBytes = 4 * 1024 * 1024
const longestDatagram = 64 * 1024
const interval = 50
const [subsystem, newGeneration] = [10, 15]
const elementMessages: readonly number[] = [12, 14]
/** Every message names its table in its first attribute: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, … */
const tableAttribute = 1
/** Those about elements name their set in the second: NFTA_SET_ELEM_LIST_SET. */
const setAttribute = 2
const [headerBytes, familyBytes, attributeHeaderBytes] = [16, 4, 4]
/** NFPROTO_INET, NFPROTO_NETDEV. */
const familyNumbers = { inet: 1, netdev: 5 }
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

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
      const length = Number(callReceive(fd, buffer, buffer.length, dontWait))
      if (length > 0) {
        walk(buffer, length, (type, start, end) => {
          if (type === newGeneration) {
            listener.onCommit(isOurs)
            isOurs = false
          } else isOurs ||= isAbout(table, buffer, type, start, end)
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
const walk = (bytes: Uint8Array, length: number, visit: (type: number, start: number, end: number) => void): void => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, length)
  for (let at = 0; at + headerBytes + familyBytes <= length; ) {
    const size = view.getUint32(at, isLittleEndian)
    if (size < headerBytes + familyBytes || at + size > length) return
    const type = view.getUint16(at + 4, isLittleEndian)
    if (type >> 8 === subsystem) visit(type & 0xff, at + headerBytes, at + size)
    at += size + (-size & 3)
  }
}

const isAbout = (
  { family, name, isFilledByOthers }: WatchedTable,
  bytes: Uint8Array,
  type: number,
  start: number,
  end: number,
): boolean => {
  if (bytes[start] !== familyNumbers[family]) return false
  const [first, second] = textsIn(bytes.subarray(start + familyBytes, end))
  if (first?.attribute !== tableAttribute || first.text !== name) return false
  const isSet = elementMessages.includes(type) && second?.attribute === setAttribute
  return !isSet || isFilledByOthers?.(second.text) !== true
}

/** The first two attributes, as texts. */
const textsIn = (bytes: Uint8Array): readonly { readonly attribute: number; readonly text: string }[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const texts: { attribute: number; text: string }[] = []
  for (let at = 0; at + attributeHeaderBytes <= bytes.length && texts.length < 2; ) {
    const length = view.getUint16(at, isLittleEndian)
    if (length < attributeHeaderBytes || at + length > bytes.length) return texts
    const text = Buffer.from(bytes.subarray(at + attributeHeaderBytes, at + length))
      .toString()
      .replace(/\0.*$/s, '')
    texts.push({ attribute: view.getUint16(at + 2, isLittleEndian), text })
    at += length + (-length & 3)
  }
  return texts
}
