// The addresses of one virtual router on this host: added with a lease, announced, removed.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import type { HostAddress, Netlink, NetworkInterface } from '../os/netlink.ts'
import { done, type Outcome } from '../os/outcome.ts'
import type { PacketSocket } from '../os/packet-socket.ts'
import { gratuitousArp } from './core/gratuitous-arp.ts'

/** Each call reaches the kernel before it returns, so that their order is the order of the calls. */
export type VirtualAddresses = {
  /** Adds or prolongs every address for `lease` seconds; the first refusal, if any. */
  readonly set: (lease: number) => Promise<Outcome>
  readonly remove: () => Promise<Outcome>
  /** Broadcasts a gratuitous ARP per address, where the device speaks Ethernet. */
  readonly announce: (copies: number) => Outcome
  /** Those that are not among the addresses held. */
  readonly absentFrom: (held: readonly HostAddress[]) => readonly string[]
}

const macLength = 6

/** The addresses of one instance; `devices` tells the interfaces as they are now. */
export const createVirtualAddresses = (
  config: VrrpInstanceConfig,
  devices: () => ReadonlyMap<string, NetworkInterface>,
  netlink: Netlink,
  packets: PacketSocket,
): VirtualAddresses => {
  const placed = () =>
    config.virtual_addresses.flatMap(({ address, dev, label }) => {
      const device = devices().get(dev ?? config.interface)
      return device === undefined ? [] : [{ ...address, label, interfaceIndex: device.index, mac: device.mac }]
    })
  return {
    set: async (lease) =>
      firstRefusal(await Promise.all(placed().map((address) => netlink.setAddress({ ...address, lifetime: lease })))),
    remove: async () => firstRefusal(await Promise.all(placed().map(netlink.removeAddress))),
    announce: (copies) =>
      firstRefusal(
        placed()
          .filter(({ mac }) => mac.length === macLength)
          .flatMap(({ mac, address, interfaceIndex }) => {
            const frame = gratuitousArp(mac, address)
            return Array.from({ length: copies }, () => packets.send(interfaceIndex, frame))
          }),
      ),
    absentFrom: (held) =>
      placed()
        .filter(
          ({ address, interfaceIndex }) =>
            !held.some((h) => h.address === address && h.interfaceIndex === interfaceIndex),
        )
        .map(({ address }) => address),
  }
}

const firstRefusal = (outcomes: readonly Outcome[]): Outcome => outcomes.find((outcome) => !outcome.ok) ?? done
