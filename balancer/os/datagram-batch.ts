// Many datagrams with one call: where tens of thousands come in a second, a call for each costs more than what is in them.

import { isLittleEndian } from './host-order.ts'
import { addressInMemory, callReceiveMany } from './libc.ts'
import { dontWait } from './socket.ts'

/** Room for datagrams, used again by each call. The i-th begins at `i * placeBytes` of `buffer`. */
export type DatagramBatch = {
  readonly buffer: Uint8Array
  readonly placeBytes: number
  readonly places: number
  /** Takes what is there, and gives the number of datagrams; less than `places`: no more are there. -1: the system has an error. */
  readonly receive: (descriptor: number) => number
  readonly lengthOf: (index: number) => number
  /** It was longer than its place, and its end is lost. */
  readonly isCut: (index: number) => boolean
}

const truncated = 0x20
/** struct mmsghdr of 64 bits (recvmmsg(2)), and struct iovec. */
const headerBytes = 64
const [vectorOffset, vectorCountOffset, flagsOffset, lengthOffset] = [16, 24, 48, 56]
const vectorBytes = 16

/** Makes room for so many datagrams of so many bytes. */
export const createDatagramBatch = (places: number, placeBytes: number): DatagramBatch => {
  const buffer = new Uint8Array(places * placeBytes)
  // Headers and vectors in one block: what the kernel is given points into it, and it lives as long as this object.
  const block = new Uint8Array(places * (headerBytes + vectorBytes))
  const view = new DataView(block.buffer)
  const [first, vectors] = [addressInMemory(buffer), places * headerBytes]
  const firstVector = addressInMemory(block) + BigInt(vectors)
  for (let i = 0; i < places; i += 1) {
    const [header, vector] = [i * headerBytes, vectors + i * vectorBytes]
    view.setBigUint64(vector, first + BigInt(i * placeBytes), isLittleEndian)
    view.setBigUint64(vector + 8, BigInt(placeBytes), isLittleEndian)
    view.setBigUint64(header + vectorOffset, firstVector + BigInt(i * vectorBytes), isLittleEndian)
    view.setBigUint64(header + vectorCountOffset, 1n, isLittleEndian)
  }
  return {
    buffer,
    placeBytes,
    places,
    receive: (descriptor) => callReceiveMany(descriptor, block, places, dontWait, null),
    lengthOf: (index) => view.getUint32(index * headerBytes + lengthOffset, isLittleEndian),
    isCut: (index) => (view.getInt32(index * headerBytes + flagsOffset, isLittleEndian) & truncated) !== 0,
  }
}
