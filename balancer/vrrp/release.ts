// Takes away what a dead balancer left on this host: addresses, routes, interfaces of virtual MAC addresses and rules. What
// is ours is known by its mark, or by the configuration; what somebody put there for good, or another program added, stays.

import type { VrrpConfig, VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { isLinkLocal } from '../core/ip-address.ts'
import { type HostAddress, type Netlink, type NetworkInterface, type OwnRoute, ownOrigin } from '../os/netlink.ts'
import { listTables } from '../os/nft.ts'
import type { Outcome } from '../os/outcome.ts'
import { virtualMac } from './core/datagram.ts'
import { handOverTables } from './core/hiding-rules.ts'
import { allAddresses, placesOf, virtualMacDevice } from './instance.ts'
import { openSharedHost, type SharedHost } from './shared-host.ts'
import { lookAround } from './surroundings.ts'
import { openTransport } from './transport.ts'

/**
 * `vrrp` is the configuration that the dead one ran with, null where it cannot be read. `everything`: no other balancer is on
 * this host, so that all that bears our mark is left over; else only what `vrrp` names.
 */
export type ReleaseOptions = { readonly vrrp: VrrpConfig | null; readonly everything: boolean }

/** A line for each thing that was taken away, and for each that could not be. */
export type Released = { readonly removed: readonly string[]; readonly failed: readonly string[] }

type Link = Pick<NetworkInterface, 'name' | 'index' | 'mac'>
type Removal = { readonly text: string; readonly remove: () => Promise<Outcome> }

const resigning = 0

/** Removes it, and tells the other routers of each instance whose addresses were here. Throws `FailedStart` where it may not. */
export const releaseRemains = async ({ vrrp, everything }: ReleaseOptions): Promise<Released> => {
  // Before the sockets are opened, which clears the rules.
  const tables = await listTables()
  const rules = tables.ok ? tables.value.filter((table) => handOverTables.includes(table)) : []
  const host = await openSharedHost({ onAddress: () => {}, onLink: () => {}, onOverrun: () => {} })
  try {
    const { netlink } = host
    const [links, addresses, routes] = await Promise.all([
      netlink.listInterfaces(),
      netlink.listAddresses(),
      netlink.listOwnRoutes(),
    ])
    const unknown = [links, addresses, routes].flatMap((list) => (list.ok ? [] : [list.text]))
    if (!links.ok || !addresses.ok || !routes.ok) return { removed: [], failed: unknown }
    const ours = addressesLeft(addresses.value, links.value, { vrrp, everything })
    const left = (vrrp?.instances ?? []).filter((config) => ours.some((held) => isOf(config, held, links.value)))
    const removed: string[] = []
    const failed: string[] = []
    const carryOut = async (removals: readonly Removal[]): Promise<void> => {
      const outcomes = await Promise.all(removals.map(({ remove }) => remove()))
      for (const [i, outcome] of outcomes.entries()) {
        const text = removals[i]?.text ?? ''
        if (outcome.ok) removed.push(text)
        else failed.push(`${text} stays: ${outcome.text}`)
      }
    }
    await carryOut([
      ...routes.value
        .filter((route) => everything || (vrrp !== null && isConfiguredRoute(route, vrrp)))
        .map((route) => routeRemoval(route, links.value, netlink)),
      ...ours.map((address) => addressRemoval(address, links.value, netlink)),
    ])
    for (const config of left) if (await resign(config, vrrp, host)) removed.push(`(${config.name}) sent 0 priority`)
    await carryOut(
      macInterfacesLeft(links.value, addresses.value, ours, { vrrp, everything }).map(({ name }) => ({
        text: `interface ${name} of a virtual MAC address`,
        remove: () => netlink.removeInterface(name),
      })),
    )
    removed.push(...rules.map((table) => `rules of a hand-over: nft table ${table}`))
    return { removed, failed }
  } finally {
    host.close()
  }
}

const nameOf = (index: number, links: readonly Link[]): string =>
  links.find((link) => link.index === index)?.name ?? `interface ${index}`

/** Whether an address is one of an instance, where that has it. */
const isOf = (config: VrrpInstanceConfig, held: HostAddress, links: readonly Link[]): boolean =>
  placesOf(config).some(
    ({ address, device }) => address === held.address && device === nameOf(held.interfaceIndex, links),
  )

/** What has no end was put there by somebody: this program gives every address a lease, and its mark where there are marks. */
const addressesLeft = (
  addresses: readonly HostAddress[],
  links: readonly Link[],
  { vrrp, everything }: ReleaseOptions,
): readonly HostAddress[] => {
  // The kernel marks its own too, such as 127.0.0.1.
  const hasMarks = addresses.some(({ origin }) => origin !== 0)
  const isConfigured = (held: HostAddress): boolean =>
    (vrrp?.instances ?? []).some((config) => isOf(config, held, links))
  return addresses.filter((held) => {
    const isOurs = hasMarks ? held.origin === ownOrigin : isConfigured(held)
    return !held.isPermanent && isOurs && (everything || isConfigured(held))
  })
}

const addressRemoval = (held: HostAddress, links: readonly Link[], netlink: Netlink): Removal => ({
  text: `address ${held.address}/${held.prefixLength} on ${nameOf(held.interfaceIndex, links)}`,
  remove: () => netlink.removeAddress(held),
})

const isConfiguredRoute = (route: OwnRoute, { instances }: VrrpConfig): boolean =>
  instances.some(({ virtual_routes: routes }) =>
    routes.some(({ to }) => to.address === route.to && to.prefixLength === route.prefixLength),
  )

const routeRemoval = (route: OwnRoute, links: readonly Link[], netlink: Netlink): Removal => ({
  text: `route to ${route.to}/${route.prefixLength}${route.via === undefined ? '' : ` via ${route.via}`} on ${nameOf(route.interfaceIndex, links)}`,
  remove: () => netlink.removeRoute({ ...route, source: undefined, lifetime: 0 }),
})

/** The names that `virtualMacDevice` gives, which are not those of keepalived: `vrrp.51.eth0`, `vrrp6.51.eth0`. */
const macInterface = /^vrrp(6?)\.(\d{1,3})\..+$/

const macInterfacesLeft = (
  links: readonly Link[],
  addresses: readonly HostAddress[],
  removed: readonly HostAddress[],
  { vrrp, everything }: ReleaseOptions,
): readonly Link[] =>
  links.filter(({ name, index, mac }) => {
    const [, six, id] = macInterface.exec(name) ?? []
    if (id === undefined || mac.join() !== virtualMac(six === '6' ? 'ipv6' : 'ipv4', Number(id)).join()) return false
    const isNamed = (vrrp?.instances ?? []).some((one) => one.virtual_mac && virtualMacDevice(one) === name)
    const isUsed = addresses.some(
      (held) => held.interfaceIndex === index && !removed.includes(held) && !isLinkLocal(held.address),
    )
    return (everything || isNamed) && !isUsed
  })

/** Says for a dead router that it is master no more, so that nobody waits for its silence; false where it cannot be said. */
const resign = async (config: VrrpInstanceConfig, vrrp: VrrpConfig | null, host: SharedHost): Promise<boolean> => {
  const { netlink, wires, packets } = host
  const virtual = (vrrp?.instances ?? []).flatMap((one) => allAddresses(one).map(({ address }) => address.address))
  const around = await lookAround(netlink, config, new Set(virtual))
  const device = around.devices.get(config.interface)
  if (!around.link.up || device === undefined) return false
  const { address } = around.link
  const wire = openTransport({
    ...{ config, device, address, wires, packets },
    onHeard: () => {},
    onDropped: () => {},
    onFailure: () => {},
  })
  if (!wire.ok) return false
  const sent = wire.value.send(resigning)
  wire.value.close()
  return sent.ok
}
