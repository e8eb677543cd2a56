// A socket filter that looks at the hop limit of IPv6 packets, which a raw socket does not show: those with a lower one
// are cut off to a mark, so that they can be counted. (RFC 9568 section 5.1.2.3 wants them dropped.)

import {
  giveBack,
  instruction,
  jumpIfAtLeast,
  jumpIfEqual,
  loadByte,
  loadLength,
  type SocketFilter,
  socketFilter,
  wholePacket,
} from './socket-filter.ts'

/** The length of a packet that came with a hop limit too low. No other packet is delivered with this length. */
export const truncatedLength = 2

const shorterThanTruncated = truncatedLength - 1
/** SKF_NET_OFF: offsets from here count from the network header. */
const networkHeader = -0x100000
const hopLimitOffset = 7

/** Passes packets with at least this hop limit, and cuts off the others to the mark. Who is as short as it gets shorter. */
export const hopLimitFilter = (minimum: number): SocketFilter =>
  socketFilter(
    instruction(loadByte, 0, 0, networkHeader + hopLimitOffset),
    instruction(jumpIfAtLeast, 0, 4, minimum),
    instruction(loadLength, 0, 0, 0),
    instruction(jumpIfEqual, 0, 1, truncatedLength),
    instruction(giveBack, 0, 0, shorterThanTruncated),
    instruction(giveBack, 0, 0, wholePacket),
    instruction(giveBack, 0, 0, truncatedLength),
  )
