// A filter for packet sockets: what comes in by TCP for ports from one number on, IPv4 and IPv6.

import {
  giveBack,
  indexBehindIpv4,
  instruction,
  jumpIfAtLeast,
  jumpIfEqual,
  loadByte,
  loadHalf,
  loadHalfAtIndex,
  type SocketFilter,
  socketFilter,
  wholePacket,
} from './socket-filter.ts'

const etherBytes = 14
const typeOffset = 12
const [etherIpv4, etherIpv6] = [0x0800, 0x86dd]
const [protocolOffset4, protocolOffset6] = [9, 6]
const ipv6Bytes = 40
const tcp = 6
const portOffset = 2

/** Passes TCP to ports from `first` on; IPv6 only without extension headers. */
export const tcpPortFilter = (first: number): SocketFilter =>
  socketFilter(
    instruction(loadHalf, 0, 0, typeOffset),
    instruction(jumpIfEqual, 0, 5, etherIpv4),
    instruction(loadByte, 0, 0, etherBytes + protocolOffset4),
    instruction(jumpIfEqual, 0, 9, tcp),
    instruction(indexBehindIpv4, 0, 0, etherBytes),
    instruction(loadHalfAtIndex, 0, 0, etherBytes + portOffset),
    instruction(jumpIfAtLeast, 5, 6, first),
    instruction(jumpIfEqual, 0, 5, etherIpv6),
    instruction(loadByte, 0, 0, etherBytes + protocolOffset6),
    instruction(jumpIfEqual, 0, 3, tcp),
    instruction(loadHalf, 0, 0, etherBytes + ipv6Bytes + portOffset),
    instruction(jumpIfAtLeast, 0, 1, first),
    instruction(giveBack, 0, 0, wholePacket),
    instruction(giveBack, 0, 0, 0),
  )
