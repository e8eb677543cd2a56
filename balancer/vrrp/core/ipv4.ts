// IPv4 addresses as the text people write, the number that ties are broken by, and the four bytes on the wire.

/** The address as an unsigned number: the order in which RFC 9568 section 6.4.3 compares sources. */
export const addressNumber = (address: string): number =>
  address.split('.').reduce((number, octet) => number * 256 + Number(octet), 0)

/** The four bytes of a dotted address. */
export const addressBytes = (address: string): readonly number[] => address.split('.').map(Number)

/** The dotted text of the address that stands at an offset. */
export const addressAt = (bytes: Uint8Array, offset: number): string => bytes.subarray(offset, offset + 4).join('.')
