// A neighbour as rtnetlink(7) carries it (struct ndmsg, linux/neighbour.h). The module netlink knows the form, but not that a
// kernel leaves parts out.

import { addressBytes, addressText, familyOf } from '../core/ip-address.ts'
import { attribute } from './address-message.ts'

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
const attributeHeaderBytes = 4
const [stateAt, flagsAt] = [8, 10]
const families = { ipv4: 2, ipv6: 10 } as const
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
  header.set([families[familyOf(address)]])
  header.set(Buffer.from(Int32Array.of(interfaceIndex).buffer), attributeHeaderBytes)
  if (isKnown) header.set(Buffer.from(Uint16Array.of(probe).buffer), stateAt)
  else header.set([use], flagsAt)
  return Buffer.concat([header, attribute(destination, Uint8Array.from(addressBytes(address)))])
}

/** The neighbour of a message; none where it is of another kind, such as an entry of a bridge. */
export const neighbourIn = (message: Uint8Array): readonly Neighbour[] => {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  if (bytes.length < headerBytes) return []
  const state = half(bytes, stateAt)
  const found = new Map(attributesIn(bytes))
  const address = found.get(destination)
  const expected = bytes[0] === families.ipv4 ? 4 : bytes[0] === families.ipv6 ? 16 : 0
  if (address === undefined || address.length !== expected) return []
  const link = found.get(linkAddress)
  const isMac = link?.length === ethernetLength && link.some((byte) => byte !== 0) && (state & known) !== 0
  return [
    {
      address: addressText(address),
      interfaceIndex: new Int32Array(Uint8Array.from(bytes.subarray(4, 8)).buffer)[0] ?? 0,
      mac: isMac ? macText(link) : null,
      isFixed: isMac && (state & fixed) !== 0,
    },
  ]
}

/** Six bytes as aa:bb:cc:dd:ee:ff. */
export const macText = (bytes: ArrayLike<number>): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':')

function* attributesIn(bytes: Buffer): Generator<readonly [number, Buffer]> {
  for (let offset = headerBytes; offset + attributeHeaderBytes <= bytes.length; ) {
    const length = half(bytes, offset)
    if (length < attributeHeaderBytes) return
    yield [half(bytes, offset + 2), bytes.subarray(offset + attributeHeaderBytes, offset + length)]
    offset += length + (-length & 3)
  }
}

/** In the byte order of this host. */
const half = (bytes: Uint8Array, offset: number): number =>
  new Uint16Array(Uint8Array.from(bytes.subarray(offset, offset + 2)).buffer)[0] ?? 0
