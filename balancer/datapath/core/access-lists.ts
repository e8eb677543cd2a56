// Who may connect to a listener, in the words of rules.

import type { ListenerConfig } from '../../config/schema.ts'
import { familyOf } from '../../core/ip-address.ts'

/** Who may connect, and how fast (balancer.yaml: access). */
export type AccessRules = {
  /** Addresses or prefixes; empty = everyone. */
  readonly allow: readonly string[]
  readonly deny: readonly string[]
  /** New sessions a second; 0 = no limit. */
  readonly connectionRate: number
  readonly connectionRatePerSource: number
}

/** The access of a listener. */
export const accessOf = (config: ListenerConfig): AccessRules => ({
  ...listsOf(config),
  connectionRate: config.access.connection_rate,
  connectionRatePerSource: config.access.connection_rate_per_source,
})

/** Lists may hold both families, a listener has one. Who is not on a list that is not empty is not allowed. */
const listsOf = ({ bind, access }: ListenerConfig): Pick<AccessRules, 'allow' | 'deny'> => {
  const family = familyOf(bind[0]?.address ?? '')
  const own = (networks: ListenerConfig['access']['allow']): readonly string[] =>
    networks
      .filter(({ address }) => familyOf(address) === family)
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`)
  const allow = own(access.allow)
  if (access.allow.length > 0 && allow.length === 0) return { allow, deny: everyone[family] }
  return { allow, deny: own(access.deny) }
}

const everyone = { ipv4: ['0.0.0.0/0'], ipv6: ['::/0'] } as const
