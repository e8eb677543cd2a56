// What another host says under our own IPv4 address. The kernel takes it for a forgery and drops it before a raw socket
// hears it (fib_validate_source), so it is read where frames arrive.

import { addressBytes } from '../core/ip-address.ts'
import { callClose } from './libc.ts'
import type { Outcome } from './outcome.ts'
import {
  bindTo,
  givenUp,
  lastRefusal,
  openSocket,
  receiveWaiting,
  setOption,
  socketOptions,
  socketTypes,
} from './socket.ts'
import { domains, linkAddress } from './socket-address.ts'
import { giveBack, instruction, jumpIfEqual, loadByte, loadWord, socketFilter, wholePacket } from './socket-filter.ts'

/** A socket that waits for nobody: whoever wants to know asks it. */
export type TwinSocket = {
  /** The packets that came since it was last asked, with their IP header; a bounded number. */
  readonly receive: () => readonly Uint8Array[]
  readonly close: () => void
}

const etherTypeIpv4 = 0x0800
const [protocolAt, sourceAt] = [9, 12]
const longestPacket = 2048
const packetsAtOnce = 64
const refusal = 'cannot open a packet socket'

/** Listens on one interface for packets of one IP protocol that come from this address; needs the capability net_raw. */
export const openTwinSocket = (interfaceIndex: number, protocol: number, address: string): Outcome<TwinSocket> => {
  // Protocol 0 hears nothing, until the filter is there and the address is bound.
  const fd = openSocket(domains.packet, socketTypes.datagram)
  if (fd < 0) return lastRefusal(refusal)
  const source = Buffer.from(addressBytes(address)).readInt32BE(0)
  const filter = socketFilter(
    instruction(loadByte, 0, 0, protocolAt),
    instruction(jumpIfEqual, 0, 3, protocol),
    instruction(loadWord, 0, 0, sourceAt),
    instruction(jumpIfEqual, 0, 1, source),
    instruction(giveBack, 0, 0, wholePacket),
    instruction(giveBack, 0, 0, 0),
  )
  const isSet =
    setOption(fd, socketOptions.attachFilter, filter.program) && bindTo(fd, linkAddress(interfaceIndex, etherTypeIpv4))
  if (!isSet) return givenUp(fd, refusal)
  let isOpen = true
  const receive = (): readonly Uint8Array[] => (isOpen ? receiveWaiting(fd, packetsAtOnce, longestPacket) : [])
  const close = (): void => {
    if (isOpen) callClose(fd)
    isOpen = false
  }
  return { ok: true, value: { receive, close } }
}
