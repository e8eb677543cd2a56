// An address as rtnetlink(7) carries it, with the mark of who has added it (IFA_PROTO), which the module netlink leaves out.

import { addressBytes, familyOf } from '../core/ip-address.ts'

/** One address to add; `flags` of linux/if_addr.h. Lifetimes in seconds. */
export type AddressToAdd = {
  readonly address: string
  readonly prefixLength: number
  readonly interfaceIndex: number
  readonly preferred: number
  readonly valid: number
  readonly flags: number
  readonly label: string | undefined
  readonly origin: number
}

/** linux/if_addr.h */
const attributeTypes = { address: 1, local: 2, label: 3, cacheInfo: 6, flags: 8, origin: 11 } as const
const headerBytes = 8
const attributeHeaderBytes = 4
const families = { ipv4: 2, ipv6: 10 } as const
const typeMask = 0x3fff

/** A request to list the addresses of all families: an empty struct ifaddrmsg. */
export const everyAddress: Buffer = Buffer.alloc(headerBytes)

/** struct nlattr around bytes, padded to a multiple of four. */
export const attribute = (type: number, bytes: Uint8Array): Buffer => {
  const length = attributeHeaderBytes + bytes.length
  return Buffer.concat([Buffer.from(Uint16Array.of(length, type).buffer), bytes, Buffer.alloc(-length & 3)])
}

/** The body of a message that adds an address, or sets it again. A kernel before 5.18 does not know the mark, and drops it. */
export const addressMessage = (address: AddressToAdd): Buffer => {
  const bytes = addressBytes(address.address)
  const header = Buffer.alloc(headerBytes)
  header.set([families[familyOf(address.address)], address.prefixLength])
  header.set(wordsOf(address.interfaceIndex), attributeHeaderBytes)
  return Buffer.concat([
    header,
    attribute(attributeTypes.local, Uint8Array.from(bytes)),
    attribute(attributeTypes.address, Uint8Array.from(bytes)),
    attribute(attributeTypes.cacheInfo, wordsOf(address.preferred, address.valid, 0, 0)),
    attribute(attributeTypes.flags, wordsOf(address.flags)),
    ...(address.label === undefined ? [] : [attribute(attributeTypes.label, Buffer.from(`${address.label}\0`))]),
    attribute(attributeTypes.origin, Uint8Array.of(address.origin)),
  ])
}

/** Who has added the address of a message; 0 where nobody said so. */
export const originIn = (message: Uint8Array): number => {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const at = (offset: number): number =>
    new Uint16Array(Uint8Array.from(bytes.subarray(offset, offset + 2)).buffer)[0] ?? 0
  for (let offset = headerBytes; offset + attributeHeaderBytes <= bytes.length; ) {
    const length = at(offset)
    if (length < attributeHeaderBytes) return 0
    if ((at(offset + 2) & typeMask) === attributeTypes.origin) return bytes[offset + attributeHeaderBytes] ?? 0
    offset += length + (-length & 3)
  }
  return 0
}

/** In the byte order of this host. */
const wordsOf = (...words: readonly number[]): Buffer => Buffer.from(Uint32Array.from(words).buffer)
