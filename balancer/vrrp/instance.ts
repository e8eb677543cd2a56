// One virtual router as configured, in the words of the state machine and of the wire.

import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { VrrpConfig, VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { type Family, familyOf } from '../core/ip-address.ts'
import type { VirtualRouterState } from '../pool/core/facts.ts'
import type { Advertisement } from './core/advertisement.ts'
import type { Settings, VirtualRouter } from './core/state.ts'
import type { Standing } from './core/tracking.ts'

/** The family that an instance advertises. */
export const familyOfInstance = ({ virtual_addresses: [first] }: VrrpInstanceConfig): Family =>
  familyOf(first?.address.address ?? '')

/** What tells instances apart, before and after a reload: interface, family and virtual router id. */
export const identityOf = (config: VrrpInstanceConfig): string =>
  `${config.interface} ${familyOfInstance(config)} ${config.virtual_router_id}`

/** Through which interfaces clients of each virtual address come in: that of the instance, and that of the address. */
export const clientPlaces = (
  instances: readonly VrrpInstanceConfig[],
): readonly { readonly address: string; readonly devices: readonly string[] }[] =>
  instances.flatMap((config) =>
    placesOf(config).map(({ address, device }) => ({
      address,
      // Nobody comes in through lo, where an address may stand.
      devices: [...new Set([config.interface, device])].filter((name) => name !== 'lo'),
    })),
  )

/** What it advertises while it is master. */
export const advertisementOf = (config: VrrpInstanceConfig): Advertisement => ({
  version: config.version,
  virtualRouterId: config.virtual_router_id,
  priority: config.priority,
  interval: config.advertisement_interval,
  addresses: config.virtual_addresses.map(({ address }) => address.address),
})

/** The state as people know it: who hands over is a master still. */
export const stateShown = ({ state }: VirtualRouter): VirtualRouterState => (state === 'leaving' ? 'master' : state)

/** What the state machine needs to know of it. */
export const settingsOf = (config: VrrpInstanceConfig, { priority }: Standing): Settings => ({
  name: config.name,
  version: config.version,
  priority,
  interval: config.advertisement_interval,
  preempt: config.preempt,
  preemptDelay: config.preempt_delay,
  announcements: {
    repeat: config.garp_master_repeat,
    delay: config.garp_master_delay,
    refresh: config.garp_master_refresh > 0 ? config.garp_master_refresh : null,
    refreshRepeat: config.garp_master_refresh_repeat,
  },
})

/** The addresses that it manages, advertised or not. */
export const allAddresses = (config: VrrpInstanceConfig): VrrpInstanceConfig['virtual_addresses'] => [
  ...config.virtual_addresses,
  ...config.virtual_addresses_excluded,
]

/**
 * The name of the interface of its virtual MAC address, which says virtual router and interface: `vrrp.51.eth0`, for IPv6
 * `vrrp6.51.eth0`. Where that is longer than the kernel allows, five digits made of the interface's name stand for it.
 */
export const virtualMacDevice = (config: VrrpInstanceConfig): string => {
  const router = formerVirtualMacDevice(config)
  const name = `${router}.${config.interface}`
  if (name.length <= longestInterfaceName) return name
  return `${router}.${createHash('sha256').update(config.interface).digest('hex').slice(0, digitsOfInterface)}`
}

/** What keepalived calls it, and this program once did, the same on every interface: `vrrp.51`, `vrrp6.51`. */
export const formerVirtualMacDevice = (config: VrrpInstanceConfig): string =>
  `vrrp${familyOfInstance(config) === 'ipv4' ? '' : '6'}.${config.virtual_router_id}`

const longestInterfaceName = 15
const digitsOfInterface = 5

/** The interface on which its addresses stand unless they name another. */
export const homeDevice = (config: VrrpInstanceConfig): string =>
  config.virtual_mac ? virtualMacDevice(config) : config.interface

/** Tells an address on one interface from the same on another, as link-local ones may be. */
export const placeOf = (address: string, device: string): string => `${address} ${device}`

/** Where its addresses stand. */
export const placesOf = (
  config: VrrpInstanceConfig,
): readonly { readonly address: string; readonly device: string }[] =>
  allAddresses(config).map(({ address, dev }) => ({ address: address.address, device: dev ?? homeDevice(config) }))

/** What the tracking calls a route to a network. */
export const routeName = ({ address, prefixLength }: { readonly address: string; readonly prefixLength: number }) =>
  `route ${address}/${prefixLength}`

/** The interfaces that it touches. */
export const devicesOf = (config: VrrpInstanceConfig): ReadonlySet<string> =>
  new Set([
    config.interface,
    ...allAddresses(config).flatMap(({ dev }) => dev ?? []),
    ...config.virtual_routes.flatMap(({ dev }) => dev ?? []),
  ])

/** What changes from one configuration of an instance to the next, as lines for the operator. */
export const changedKeys = (before: VrrpInstanceConfig, after: VrrpInstanceConfig): readonly string[] => {
  const { name } = after
  const renamed = before.name === name ? [] : [`vrrp ${before.name}: now named ${name}`]
  const [old, current] = [before, after].map(
    (config) => new Set(allAddresses(config).map(({ address }) => shown(address))),
  )
  const added = [...(current ?? [])].filter((address) => old?.has(address) !== true)
  const removed = [...(old ?? [])].filter((address) => current?.has(address) !== true)
  const values = scalarKeys.flatMap((key) =>
    before[key] === after[key] ? [] : [`vrrp ${name}: ${key} ${before[key]} -> ${after[key]}`],
  )
  const lines = [
    ...renamed,
    ...added.map((address) => `vrrp ${name}: added ${address}`),
    ...removed.map((address) => `vrrp ${name}: removed ${address}`),
    ...values,
    ...structuredKeys.flatMap((key) =>
      isDeepStrictEqual(before[key], after[key]) ? [] : [`vrrp ${name}: ${key} changed`],
    ),
  ]
  return lines.length > 0 || isDeepStrictEqual(before, after)
    ? lines
    : [`vrrp ${name}: order or place of addresses changed`]
}

/** What changes in that which all instances share: a line for each key. Commands and addresses are not shown. */
export const changedSharedKeys = (before: VrrpConfig, after: VrrpConfig): readonly string[] =>
  sharedKeys.flatMap((key) => (isDeepStrictEqual(before[key], after[key]) ? [] : [`vrrp: ${key} changed`]))

const sharedKeys = [
  'sync_groups',
  'scripts',
  'track_files',
  'track_processes',
  'webhooks',
  'script_user',
] as const satisfies readonly (keyof VrrpConfig)[]
const scalarKeys = [
  'version',
  'priority',
  'advertisement_interval',
  'preempt',
  'preempt_delay',
  'virtual_mac',
  'checksum_with_ipv4_pseudoheader',
  'garp_master_repeat',
  'garp_master_delay',
  'garp_master_refresh',
  'garp_master_refresh_repeat',
] as const satisfies readonly (keyof VrrpInstanceConfig)[]
const structuredKeys = [
  'unicast',
  'authentication',
  'virtual_routes',
  'track',
  'notify',
  'peer',
] as const satisfies readonly (keyof VrrpInstanceConfig)[]

const shown = ({ address, prefixLength }: { readonly address: string; readonly prefixLength: number }): string =>
  `${address}/${prefixLength}`
