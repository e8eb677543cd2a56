// The network interfaces of this host and their addresses, at once and without asking anybody.

import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

/** Names of all interfaces, those that are down too, and the addresses by the interface that has them. */
export type HostNetwork = {
  readonly interfaces: ReadonlySet<string>
  readonly addresses: readonly { readonly device: string; readonly address: string; readonly prefixLength: number }[]
}

/** Reads it; null where the system does not say. */
export const readHostNetwork = (): HostNetwork | null => {
  try {
    // Of the network namespace of this process, which /sys may not be.
    const lines = readFileSync('/proc/net/dev', 'utf8').split('\n').slice(2)
    const interfaces = new Set(lines.flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? []))
    const addresses = Object.entries(networkInterfaces()).flatMap(([label, held = []]) =>
      held.map(({ address, cidr }) => ({
        // An IPv4 address with a label stands under that.
        device: label.split(':')[0] ?? label,
        address: address.split('%')[0] ?? address,
        prefixLength: Number(cidr?.split('/')[1] ?? 0),
      })),
    )
    return { interfaces, addresses }
  } catch {
    return null
  }
}
