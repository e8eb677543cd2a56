// The hash by which the rule `jhash … mod N seed S` chooses a slot, in the same 32 bits as the kernel: who knows a client
// knows its slot. PURE.

const initial = 0xdeadbeef
const block = 12

/**
 * jhash() of the kernel's linux/jhash.h (Bob Jenkins' lookup3) over `length` bytes from `at` on: what nft_jhash computes over its
 * registers, each field filled up with zeros to a multiple of four bytes. Unsigned. Hosts of the other byte order compute
 * another one; there are none on which this program runs.
 */
export const jhash = (bytes: Uint8Array, at: number, length: number, seed: number): number => {
  let a = (initial + length + seed) | 0
  let b = a
  let c = a
  let left = length
  let from = at
  for (; left > block; left -= block, from += block) {
    a = (a + word(bytes, from, 4)) | 0
    b = (b + word(bytes, from + 4, 4)) | 0
    c = (c + word(bytes, from + 8, 4)) | 0
    a = ((a - c) | 0) ^ rotated(c, 4)
    c = (c + b) | 0
    b = ((b - a) | 0) ^ rotated(a, 6)
    a = (a + c) | 0
    c = ((c - b) | 0) ^ rotated(b, 8)
    b = (b + a) | 0
    a = ((a - c) | 0) ^ rotated(c, 16)
    c = (c + b) | 0
    b = ((b - a) | 0) ^ rotated(a, 19)
    a = (a + c) | 0
    c = ((c - b) | 0) ^ rotated(b, 4)
    b = (b + a) | 0
  }
  if (left === 0) return c >>> 0
  a = (a + word(bytes, from, left)) | 0
  b = (b + word(bytes, from + 4, left - 4)) | 0
  c = (c + word(bytes, from + 8, left - 8)) | 0
  c = ((c ^ b) - rotated(b, 14)) | 0
  a = ((a ^ c) - rotated(c, 11)) | 0
  b = ((b ^ a) - rotated(a, 25)) | 0
  c = ((c ^ b) - rotated(b, 16)) | 0
  a = ((a ^ c) - rotated(c, 4)) | 0
  b = ((b ^ a) - rotated(a, 14)) | 0
  c = ((c ^ b) - rotated(b, 24)) | 0
  return c >>> 0
}

/** The slot of a hash, as the kernel's reciprocal_scale() has it: `mod` of nft is no remainder. */
export const slotOf = (hash: number, slotCount: number): number => Math.floor((hash * slotCount) / 2 ** 32)

/** At most four of the bytes that are left, the first one lowest. */
const word = (bytes: Uint8Array, at: number, left: number): number => {
  if (left <= 0) return 0
  const low = (bytes[at] ?? 0) | (left > 1 ? (bytes[at + 1] ?? 0) << 8 : 0)
  return low | (left > 2 ? (bytes[at + 2] ?? 0) << 16 : 0) | (left > 3 ? (bytes[at + 3] ?? 0) << 24 : 0)
}

const rotated = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits))
