// What a virtual router needs to know of its host: its interface, its source address, the devices of its addresses.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { FailedStart } from '../core/failed-start.ts'
import type { Netlink, NetworkInterface } from '../os/netlink.ts'
import type { Link } from './core/state.ts'

/** The interfaces by name, and the link as the state machine sees it. */
export type Surroundings = {
  readonly devices: ReadonlyMap<string, NetworkInterface>
  readonly link: Link
  /** Why the link is down. `answer`: the kernel did not say. */
  readonly missing: 'interface' | 'address' | 'carrier' | 'answer' | null
}

/** Looks at the interfaces of one virtual router. `virtual` are addresses that cannot be the source of advertisements. */
export const lookAround = async (
  netlink: Netlink,
  config: VrrpInstanceConfig,
  virtual: ReadonlySet<string>,
): Promise<Surroundings> => {
  const devices = new Map<string, NetworkInterface>()
  const names = new Set([config.interface, ...config.virtual_addresses.map(({ dev }) => dev ?? config.interface)])
  let trouble: Pick<Surroundings, 'link' | 'missing'> | null = null
  for (const name of names) {
    const found = await netlink.findInterface(name)
    if (found.ok) devices.set(name, found.value)
    else if (found.code === 'ENODEV') trouble ??= down('interface', `there is no interface ${name}`)
    else trouble ??= down('answer', found.text)
  }
  if (trouble !== null) return { devices, ...trouble }
  const own = devices.get(config.interface)
  const address = own?.addresses.map((held) => held.address).find((held) => !virtual.has(held) && !isLoopback(held))
  if (address === undefined)
    return { devices, ...down('address', `${config.interface} has no IPv4 address of its own`) }
  if (own?.isUp !== true) return { devices, ...down('carrier', `${config.interface} is down`) }
  return { devices, link: { up: true, address }, missing: null }
}

const isLoopback = (address: string): boolean => address.startsWith('127.')

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
  if (missing === 'answer') refuse('Try again; the kernel may be out of memory.')
  for (const { address } of config.virtual_addresses) {
    for (const [name, { addresses }] of devices) {
      const found = addresses.find((held) => held.isPermanent && held.address === address.address)
      if (found === undefined) continue
      const shown = `${found.address}/${found.prefixLength}`
      refuse(
        `${shown} is on ${name} already, and not put there by this program. Only the master may hold a virtual address: ` +
          `stop what adds it (keepalived, the network configuration), then "ip address del ${shown} dev ${name}".`,
      )
    }
  }
}

/** Whether the wire that was opened on the one still fits the other. */
export const isSameLink = (name: string, before: Surroundings, after: Surroundings): boolean =>
  before.link.up &&
  after.link.up &&
  before.link.address === after.link.address &&
  before.devices.get(name)?.index === after.devices.get(name)?.index
