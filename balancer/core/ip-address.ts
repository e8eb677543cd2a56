// IP addresses of both families: as bytes on the wire, as the one text of RFC 5952, and in the order that breaks ties.

/** The version of IP. */
export type Family = 'ipv4' | 'ipv6'

const groupsOfIpv6 = 8
const shortestRun = 2

/** The family of an address that is known to be one. */
export const familyOf = (address: string): Family => (address.includes(':') ? 'ipv6' : 'ipv4')

/** The bits of an address: what a prefix length cannot exceed. */
export const bitsOf = (family: Family): number => (family === 'ipv4' ? 32 : 128)

/** The 4 or 16 bytes of an address. */
export const addressBytes = (address: string): readonly number[] => {
  if (familyOf(address) === 'ipv4') return address.split('.').map(Number)
  // The last 32 bits may be written as an IPv4 address.
  const plain = address.replace(/[\d.]+$/, (tail) =>
    tail.includes('.') ? groupsText(tail.split('.').map(Number)) : tail,
  )
  const [head = '', tail] = plain.split('::')
  const [first, last] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')))
  const missing = tail === undefined ? 0 : groupsOfIpv6 - (first?.length ?? 0) - (last?.length ?? 0)
  const groups = [...(first ?? []), ...Array.from({ length: missing }, () => '0'), ...(last ?? [])]
  return groups.map((group) => Number.parseInt(group, 16)).flatMap((group) => [group >> 8, group & 0xff])
}

/** The text of 4 or 16 bytes; IPv6 as RFC 5952 wants it. */
export const addressText = (bytes: ArrayLike<number>): string => {
  const octets = Array.from(bytes)
  if (octets.length === 4) return octets.join('.')
  const groups = groupsText(octets).split(':')
  const run = longestRunOfZeros(groups)
  if (run.length < shortestRun) return groups.join(':')
  return `${groups.slice(0, run.start).join(':')}::${groups.slice(run.start + run.length).join(':')}`
}

/** Whether the address is fe80::/10: valid on one link only. */
export const isLinkLocal = (address: string): boolean => {
  const [first = 0, second = 0] = addressBytes(address)
  return familyOf(address) === 'ipv6' && first === 0xfe && (second & 0xc0) === 0x80
}

const mappedPrefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]

/** Whether the 16 bytes are an IPv4 address in the form of IPv6 (RFC 4291 section 2.5.5.2). */
export const isMapped = (bytes: readonly number[]): boolean => mappedPrefix.every((byte, i) => bytes[i] === byte)

/** Positive when `a` is the larger address of two of one family, as unsigned numbers (RFC 9568 section 6.4.3). */
export const compareAddresses = (a: string, b: string): number => {
  const others = addressBytes(b)
  return addressBytes(a).reduce((order, byte, i) => (order === 0 ? byte - (others[i] ?? 0) : order), 0)
}

const groupsText = (octets: readonly number[]): string =>
  Array.from({ length: octets.length / 2 }, (_, i) =>
    (((octets[2 * i] ?? 0) << 8) | (octets[2 * i + 1] ?? 0)).toString(16),
  ).join(':')

const longestRunOfZeros = (groups: readonly string[]): { readonly start: number; readonly length: number } => {
  let longest = { start: 0, length: 0 }
  for (let start = 0, end = 0; end < groups.length; end += 1) {
    if (groups[end] !== '0') start = end + 1
    else if (end + 1 - start > longest.length) longest = { start, length: end + 1 - start }
  }
  return longest
}
