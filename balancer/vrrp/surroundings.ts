// What a virtual router needs to know of its host: its interface, its source address, the devices of its addresses.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { FailedStart } from '../core/failed-start.ts'
import { familyOf, isLinkLocal } from '../core/ip-address.ts'
import type { HostAddress, Netlink, NetworkInterface } from '../os/netlink.ts'
import type { Link } from './core/state.ts'
import { allAddresses, devicesOf, familyOfInstance } from './instance.ts'
import { ensureVirtualMac, homeDevice } from './virtual-mac.ts'

/** The interfaces by name, and the link as the state machine sees it. */
export type Surroundings = {
  readonly devices: ReadonlyMap<string, NetworkInterface>
  readonly link: Link
  /** Why the link is down. `answer`: the kernel did not say. `wait`: it is being cured. */
  readonly missing: 'interface' | 'address' | 'carrier' | 'virtual-mac' | 'answer' | 'wait' | null
}

const ownerPriority = 255

/** Looks at the interfaces of one virtual router. `virtual` are addresses that cannot be the source of advertisements. */
export const lookAround = async (
  netlink: Netlink,
  config: VrrpInstanceConfig,
  virtual: ReadonlySet<string>,
): Promise<Surroundings> => {
  const devices = new Map<string, NetworkInterface>()
  const prepared = config.virtual_mac ? await ensureVirtualMac(config, netlink) : null
  let trouble: Pick<Surroundings, 'link' | 'missing'> | null = null
  for (const name of new Set([...devicesOf(config), homeDevice(config)])) {
    const found = await netlink.findInterface(name)
    if (found.ok) devices.set(name, found.value)
    else if (found.code !== 'ENODEV') trouble ??= down('answer', found.text)
    else if (name === homeDevice(config) && prepared?.ok === false) trouble ??= down('virtual-mac', prepared.text)
    else trouble ??= down('interface', `there is no interface ${name}`)
  }
  if (trouble !== null) return { devices, ...trouble }
  const own = devices.get(config.interface)
  const candidates = (own?.addresses ?? []).filter((held) => isSource(config, held, virtual))
  const address = candidates.find((held) => !held.isTentative)?.address
  if (own?.isUp !== true && (address !== undefined || familyOfInstance(config) === 'ipv6')) {
    return { devices, ...down('carrier', `${config.interface} is down`) }
  }
  if (address !== undefined) return { devices, link: { up: true, address }, missing: null }
  if (candidates.length > 0)
    return { devices, ...down('wait', `${config.interface} checks its address for duplicates`) }
  return { devices, ...down('address', noSource(config)) }
}

/** Whether advertisements can come from an address (RFC 9568 sections 5.1.1.1 and 5.1.2.1). */
const isSource = (config: VrrpInstanceConfig, held: HostAddress, virtual: ReadonlySet<string>): boolean => {
  if (config.unicast !== undefined) return held.address === config.unicast.source
  const family = familyOfInstance(config)
  if (familyOf(held.address) !== family || (virtual.has(held.address) && !held.isPermanent)) return false
  return family === 'ipv4' ? !held.address.startsWith('127.') : isLinkLocal(held.address)
}

const noSource = (config: VrrpInstanceConfig): string => {
  const { interface: name, unicast } = config
  if (unicast !== undefined) return `${name} does not have the unicast source ${unicast.source}`
  return familyOfInstance(config) === 'ipv4'
    ? `${name} has no IPv4 address of its own`
    : `${name} has no link-local IPv6 address`
}

const down = (missing: Surroundings['missing'], reason: string): Pick<Surroundings, 'link' | 'missing'> => ({
  link: { up: false, reason },
  missing,
})

/** Throws `FailedStart` for what waiting will not cure. An interface that is down is only a fault. */
export const refuseImpossible = (config: VrrpInstanceConfig, { devices, link, missing }: Surroundings): void => {
  const refuse = (advice: string): never => {
    throw new FailedStart(`VRRP instance ${config.name}: ${link.up ? '' : `${link.reason}. `}${advice}`)
  }
  if (missing === 'interface')
    refuse('Correct the name in the configuration, or create it first; "ip link" lists them.')
  if (missing === 'address') refuse('Advertisements need a source: give the interface its own address first.')
  if (missing === 'virtual-mac') refuse('Remove virtual_mac, or free the name of that interface.')
  if (missing === 'answer') refuse('Try again; the kernel may be out of memory.')
  if (config.priority === ownerPriority) return
  for (const { address } of allAddresses(config)) {
    for (const [name, { addresses }] of devices) {
      const found = addresses.find((held) => held.isPermanent && held.address === address.address)
      if (found === undefined) continue
      const shown = `${found.address}/${found.prefixLength}`
      refuse(
        `${shown} is on ${name} already, and not put there by this program. Only the master may hold a virtual address: ` +
          `stop what adds it (keepalived, the network configuration), then "ip address del ${shown} dev ${name}". ` +
          'If this host owns the address, set priority: 255.',
      )
    }
  }
}

/** Whether the wire that was opened on the one still fits the other. */
export const isSameLink = (name: string, before: Surroundings, after: Surroundings): boolean =>
  before.link.up &&
  after.link.up &&
  before.link.address === after.link.address &&
  before.devices.get(name)?.index === after.devices.get(name)?.index &&
  before.devices.get(name)?.mac.join() === after.devices.get(name)?.mac.join()
