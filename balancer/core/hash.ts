// One number of a text, the same on every host and in every version: what is derived from names must not move.

/** An unsigned number of 32 bits: FNV-1a, then the finalizer of MurmurHash3, since names differ in their last character. */
export const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return mixed(hash)
}

/** Mixes the bits of a number: each of 32 depends on all of them. */
export const mixed = (value: number): number => {
  let hash = value ^ (value >>> 16)
  hash = Math.imul(hash, 0x85ebca6b)
  hash ^= hash >>> 13
  hash = Math.imul(hash, 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
