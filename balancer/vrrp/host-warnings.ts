// What keeps an address on lo from being found on this host: for `balancer check`.

import type { VrrpConfig, VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { bitsOf, familyOf } from '../core/ip-address.ts'
import { readSysctl } from '../os/sysctl.ts'
import { allAddresses } from './instance.ts'

/** A line for each address; the file may be meant for another host. */
export const hostWarnings = ({ instances }: VrrpConfig): readonly string[] => instances.flatMap(loopbackWarnings)

const loopback = 'lo'
/** Values of arp_ignore with which the kernel answers for an address of another interface. */
const answering: ReadonlySet<number> = new Set([0, 3])

const loopbackWarnings = (config: VrrpInstanceConfig): readonly string[] =>
  allAddresses(config).flatMap(({ address: { address, prefixLength }, dev }) => {
    if (dev !== loopback) return []
    const family = familyOf(address)
    const subject = `${config.name}: ${address} is on ${loopback}`
    if (family === 'ipv6') {
      return [
        `${subject}, and an IPv6 address is answered for on its own interface only: clients on ${config.interface} do not ` +
          'find it; remove dev, or have the routers send it to this host',
      ]
    }
    const values = ['all', config.interface].map((device) => Number(readSysctl('ipv4', device, 'arp_ignore') ?? 0))
    const ignores = config.virtual_mac ? 1 : Math.max(...values)
    return [
      ...(prefixLength < bitsOf(family)
        ? [`${subject} with /${prefixLength}: all of that network would be this host; write ${address}/32`]
        : []),
      ...(answering.has(ignores)
        ? []
        : [
            `${subject}, and arp_ignore is ${ignores} on ${config.interface}${config.virtual_mac ? ' with virtual_mac' : ''}: ` +
              `nobody who asks for it is answered; ${config.virtual_mac ? 'remove dev' : 'set arp_ignore to 0 there and for all, or remove dev'}`,
          ]),
    ]
  })
