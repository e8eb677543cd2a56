// The addresses of one virtual router on this host, added with a lease, announced, removed; and its routes beside them.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { familyOf } from '../core/ip-address.ts'
import { ownerPriority } from '../core/owner-priority.ts'
import type { AddressLease, HostAddress, Netlink, NetworkInterface } from '../os/netlink.ts'
import { firstRefusal, type Outcome } from '../os/outcome.ts'
import type { PacketSocket } from '../os/packet-socket.ts'
import { forwardsIpv6 } from '../os/sysctl.ts'
import { neighbourAnnouncement } from './core/neighbour-announcement.ts'
import { allAddresses, homeDevice, placeOf } from './instance.ts'
import { createVirtualRoutes, type VirtualRoutes } from './virtual-routes.ts'

/** Each call reaches the kernel before it returns, so that their order is the order of the calls. */
export type VirtualAddresses = {
  /** Adds or prolongs every address for `lease` seconds; the first refusal, if any. Routes that fail refuse nothing. */
  readonly set: (lease: number) => Promise<Outcome>
  /** Removes addresses and routes. Before the first `set` those that somebody put there for good are left alone. */
  readonly remove: () => Promise<Outcome>
  /**
   * From now on these: removes what the new configuration does not have, unless it is `wanted` by another instance that is
   * master here. What it adds comes with the next `set`.
   */
  readonly configure: (next: VrrpInstanceConfig, wanted: ReadonlySet<string>) => Promise<Outcome>
  /** Tells the network about every address, on the interface where clients are. */
  readonly announce: (copies: number) => Outcome
  /** Those that are not among the addresses held. */
  readonly absentFrom: (held: readonly HostAddress[]) => readonly string[]
  /** Those among the addresses held that somebody put there for good. */
  readonly foreignIn: (held: readonly HostAddress[]) => readonly string[]
  readonly routes: Pick<VirtualRoutes, 'tick' | 'tryAgain' | 'states' | 'tracked'>
}

export type VirtualAddressesOptions = {
  readonly config: VrrpInstanceConfig
  /** The interfaces as they are now. */
  readonly devices: () => ReadonlyMap<string, NetworkInterface>
  readonly netlink: Netlink
  readonly packets: PacketSocket
  /** What there is to say of the routes has changed. */
  readonly onRoutes: () => void
}

type Placed = Omit<AddressLease, 'lifetime'> & { readonly device: NetworkInterface }

/** The addresses and routes of one instance. */
export const createVirtualAddresses = (options: VirtualAddressesOptions): VirtualAddresses => {
  const { devices, netlink, packets, onRoutes } = options
  let { config } = options
  let hasSet = false
  const routes = createVirtualRoutes({ config, devices, netlink, onChange: onRoutes })

  const isPermanent = ({ device, address }: Placed): boolean =>
    device.addresses.some((held) => held.isPermanent && held.address === address)
  /** The own addresses of an address owner are there for good: they are announced, and otherwise left alone. */
  const isOwned = (one: Placed): boolean => config.priority === ownerPriority && isPermanent(one)
  const placed = (): readonly Placed[] =>
    allAddresses(config).flatMap(({ address, dev, label }) => {
      const device = devices().get(dev ?? homeDevice(config))
      return device === undefined ? [] : [{ ...address, label, interfaceIndex: device.index, device }]
    })
  const managed = (): readonly Placed[] => placed().filter((address) => !isOwned(address))
  const removeAll = (addresses: readonly Placed[]): readonly Promise<Outcome>[] =>
    addresses.map((address) => netlink.removeAddress(address))
  /** Where clients ask for an address: of one on lo or on a dummy, the interface of the instance. */
  const speakerFor = (device: NetworkInterface): NetworkInterface | undefined =>
    [device, devices().get(homeDevice(config))].find((one) => one?.hasNeighbours)

  return {
    set: (lease) => {
      hasSet = true
      const setting = managed().map(({ device: _, ...address }) => netlink.setAddress({ ...address, lifetime: lease }))
      routes.set(lease)
      return allOf(setting)
    },
    remove: () => allOf([routes.remove(), ...removeAll(managed().filter((one) => hasSet || !isPermanent(one)))]),
    configure: (next, wanted) => {
      const before = managed()
      const kept = new Set(before.filter(({ address, device }) => wanted.has(placeOf(address, device.name))))
      config = next
      const addresses = managed()
      return allOf([
        routes.configure(next),
        ...removeAll(before.filter((old) => !kept.has(old) && !addresses.some((one) => isSameAddress(one, old)))),
      ])
    },
    announce: (copies) =>
      firstRefusal(
        placed().flatMap(({ device, address }) => {
          const speaker = speakerFor(device)
          if (speaker === undefined) return []
          const isRouter = familyOf(address) === 'ipv6' && forwardsIpv6(speaker.name)
          const frame = neighbourAnnouncement(speaker.mac, address, isRouter)
          return Array.from({ length: copies }, () => packets.send(speaker.index, frame))
        }),
      ),
    absentFrom: (held) =>
      placed()
        .filter(
          ({ address, interfaceIndex }) =>
            !held.some((h) => h.address === address && h.interfaceIndex === interfaceIndex),
        )
        .map(({ address }) => address),
    foreignIn: (held) =>
      managed()
        .filter(({ address, interfaceIndex }) =>
          held.some((h) => h.isPermanent && h.address === address && h.interfaceIndex === interfaceIndex),
        )
        .map(({ address, prefixLength, device }) => `${address}/${prefixLength} dev ${device.name}`),
    routes,
  }
}

const isSameAddress = (a: Placed, b: Placed): boolean =>
  a.address === b.address &&
  a.prefixLength === b.prefixLength &&
  a.interfaceIndex === b.interfaceIndex &&
  a.label === b.label

const allOf = async (requests: readonly Promise<Outcome>[]): Promise<Outcome> =>
  firstRefusal(await Promise.all(requests))
