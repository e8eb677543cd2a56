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
/** Every message names its table in its first attribute: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, … */
const tableAttribute = 1
const [headerBytes, familyBytes, attributeHeaderBytes] = [16, 4, 4]
const inet = 1
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** Watches a table of the family inet. Needs the capability net_admin. */
export const watchNft = (table: string, listener: NftListener): Outcome<NftEvents> => {
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
        for (const message of messagesIn(buffer.subarray(0, length))) {
          if (message.type === newGeneration) {
            listener.onCommit(isOurs)
            isOurs = false
          } else if (message.table === table) isOurs = true
        }
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

type Message = { readonly type: number; readonly table: string | null }

/** The messages of nftables in a datagram; `table` is null for other families. What is cut off ends it. */
const messagesIn = (bytes: Uint8Array): readonly Message[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const messages: Message[] = []
  for (let at = 0; at + headerBytes + familyBytes <= bytes.length; ) {
    const length = view.getUint32(at, isLittleEndian)
    if (length < headerBytes + familyBytes || at + length > bytes.length) return messages
    const type = view.getUint16(at + 4, isLittleEndian)
    if (type >> 8 === subsystem) {
      const isInet = bytes[at + headerBytes] === inet
      const message = bytes.subarray(at + headerBytes + familyBytes, at + length)
      messages.push({ type: type & 0xff, table: isInet ? tableIn(message) : null })
    }
    at += length + (-length & 3)
  }
  return messages
}

const tableIn = (attributes: Uint8Array): string | null => {
  if (attributes.length < attributeHeaderBytes) return null
  const view = new DataView(attributes.buffer, attributes.byteOffset, attributes.byteLength)
  const length = view.getUint16(0, isLittleEndian)
  if (view.getUint16(2, isLittleEndian) !== tableAttribute || length > attributes.length) return null
  return Buffer.from(attributes.subarray(attributeHeaderBytes, length)).toString().replace(/\0.*$/s, '')
}
