// What a virtual router needs to know of its host: its interface, its source address, the devices of its addresses.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { FailedStart } from '../core/failed-start.ts'
import { familyOf, isLinkLocal } from '../core/ip-address.ts'
import { ownerPriority } from '../core/owner-priority.ts'
import type { HostAddress, Netlink, NetworkInterface } from '../os/netlink.ts'
import { readSysctl } from '../os/sysctl.ts'
import type { Link } from './core/state.ts'
import { allAddresses, devicesOf, familyOfInstance, homeDevice, placesOf } from './instance.ts'
import { ensureVirtualMac } from './virtual-mac.ts'

/** The interfaces by name, and the link as the state machine sees it. */
export type Surroundings = {
  readonly devices: ReadonlyMap<string, NetworkInterface>
  readonly link: Link
  /** Whether the kernel has said all that there is to know; else the link is only thought to be down. */
  readonly isKnown: boolean
}

/** Looks at the interfaces of one virtual router. `virtual` are addresses that cannot be the source of advertisements. */
export const lookAround = async (
  netlink: Netlink,
  config: VrrpInstanceConfig,
  virtual: ReadonlySet<string>,
): Promise<Surroundings> => {
  const devices = new Map<string, NetworkInterface>()
  const prepared = config.virtual_mac ? await ensureVirtualMac(config, netlink) : null
  let trouble: Pick<Surroundings, 'link' | 'isKnown'> | null = null
  for (const name of new Set([...devicesOf(config), homeDevice(config)])) {
    const found = await netlink.findInterface(name)
    if (found.ok) devices.set(name, found.value)
    else if (found.code !== 'ENODEV') trouble ??= { ...down(found.text), isKnown: false }
    else if (name === homeDevice(config) && prepared?.ok === false) trouble ??= down(prepared.text)
    else trouble ??= down(`there is no interface ${name}`)
  }
  if (prepared?.ok === false && prepared.code !== noAnswer) trouble ??= down(prepared.text)
  const own = devices.get(config.interface)
  const without = withoutIpv6(config, devices)
  if (own?.isUp === true && without !== null) trouble ??= down(without)
  if (trouble !== null) return { devices, ...trouble }
  const candidates = (own?.addresses ?? []).filter((held) => isSource(config, held, virtual))
  const address = candidates.find((held) => !held.isTentative)?.address
  if (own?.isUp !== true && (address !== undefined || familyOfInstance(config) === 'ipv6')) {
    return { devices, ...down(`${config.interface} is down`) }
  }
  if (address !== undefined) return { devices, link: { up: true, address }, isKnown: true }
  return {
    devices,
    ...down(candidates.length > 0 ? unusable(config.interface, candidates) : noSource(config)),
  }
}

/** What a request that the kernel did not answer ends with. */
const noAnswer = 'EIO'

/** RFC 8200 section 5: below this MTU the kernel takes IPv6 away from an interface. */
const smallestIpv6Mtu = 1280

/** An interface that is to have an IPv6 address and cannot, and what to do about it; null: all can. */
const withoutIpv6 = (config: VrrpInstanceConfig, devices: ReadonlyMap<string, NetworkInterface>): string | null => {
  const names = placesOf(config).flatMap(({ address, device }) => (familyOf(address) === 'ipv6' ? [device] : []))
  for (const name of new Set(familyOfInstance(config) === 'ipv6' ? [config.interface, ...names] : names)) {
    const mtu = devices.get(name)?.mtu ?? smallestIpv6Mtu
    if (mtu < smallestIpv6Mtu) {
      return `${name} has an MTU of ${mtu}, and no IPv6 below ${smallestIpv6Mtu}: ip link set ${name} mtu ${smallestIpv6Mtu}`
    }
    if (readSysctl('ipv6', name, 'disable_ipv6') === '1') {
      return `IPv6 is switched off on ${name}: sysctl net/ipv6/conf/${name}/disable_ipv6=0`
    }
  }
  return null
}

/** Whether advertisements can come from an address (RFC 9568 sections 5.1.1.1 and 5.1.2.1). */
const isSource = (config: VrrpInstanceConfig, held: HostAddress, virtual: ReadonlySet<string>): boolean => {
  if (config.unicast !== undefined) return held.address === config.unicast.source
  const family = familyOfInstance(config)
  if (familyOf(held.address) !== family || (virtual.has(held.address) && !held.isPermanent)) return false
  return family === 'ipv4' ? !held.address.startsWith('127.') : isLinkLocal(held.address)
}

