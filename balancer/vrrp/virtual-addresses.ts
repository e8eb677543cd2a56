// The addresses and routes of one virtual router on this host: added with a lease, announced, removed.

import { isDeepStrictEqual } from 'node:util'
import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { familyOf } from '../core/ip-address.ts'
import type { AddressLease, HostAddress, Netlink, NetworkInterface, RouteLease } from '../os/netlink.ts'
import { done, type Outcome } from '../os/outcome.ts'
import type { PacketSocket } from '../os/packet-socket.ts'
import { forwardsIpv6 } from '../os/sysctl.ts'
import { neighbourAnnouncement } from './core/neighbour-announcement.ts'
import { allAddresses } from './instance.ts'
import { homeDevice } from './virtual-mac.ts'

/** Each call reaches the kernel before it returns, so that their order is the order of the calls. */
export type VirtualAddresses = {
  /** Adds or prolongs every address and route for `lease` seconds; the first refusal, if any. */
  readonly set: (lease: number) => Promise<Outcome>
  readonly remove: () => Promise<Outcome>
  /**
   * From now on these: removes what the new configuration does not have, unless it is `wanted` by another instance that is
   * master here. What it adds comes with the next `set`.
   */
  readonly configure: (next: VrrpInstanceConfig, wanted: ReadonlySet<string>) => Promise<Outcome>
  /** Tells the network about every address, where the device speaks Ethernet. */
  readonly announce: (copies: number) => Outcome
  /** Those that are not among the addresses held. */
  readonly absentFrom: (held: readonly HostAddress[]) => readonly string[]
  /** Those among the addresses held that somebody put there for good. */
  readonly foreignIn: (held: readonly HostAddress[]) => readonly string[]
}

const macLength = 6
const ownerPriority = 255

type Placed = Omit<AddressLease, 'lifetime'> & { readonly device: NetworkInterface }

/** The addresses of one instance; `devices` tells the interfaces as they are now. */
export const createVirtualAddresses = (
  first: VrrpInstanceConfig,
  devices: () => ReadonlyMap<string, NetworkInterface>,
  netlink: Netlink,
  packets: PacketSocket,
): VirtualAddresses => {
  let config = first

  /** The own addresses of an address owner are there for good: they are announced, and otherwise left alone. */
  const isOwned = ({ device, address }: Placed): boolean =>
    config.priority === ownerPriority && device.addresses.some((held) => held.isPermanent && held.address === address)
  const placed = (): readonly Placed[] =>
    allAddresses(config).flatMap(({ address, dev, label }) => {
      const device = devices().get(dev ?? homeDevice(config))
      return device === undefined ? [] : [{ ...address, label, interfaceIndex: device.index, device }]
    })
  const managed = (): readonly Placed[] => placed().filter((address) => !isOwned(address))
  const routes = (): readonly Omit<RouteLease, 'lifetime'>[] =>
    config.virtual_routes.flatMap(({ to, via, dev, metric }) => {
      const device = devices().get(dev ?? homeDevice(config))
      if (device === undefined) return []
      // A route whose preferred source goes is removed by the kernel: no route outlives its address. IPv6 has a lifetime.
      const isIpv4 = familyOf(to.address) === 'ipv4'
      const source = isIpv4
        ? allAddresses(config).find(({ address }) => familyOf(address.address) === 'ipv4')
        : undefined
      return [
        {
          to: to.address,
          prefixLength: to.prefixLength,
          via,
          metric,
          interfaceIndex: device.index,
          source: source?.address.address,
        },
      ]
    })
  const remove = (addresses: readonly Placed[], gone: readonly Omit<RouteLease, 'lifetime'>[]) =>
    allOf([
      ...gone.map((route) => netlink.removeRoute({ ...route, lifetime: 0 })),
      ...addresses.map((address) => netlink.removeAddress(address)),
    ])

  return {
    set: (lease) =>
      allOf([
        ...managed().map(({ device: _, ...address }) => netlink.setAddress({ ...address, lifetime: lease })),
        ...routes().map((route) => netlink.setRoute({ ...route, lifetime: lease })),
      ]),
    remove: () => remove(managed(), routes()),
    configure: (next, wanted) => {
      const before = { addresses: managed(), routes: routes() }
      config = next
      const [addresses, kept] = [managed(), routes()]
      return remove(
        before.addresses.filter(
          (old) => !wanted.has(old.address) && !addresses.some((address) => isSameAddress(address, old)),
        ),
        before.routes.filter((old) => !kept.some((route) => isDeepStrictEqual(route, old))),
      )
    },
    announce: (copies) =>
      firstRefusal(
        placed()
          .filter(({ device }) => device.mac.length === macLength)
          .flatMap(({ device, address, interfaceIndex }) => {
            const isRouter = familyOf(address) === 'ipv6' && forwardsIpv6(device.name)
            const frame = neighbourAnnouncement(device.mac, address, isRouter)
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
    foreignIn: (held) =>
      managed()
        .filter(({ address, interfaceIndex }) =>
          held.some((h) => h.isPermanent && h.address === address && h.interfaceIndex === interfaceIndex),
        )
        .map(({ address, prefixLength, device }) => `${address}/${prefixLength} dev ${device.name}`),
  }
}

const isSameAddress = (a: Placed, b: Placed): boolean =>
  a.address === b.address &&
  a.prefixLength === b.prefixLength &&
  a.interfaceIndex === b.interfaceIndex &&
  a.label === b.label

const allOf = async (requests: readonly Promise<Outcome>[]): Promise<Outcome> =>
  firstRefusal(await Promise.all(requests))

const firstRefusal = (outcomes: readonly Outcome[]): Outcome => outcomes.find((outcome) => !outcome.ok) ?? done
