// Classic BPF for sockets (linux/filter.h): a program of instructions, as SO_ATTACH_FILTER wants it.

import { halves, words } from './host-order.ts'
import { addressInMemory } from './libc.ts'

/** struct sock_fprog for SO_ATTACH_FILTER. Its instructions must live until the kernel has copied them: keep the object. */
export type SocketFilter = { readonly program: Buffer; readonly instructions: Buffer }

/** Load a byte, load a word, load the length, jump if greater or equal, jump if equal, return. */
export const [loadByte, loadWord, loadLength, jumpIfAtLeast, jumpIfEqual, giveBack] = [
  0x30, 0x20, 0x80, 0x35, 0x15, 0x06,
]
/** Load a half, set the index, set the accumulator, move the accumulator to the index, load at the index, mask. */
export const [loadHalf, loadIndex, loadConstant, moveToIndex, loadWordAtIndex, loadByteAtIndex, andConstant] = [
  0x28, 0x01, 0x00, 0x07, 0x40, 0x50, 0x54,
]
/** Load a half at the index, set the index to the length of an IPv4 header that begins there. */
export const [loadHalfAtIndex, indexBehindIpv4] = [0x48, 0xb1]
/** What a filter gives back to pass all of a packet. */
export const wholePacket = 0xffff

/** struct sock_filter; the jumps count the instructions that are skipped. */
export const instruction = (code: number, whenTrue: number, whenFalse: number, value: number): Buffer =>
  Buffer.concat([halves(code), Buffer.of(whenTrue, whenFalse), words(value)])

/** The program that these instructions are. */
export const socketFilter = (...given: readonly Buffer[]): SocketFilter => {
  const instructions = Buffer.concat(given)
  const program = Buffer.alloc(16)
  program.set(halves(given.length))
  program.set(Buffer.from(BigUint64Array.of(addressInMemory(instructions)).buffer), 8)
  return { program, instructions }
}
