// What `balancer setup` finds on this host, to suggest it.

import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { isWithin } from '../../core/address-kind.ts'
import { bitsOf, familyOf, isLinkLocal } from '../../core/ip-address.ts'
import type { HostNetwork } from '../../os/host-network.ts'
import { holdersOf } from '../../os/port-holder.ts'

const databasePort = 3306
/** What operators know as the port of a balancer beside a server that has 3306 itself. */
const portBeside = 3366

/** The interface of the default route, else the first one with an address of its own. */
export const likelyInterface = ({ addresses }: HostNetwork): string | undefined =>
  routedInterface() ?? addresses.find(({ device, address }) => device !== 'lo' && !isLinkLocal(address))?.device

const routedInterface = (): string | undefined => {
  try {
    const routes = readFileSync('/proc/net/route', 'utf8').split('\n').slice(1)
    return routes
      .map((line) => line.split('\t'))
      .find(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')?.[0]
  } catch {
    return undefined
  }
}

/** The addresses that an interface has for itself, of the family of a virtual one, and valid on more than one link. */
export const ownAddresses = ({ addresses }: HostNetwork, device: string, virtual: string) =>
  addresses.filter(
    ({ device: holder, address }) =>
      holder === device && familyOf(address) === familyOf(virtual) && !isLinkLocal(address) && address !== virtual,
  )

/** The prefix length of the interface's network that holds the address; of none, that of one address. */
export const prefixFor = (network: HostNetwork, device: string, virtual: string): number =>
  ownAddresses(network, device, virtual).find(({ address, prefixLength }) => isWithin(virtual, address, prefixLength))
    ?.prefixLength ?? bitsOf(familyOf(virtual))

/** The port of MySQL, or where a server here has it, the one beside. */
export const likelyPort = (virtual: string): number =>
  holdersOf({ address: virtual, port: databasePort }).length === 0 ? databasePort : portBeside

/** The name of this host, as far as it is one for the configuration. */
export const likelyName = (): string =>
  hostname()
    .replaceAll(/[^A-Za-z0-9_.:-]/g, '-')
    .slice(0, 64) || 'lb1'
