// What another host says under our own IPv4 address. The kernel takes it for a forgery and drops it before a raw socket
// hears it (fib_validate_source), so it is read where frames arrive.

import { addressBytes } from '../core/ip-address.ts'
import { callBind, callClose, callReceive, callSetSocketOption, callSocket, lastError } from './libc.ts'
import { type Outcome, refused } from './outcome.ts'
import { giveBack, instruction, jumpIfEqual, loadByte, loadWord, socketFilter, wholePacket } from './socket-filter.ts'

/** A socket that waits for nobody: whoever wants to know asks it. */
export type TwinSocket = {
  /** The packets that came since it was last asked, with their IP header; a bounded number. */
  readonly receive: () => readonly Uint8Array[]
  readonly close: () => void
}

const family = 17
const typeDatagram = 2
const closeOnExec = 0o2000000
const socketLevel = 1
const attachFilter = 26
const socketAddressLength = 20
const etherTypeIpv4 = 0x0800
const dontWait = 0x40
const [protocolAt, sourceAt] = [9, 12]
const longestPacket = 2048
const packetsAtOnce = 64

/** Listens on one interface for packets of one IP protocol that come from this address; needs the capability net_raw. */
export const openTwinSocket = (interfaceIndex: number, protocol: number, address: string): Outcome<TwinSocket> => {
  // Protocol 0 hears nothing, until the filter is there and the address is bound.
  const fd = callSocket(family, typeDatagram | closeOnExec, 0)
  if (fd < 0) return failed()
  const source = Buffer.from(addressBytes(address)).readInt32BE(0)
  const filter = socketFilter(
    instruction(loadByte, 0, 0, protocolAt),
    instruction(jumpIfEqual, 0, 3, protocol),
    instruction(loadWord, 0, 0, sourceAt),
    instruction(jumpIfEqual, 0, 1, source),
    instruction(giveBack, 0, 0, wholePacket),
    instruction(giveBack, 0, 0, 0),
  )
  const { program } = filter
  const isSet = callSetSocketOption(fd, socketLevel, attachFilter, program, program.length) === 0
  if (!isSet || callBind(fd, linkAddress(interfaceIndex), socketAddressLength) !== 0) {
    const refusal = failed()
    callClose(fd)
    return refusal
  }
  let isOpen = true
  const receive = (): readonly Uint8Array[] => {
    const packets: Uint8Array[] = []
    const buffer = new Uint8Array(longestPacket)
    while (isOpen && packets.length < packetsAtOnce) {
      const length = Number(callReceive(fd, buffer, buffer.length, dontWait))
      if (length < 0) break
      packets.push(buffer.slice(0, length))
    }
    return packets
  }
  const close = (): void => {
    if (isOpen) callClose(fd)
    isOpen = false
  }
  return { ok: true, value: { receive, close } }
}

/** struct sockaddr_ll: family, protocol in network order, interface. */
const linkAddress = (interfaceIndex: number): Uint8Array => {
  const address = Buffer.alloc(socketAddressLength)
  address.set(new Uint8Array(Uint16Array.of(family).buffer), 0)
  address.writeUInt16BE(etherTypeIpv4, 2)
  address.set(new Uint8Array(Int32Array.of(interfaceIndex).buffer), 4)
  return address
}

const failed = () => {
  const code = lastError()
  return refused(code, `cannot open a packet socket: ${code}`)
}
