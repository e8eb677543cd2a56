// A socket filter that looks at the hop limit of IPv6 packets, which a raw socket does not show: those with a lower one
// are cut off to a mark, so that they can be counted. (RFC 9568 section 5.1.2.3 wants them dropped.)

import { addressInMemory } from './libc.ts'

/** The length of a packet that came with a hop limit too low. No other packet is delivered with this length. */
export const truncatedLength = 2

const wholePacket = 0xffff
const shorterThanTruncated = truncatedLength - 1
/** linux/filter.h: load a byte, load the length, jump if greater or equal, jump if equal, return. */
const [loadByte, loadLength, jumpIfAtLeast, jumpIfEqual, giveBack] = [0x30, 0x80, 0x35, 0x15, 0x06]
/** SKF_NET_OFF: offsets from here count from the network header. */
const networkHeader = -0x100000
const hopLimitOffset = 7

/** struct sock_fprog for SO_ATTACH_FILTER. Its instructions must live until the kernel has copied them: keep the object. */
export type SocketFilter = { readonly program: Buffer; readonly instructions: Buffer }

/** Passes packets with at least this hop limit, and cuts off the others to the mark. Who is as short as it gets shorter. */
export const hopLimitFilter = (minimum: number): SocketFilter => {
  const instructions = Buffer.concat([
    instruction(loadByte, 0, 0, networkHeader + hopLimitOffset),
    instruction(jumpIfAtLeast, 0, 4, minimum),
    instruction(loadLength, 0, 0, 0),
    instruction(jumpIfEqual, 0, 1, truncatedLength),
    instruction(giveBack, 0, 0, shorterThanTruncated),
    instruction(giveBack, 0, 0, wholePacket),
    instruction(giveBack, 0, 0, truncatedLength),
  ])
  const program = Buffer.alloc(16)
  program.set(Buffer.from(Uint16Array.of(instructions.length / 8).buffer), 0)
  program.set(Buffer.from(BigUint64Array.of(addressInMemory(instructions)).buffer), 8)
  return { program, instructions }
}

/** struct sock_filter */
const instruction = (code: number, whenTrue: number, whenFalse: number, value: number): Buffer =>
  Buffer.concat([
    Buffer.from(Uint16Array.of(code).buffer),
    Buffer.of(whenTrue, whenFalse),
    Buffer.from(Int32Array.of(value).buffer),
  ])
