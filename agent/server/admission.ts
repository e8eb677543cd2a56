// Who may connect, and how often at the same time.

import { BlockList, isIPv4 } from 'node:net'
import type { AccessConfig } from '../config/schema.ts'

/** Decides on new connections; a source is an IP address. */
export type Admission = {
  /** Why the source is refused, or null: then `leave` must follow when its connection has ended. */
  readonly enter: (source: string) => 'not-allowed' | 'too-many-from-source' | null
  readonly leave: (source: string) => void
}

/** The access list and the connections of each source. The total is limited by the server itself. */
export const createAdmission = ({ allow, max_connections_per_source }: AccessConfig): Admission => {
  const allowed = new BlockList()
  for (const { address, prefixLength, family } of allow) allowed.addSubnet(address, prefixLength, family)
  const connections = new Map<string, number>()
  const isAllowed = (source: string) => allow.length === 0 || allowed.check(source, isIPv4(source) ? 'ipv4' : 'ipv6')
  return {
    enter: (source) => {
      const count = connections.get(source) ?? 0
      if (!isAllowed(source)) return 'not-allowed'
      if (count >= max_connections_per_source) return 'too-many-from-source'
      connections.set(source, count + 1)
      return null
    },
    leave: (source) => {
      const count = connections.get(source) ?? 0
      if (count > 1) connections.set(source, count - 1)
      else connections.delete(source)
    },
  }
}

/** An IPv4 peer of an IPv6 listener, `::ffff:10.0.0.1`, is the IPv4 address it is. */
export const sourceOf = (remoteAddress: string | undefined): string =>
  (remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/i, '')
