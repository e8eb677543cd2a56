// A neighbour as rtnetlink(7) carries it (struct ndmsg, linux/neighbour.h). The module netlink knows the form, but not that a
// kernel leaves parts out.

import { addressBytes, addressText, familyOf } from '../core/ip-address.ts'
import { halfAt, halves, wordAt, words } from './host-order.ts'
import { attribute, attributesIn } from './netlink-message.ts'
import { domains } from './socket-address.ts'

/**
 * What the kernel knows of a neighbour: `mac` as aa:bb:cc:dd:ee:ff, null while it is looked for or was not found. `isFixed`: set by
 * an administrator, and never asked for.
 */
export type Neighbour = {
  readonly address: string
  readonly interfaceIndex: number
  readonly mac: string | null
  readonly isFixed: boolean
}

const headerBytes = 12
const [interfaceAt, stateAt, flagsAt] = [4, 8, 10]
/** NDA_DST and NDA_LLADDR. */
const [destination, linkAddress] = [1, 2]
/** NUD_NOARP and NUD_PERMANENT; these, NUD_REACHABLE, _STALE, _DELAY and _PROBE. */
const [fixed, known] = [0x40 | 0x80, 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80]
/** NUD_PROBE: what is known is asked for once more, and forgotten where nobody answers. */
const probe = 0x10
/** NTF_USE: as if a packet went there. */
const use = 0x01
const ethernetLength = 6

/** A request to list those of all families. */
export const everyNeighbour: Buffer = Buffer.alloc(headerBytes)

/** A request to look for one that is not known (`ip neigh add … use`), or to ask again for one that is (`… nud probe`). */
export const resolveRequest = (address: string, interfaceIndex: number, isKnown: boolean): Buffer => {
  const header = Buffer.alloc(headerBytes)
  header.set([domains[familyOf(address)]])
  header.set(words(interfaceIndex), interfaceAt)
  if (isKnown) header.set(halves(probe), stateAt)
  else header.set([use], flagsAt)
  return Buffer.concat([header, attribute(destination, Uint8Array.from(addressBytes(address)))])
}

/** The neighbour of a message; none where it is of another kind, such as an entry of a bridge. */
export const neighbourIn = (message: Uint8Array): readonly Neighbour[] => {
  if (message.length < headerBytes) return []
  const state = halfAt(message, stateAt)
  const found = new Map(attributesIn(message, headerBytes))
  const address = found.get(destination)
  const expected = message[0] === domains.ipv4 ? 4 : message[0] === domains.ipv6 ? 16 : 0
  if (address === undefined || address.length !== expected) return []
  const link = found.get(linkAddress)
  const isMac = link?.length === ethernetLength && link.some((byte) => byte !== 0) && (state & known) !== 0
  return [
    {
      address: addressText(address),
      interfaceIndex: wordAt(message, interfaceAt),
      mac: isMac ? macText(link) : null,
      isFixed: isMac && (state & fixed) !== 0,
    },
  ]
}

/** Six bytes as aa:bb:cc:dd:ee:ff. */
export const macText = (bytes: ArrayLike<number>): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')

/** The six bytes of such a text. */
export const macBytes = (text: string): Uint8Array =>
  Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16))
