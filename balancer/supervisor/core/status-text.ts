// One sentence about a balancer: what `systemctl status` shows.

import type { BalancerConfig } from '../../config/schema.ts'
import type { Fact } from '../../pool/core/facts.ts'
import { takesSessions } from '../../pool/core/server-state.ts'

/** Such as `VI_1 MASTER, VI_2 BACKUP; mysql: 2 of 3 servers take sessions`. What nothing is known of yet is in INIT. */
export const statusText = ({ vrrp, listeners }: BalancerConfig, facts: readonly Fact[]): string => {
  const routers = vrrp.instances.map(({ name }) => {
    const fact = facts.find((one) => one.fact === 'virtual-router' && one.name === name)
    return `${name} ${fact?.fact === 'virtual-router' ? fact.state.toUpperCase() : 'INIT'}`
  })
  const pools = listeners.map(({ name, servers }) => {
    const taking = facts.filter(
      (one) => one.fact === 'server-health' && one.listener === name && takesSessions(one),
    ).length
    return `${name}: ${taking} of ${servers.length} servers take sessions`
  })
  return [...(routers.length > 0 ? [routers.join(', ')] : []), ...pools].join('; ')
}
