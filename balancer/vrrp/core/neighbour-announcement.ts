// The Ethernet frames by which a master tells the network where a virtual address lives now (RFC 9568 sections 6.4.1, 7.3).

import { addressBytes, familyOf } from '../../core/ip-address.ts'

const broadcast = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
const allNodesMac = [0x33, 0x33, 0, 0, 0, 1]
const allNodes = addressBytes('ff02::1')
const etherTypeArp = [0x08, 0x06]
const etherTypeIpv6 = [0x86, 0xdd]
const ethernetAndIpv4 = [0, 1, 0x08, 0, 6, 4]
const request = [0, 1]
const nobody = [0, 0, 0, 0, 0, 0]
const icmpv6 = 58
const neighbourAdvertisement = 136
const routerFlag = 0x80
const overrideFlag = 0x20
const targetLinkLayerAddress = [2, 1]
const highestHopLimit = 255

/** The frame that announces an address at `mac`, six bytes. `isRouter`: this host forwards IPv6 (RFC 4861 section 4.4). */
export const neighbourAnnouncement = (mac: readonly number[], address: string, isRouter: boolean): Uint8Array =>
  familyOf(address) === 'ipv4' ? gratuitousArp(mac, address) : unsolicitedAdvertisement(mac, address, isRouter)

/** A broadcast ARP request whose sender and target are the virtual address (RFC 5227 section 2.3). */
const gratuitousArp = (mac: readonly number[], address: string): Uint8Array =>
  Uint8Array.from([
    ...broadcast,
    ...mac,
    ...etherTypeArp,
    ...ethernetAndIpv4,
    ...request,
    ...mac,
    ...addressBytes(address),
    ...nobody,
    ...addressBytes(address),
  ])

/** An unsolicited neighbour advertisement to all nodes that overrides what they know (RFC 4861 section 7.2.6). */
const unsolicitedAdvertisement = (mac: readonly number[], address: string, isRouter: boolean): Uint8Array => {
  const own = addressBytes(address)
  const flags = overrideFlag | (isRouter ? routerFlag : 0)
  const message = [neighbourAdvertisement, 0, 0, 0, flags, 0, 0, 0, ...own, ...targetLinkLayerAddress, ...mac]
  const pseudoHeader = [...own, ...allNodes, 0, 0, 0, message.length, 0, 0, 0, icmpv6]
  const checksum = onesComplement([...pseudoHeader, ...message])
  message.splice(2, 2, checksum >> 8, checksum & 0xff)
  const header = [6 << 4, 0, 0, 0, 0, message.length, icmpv6, highestHopLimit, ...own, ...allNodes]
  return Uint8Array.from([...allNodesMac, ...mac, ...etherTypeIpv6, ...header, ...message])
}

const onesComplement = (bytes: readonly number[]): number => {
  const sum = bytes.reduce((total, byte, i) => total + (i % 2 === 0 ? byte << 8 : byte), 0)
  const folded = (sum & 0xffff) + (sum >>> 16)
  return 0xffff - ((folded & 0xffff) + (folded >>> 16))
}
