// The interface of a virtual MAC address: a macvlan on top of the instance's interface, as keepalived's use_vmac makes it.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import type { Netlink } from '../os/netlink.ts'
import { done, type Outcome } from '../os/outcome.ts'
import { setSysctl } from '../os/sysctl.ts'
import { virtualMac } from './core/datagram.ts'
import { familyOfInstance } from './instance.ts'

/** The name of the interface: `vrrp.51`, and `vrrp6.51` for IPv6. */
export const virtualMacDevice = (config: VrrpInstanceConfig): string =>
  `vrrp${familyOfInstance(config) === 'ipv4' ? '' : '6'}.${config.virtual_router_id}`

/** The interface on which the addresses of an instance stand unless they name another. */
export const homeDevice = (config: VrrpInstanceConfig): string =>
  config.virtual_mac ? virtualMacDevice(config) : config.interface

/** Makes sure that the interface of the virtual MAC address is there and works. */
export const ensureVirtualMac = async (config: VrrpInstanceConfig, netlink: Netlink): Promise<Outcome> => {
  const name = virtualMacDevice(config)
  const family = familyOfInstance(config)
  const mac = virtualMac(family, config.virtual_router_id)
  const existing = await netlink.findInterface(name)
  if (existing.ok && existing.value.mac.join() === mac.join()) return done
  const parent = await netlink.findInterface(config.interface)
  if (!parent.ok) return parent
  const added = await netlink.addMacvlan(name, parent.value.index, mac)
  if (!added.ok) return added
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
    ...(family === 'ipv6' ? [setSysctl('ipv6', name, 'addr_gen_mode', 1)] : []),
  ]
  return settings.find((outcome) => !outcome.ok) ?? netlink.switchOn(name)
}
