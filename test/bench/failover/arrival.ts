// When an address came to a host: the kernel's own notices, with the moment at which each was read.

import type { Host } from '../../lab/host.ts'
import { virtualAddress } from './field.ts'

/** The address's comings on one host, in milliseconds since the epoch. */
export type Arrivals = { readonly firstAfter: (moment: number) => number | null; readonly stop: () => Promise<unknown> }

/** Watches a host from now on. */
export const watchArrivals = (host: Host): Arrivals => {
  const monitor = host.spawn('monitor', 'ip', ['-oneline', '-tshort', 'monitor', 'address'], { env: { TZ: 'UTC' } })
  return {
    firstAfter: (moment) => {
      for (const line of monitor.lines()) {
        const [, at] = /^\[(\S+)\] (?!Deleted)/.exec(line) ?? []
        if (at === undefined || !line.includes(` ${virtualAddress}/`)) continue
        const came = Date.parse(`${at}Z`)
        if (came >= moment) return came
      }
      return null
    },
    stop: () => monitor.stop(),
  }
}
