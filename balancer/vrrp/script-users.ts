// Whether scripts can run as the users that the configuration names.

import type { BalancerConfig } from '../config/schema.ts'
import { capabilityName, missingCapabilities } from '../os/capabilities.ts'

/** What is missing for scripts of other users; null where nothing is, or there are none. */
export const scriptUserWarning = ({
  vrrp: { script_user: usual, scripts, instances, sync_groups: groups },
  notify,
}: Pick<BalancerConfig, 'vrrp' | 'notify'>): string | null => {
  const users = [
    usual,
    ...scripts.map(({ user }) => user),
    ...[...instances, ...groups].map((one) => one.notify?.user),
    notify.user,
  ]
  const named = users.find((user) => user !== undefined)
  const missing = named === undefined ? [] : missingCapabilities(['setuid', 'setgid', 'kill'])
  if (missing.length === 0) return null
  return `Scripts cannot run as ${named}: ${missing.map(capabilityName).join(' and ')} missing; start the balancer as root, or give them to its unit`
}
