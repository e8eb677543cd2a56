// The interface of a virtual MAC address: a macvlan on top of the instance's interface, as keepalived's use_vmac makes it.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { isLinkLocal } from '../core/ip-address.ts'
import type { Netlink, NetworkInterface } from '../os/netlink.ts'
import { done, type Outcome, refused } from '../os/outcome.ts'
import { setSysctl } from '../os/sysctl.ts'
import { virtualMac } from './core/datagram.ts'
import { familyOfInstance, formerVirtualMacDevice, placesOf, virtualMacDevice } from './instance.ts'

/** Makes sure that the interface of the virtual MAC address is there, on top of the right one, and works. */
export const ensureVirtualMac = async (config: VrrpInstanceConfig, netlink: Netlink): Promise<Outcome> => {
  const name = virtualMacDevice(config)
  const mac = virtualMac(familyOfInstance(config), config.virtual_router_id)
  const parent = await netlink.findInterface(config.interface)
  if (!parent.ok) return parent
  const isOurs = (found: NetworkInterface): boolean => found.mac.join() === mac.join()
  const isInPlace = (found: NetworkInterface): boolean => found.parentIndex === parent.value.index
  const existing = await netlink.findInterface(name)
  if (existing.ok && isOurs(existing.value) && isInPlace(existing.value)) {
    return existing.value.isUp ? done : prepare(config, netlink)
  }
  if (!existing.ok && existing.code !== 'ENODEV') return existing
  if (existing.ok) {
    if (!isOurs(existing.value)) return refused('EEXIST', `there is an interface ${name} with another MAC address`)
    // Its interface was renamed, and another one has the name now.
    const removed = await netlink.removeInterface(name)
    if (!removed.ok) return removed
  }
  const former = await netlink.findInterface(formerVirtualMacDevice(config))
  if (former.ok && isOurs(former.value) && isInPlace(former.value)) {
    const cleared = await clearAway(former.value, config, netlink)
    if (!cleared.ok) return cleared
  }
  const added = await netlink.addMacvlan(name, parent.value.index, mac)
  // Another look at this host has made it meanwhile.
  if (!added.ok) return added.code === 'EEXIST' ? done : added
  return prepare(config, netlink)
}

/** A crash before an upgrade left it, or keepalived has it: there can be only one interface with this MAC address. */
const clearAway = async (found: NetworkInterface, config: VrrpInstanceConfig, netlink: Netlink): Promise<Outcome> => {
  const own = placesOf(config).map(({ address }) => address)
  const foreign = found.addresses.find(
    ({ address, isPermanent }) => isPermanent && (!isLinkLocal(address) || own.includes(address)),
  )
  if (foreign === undefined) return netlink.removeInterface(found.name)
  return refused(
    'EBUSY',
    `${found.name} has the virtual MAC address, and ${foreign.address}, which is not put there by this program: ` +
      `stop what added it (keepalived), then "ip link del ${found.name}"`,
  )
}

const prepare = async (config: VrrpInstanceConfig, netlink: Netlink): Promise<Outcome> => {
  const name = virtualMacDevice(config)
  const settings = [
    // Each interface answers for its own addresses, or the host's own MAC would be learned for a virtual address.
    setSysctl('ipv4', config.interface, 'arp_ignore', 1),
    setSysctl('ipv4', name, 'arp_ignore', 1),
    // Nor ask in the name of a virtual address: who is asked would learn the host's own MAC for it.
    setSysctl('ipv4', config.interface, 'arp_announce', 2),
    // Answers may leave through the interface below.
    setSysctl('ipv4', name, 'rp_filter', 0),
    setSysctl('ipv4', name, 'accept_local', 1),
    // Its link-local address would be the same on every router.
    ...(familyOfInstance(config) === 'ipv6' ? [setSysctl('ipv6', name, 'addr_gen_mode', 1)] : []),
  ]
  return settings.find((outcome) => !outcome.ok) ?? netlink.switchOn(name)
}
