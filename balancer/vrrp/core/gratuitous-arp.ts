// The Ethernet frame by which a new master tells the network where a virtual address lives now (RFC 9568 section 6.4.1).

import { addressBytes } from './ipv4.ts'

const broadcast = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
const etherTypeArp = [0x08, 0x06]
const ethernetAndIpv4 = [0, 1, 0x08, 0, 6, 4]
const request = [0, 1]
const nobody = [0, 0, 0, 0, 0, 0]

/** A broadcast ARP request whose sender and target are the virtual address (RFC 5227 section 2.3). `mac`: six bytes. */
export const gratuitousArp = (mac: readonly number[], address: string): Uint8Array =>
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
