// An address as rtnetlink(7) carries it, with the mark of who has added it (IFA_PROTO), which the module netlink leaves out.

import { addressBytes, familyOf } from '../core/ip-address.ts'
import { words } from './host-order.ts'
import { attribute, attributesIn } from './netlink-message.ts'
import { domains } from './socket-address.ts'

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
const interfaceAt = 4

/** A request to list the addresses of all families: an empty struct ifaddrmsg. */
export const everyAddress: Buffer = Buffer.alloc(headerBytes)

/** The body of a message that adds an address, or sets it again. A kernel before 5.18 does not know the mark, and drops it. */
export const addressMessage = (address: AddressToAdd): Buffer => {
  const bytes = addressBytes(address.address)
  const header = Buffer.alloc(headerBytes)
  header.set([domains[familyOf(address.address)], address.prefixLength])
  header.set(words(address.interfaceIndex), interfaceAt)
  return Buffer.concat([
    header,
    attribute(attributeTypes.local, Uint8Array.from(bytes)),
    attribute(attributeTypes.address, Uint8Array.from(bytes)),
    attribute(attributeTypes.cacheInfo, words(address.preferred, address.valid, 0, 0)),
    attribute(attributeTypes.flags, words(address.flags)),
    ...(address.label === undefined ? [] : [attribute(attributeTypes.label, Buffer.from(`${address.label}\0`))]),
    attribute(attributeTypes.origin, Uint8Array.of(address.origin)),
  ])
}

/** Who has added the address of a message; 0 where nobody said so. */
export const originIn = (message: Uint8Array): number =>
  new Map(attributesIn(message, headerBytes)).get(attributeTypes.origin)?.[0] ?? 0
