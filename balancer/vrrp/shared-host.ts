// What all virtual routers of a host share: sockets to the kernel and to the network, and the kernel's news.

import { FailedStart } from '../core/failed-start.ts'
import { capabilityName, missingCapabilities } from '../os/capabilities.ts'
import { listenToNetwork, type Netlink, type NetworkListener, openNetlink } from '../os/netlink.ts'
import { openPacketSocket, type PacketSocket } from '../os/packet-socket.ts'
import { createHiddenAddresses, type HiddenAddresses } from './hidden-addresses.ts'
import { createWires, type Wires } from './wires.ts'

/** The open sockets. */
export type SharedHost = {
  readonly netlink: Netlink
  readonly packets: PacketSocket
  readonly wires: Wires
  readonly hidden: HiddenAddresses
  readonly close: () => void
}

/** Opens them, or throws `FailedStart`. */
export const openSharedHost = async (listener: NetworkListener): Promise<SharedHost> => {
  const missing = missingCapabilities(['net_admin', 'net_raw'])
  if (missing.length > 0) {
    const names = missing.map(capabilityName)
    // Whoever copies it must not copy the end of a sentence.
    throw new FailedStart(
      `VRRP needs ${names.join(' and ')}; start it as root, or write into its unit: AmbientCapabilities=${names.join(' ')}`,
    )
  }
  const packets = openPacketSocket()
  if (!packets.ok) throw new FailedStart(`VRRP ${packets.text}`)
  const netlink = openNetlink()
  const stopListening = listenToNetwork(listener)
  const close = (): void => {
    stopListening()
    netlink.close()
    packets.value.close()
  }
  return { netlink, packets: packets.value, wires: createWires(), hidden: createHiddenAddresses(), close }
}
