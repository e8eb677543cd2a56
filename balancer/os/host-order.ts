// Numbers in the byte order of this host, as the kernel's structures have them.

import { endianness } from 'node:os'

/** What a DataView has to be told. */
export const isLittleEndian: boolean = endianness() === 'LE'

/** Numbers of 16 bits. */
export const halves = (...numbers: readonly number[]): Buffer => Buffer.from(Uint16Array.from(numbers).buffer)

/** Numbers of 32 bits, with or without a sign. */
export const words = (...numbers: readonly number[]): Buffer => Buffer.from(Uint32Array.from(numbers).buffer)

/** The 16 bits without a sign that begin there. */
export const halfAt = (bytes: Uint8Array, offset: number): number =>
  new Uint16Array(Uint8Array.from(bytes.subarray(offset, offset + 2)).buffer)[0] ?? 0

/** The 32 bits without a sign that begin there. */
export const wordAt = (bytes: Uint8Array, offset: number): number =>
  new Uint32Array(Uint8Array.from(bytes.subarray(offset, offset + 4)).buffer)[0] ?? 0