/** Why none of these can be spoken as (RFC 4862 section 5.4.5). */
const unusable = (name: string, candidates: readonly HostAddress[]): string => {
  const taken = candidates.find(({ isDuplicate }) => isDuplicate)
  if (taken === undefined || candidates.some(({ isDuplicate }) => !isDuplicate)) {
    return `${name} checks its address for duplicates`
  }
  const text = `${taken.address}/${taken.prefixLength}`
  return (
    `another host has the address of ${name} too, ${text} (dadfailed), as copies of a machine with one MAC address have: ` +
    `give one of them another, then: ip -6 address del ${text} dev ${name}; ip -6 address add ${text} dev ${name}`
  )
}

const noSource = (config: VrrpInstanceConfig): string => {
  const { interface: name, unicast } = config
  if (unicast !== undefined) return `${name} does not have the unicast source ${unicast.source}`
  return familyOfInstance(config) === 'ipv4'
    ? `${name} has no IPv4 address of its own`
    : `${name} has no link-local IPv6 address`
}

const down = (reason: string): Pick<Surroundings, 'link' | 'isKnown'> => ({
  link: { up: false, reason },
  isKnown: true,
})

/**
 * A virtual address that somebody put there for good, and what to do about it; null: there is none. To begin beside it would
 * be to take it from whoever did: another VRRP program, or the network configuration.
 */
const foreignAddress = (config: VrrpInstanceConfig, { devices }: Surroundings): string | null => {
  if (config.priority === ownerPriority) return null
  const virtual = addressesOf(config)
  for (const [name, { addresses }] of devices) {
    const found = addresses.find((held) => held.isPermanent && virtual.has(held.address))
    if (found === undefined) continue
    const shown = `${found.address}/${found.prefixLength}`
    return (
      `${shown} is on ${name} already, and not put there by this program. Only the master may hold a virtual address: ` +
      `stop what adds it (keepalived, the network configuration), then "ip address del ${shown} dev ${name}". ` +
      'If this host owns the address, set priority: 255.'
    )
  }
  return null
}

/** Refuses a reload that names an address that somebody put there for good: who reloads can see to that first. */
export const refuseForeign = (
  before: VrrpInstanceConfig | undefined,
  config: VrrpInstanceConfig,
  around: Surroundings,
): void => {
  const had = before === undefined ? new Set() : addressesOf(before)
  const added = (list: VrrpInstanceConfig['virtual_addresses']) =>
    list.filter(({ address }) => !had.has(address.address))
  const { virtual_addresses: advertised, virtual_addresses_excluded: excluded } = config
  const foreign = foreignAddress(
    { ...config, virtual_addresses: added(advertised), virtual_addresses_excluded: added(excluded) },
    around,
  )
  if (foreign !== null) throw new FailedStart(`VRRP instance ${config.name}: ${foreign}`)
}

const addressesOf = (config: VrrpInstanceConfig): ReadonlySet<string> =>
  new Set(allAddresses(config).map(({ address }) => address.address))

/** What is seen by a router that has not begun: it waits until nobody else has its addresses here. */
export const beforeBegin = (config: VrrpInstanceConfig, seen: Surroundings): Surroundings => {
  const foreign = foreignAddress(config, seen)
  return foreign === null || !seen.link.up ? seen : { ...seen, ...down(foreign) }
}

/** Whether the wire that was opened on the one still fits the other. */
export const isSameLink = (name: string, before: Surroundings, after: Surroundings): boolean =>
  before.link.up &&
  after.link.up &&
  before.link.address === after.link.address &&
  before.devices.get(name)?.index === after.devices.get(name)?.index &&
  before.devices.get(name)?.mac.join() === after.devices.get(name)?.mac.join()

/**
 * Whether something has changed that may have kept a route from being added. What virtual addresses come and go is the doing
 * of the routers themselves.
 */
export const isSameGround = (before: Surroundings, after: Surroundings, virtual: ReadonlySet<string>): boolean =>
  groundOf(before, virtual) === groundOf(after, virtual)

const groundOf = ({ devices }: Surroundings, virtual: ReadonlySet<string>): string =>
  [...devices.values()]
    .map(({ name, index, isUp, addresses }) => {
      const own = addresses.filter(({ address }) => !virtual.has(address)).map(({ address }) => address)
      return [name, index, isUp, ...own].join(' ')
    })
    .sort()
    .join('\n')
