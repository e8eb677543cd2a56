// What the agent tells of direct return, without any right: what is on lo, and what the one who prepares this host wrote down.

import type { DirectReturnConfig } from '../config/direct-return.ts'
import { networkNamespace } from '../os/arp-settings.ts'
import { toldOf } from './core/standing.ts'
import type { DirectReturn } from './core/told.ts'
import { readStanding } from './files.ts'
import { loopbackAddresses } from './host.ts'
import { hostMillis } from './round.ts'

/** Requests may come by the thousand, and this looks at files. */
const freshMillis = 250

/** How the entries of a configuration stand now; what was looked at a moment ago is told again. */
export const createDirectReturnLook = (): ((config: DirectReturnConfig) => readonly DirectReturn[]) => {
  let last: {
    readonly config: DirectReturnConfig
    readonly at: number
    readonly told: readonly DirectReturn[]
  } | null = null
  return (config) => {
    if (config.entries.length === 0) return []
    const nowMillis = hostMillis()
    if (last?.config === config && nowMillis - last.at < freshMillis) return last.told
    const seen = {
      standing: readStanding(config),
      network: networkNamespace(),
      nowMillis,
      loopback: loopbackAddresses(),
    }
    const told = config.entries.map((entry) => ({
      address: entry.address,
      port: entry.port,
      ...toldOf(entry, seen, config.commands),
    }))
    last = { config, at: nowMillis, told }
    return told
  }
}
