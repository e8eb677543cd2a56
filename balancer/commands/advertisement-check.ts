// Whether rules of others on this host drop advertisements of VRRP, for `balancer check` and for a balancer that runs. It looks, and
// changes nothing.

import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import {
  type AdvertisementFinding,
  type AdvertisementPath,
  advertisementFindings,
} from '../datapath/rules/core/advertisement-findings.ts'
import { readChains } from '../datapath/rules/host-check.ts'
import { missingCapabilities } from '../os/capabilities.ts'
import type { Outcome } from '../os/outcome.ts'
import { vrrpGroup } from '../vrrp/core/datagram.ts'
import { familyOfInstance } from '../vrrp/instance.ts'
import { adviceOf } from './advice.ts'

/** A line for each rule that does; the file may be meant for another host. */
export const advertisementWarnings = async (instances: readonly VrrpInstanceConfig[]): Promise<readonly string[]> => {
  // Whoever may not look at the rules is told so where a datapath wants some.
  if (instances.length === 0 || missingCapabilities(['net_admin']).length > 0) return []
  const found = await findAdvertisementRules(instances)
  // A host without nft has no rules that nft could list.
  return found.ok ? found.value.map(adviceOf) : []
}

/** Each rule that does; fails where the rules cannot be listed. */
export const findAdvertisementRules = async (
  instances: readonly VrrpInstanceConfig[],
): Promise<Outcome<readonly AdvertisementFinding[]>> => {
  if (instances.length === 0) return { ok: true, value: [] }
  const chains = await readChains()
  return chains.ok ? { ok: true, value: advertisementFindings(instances.map(pathOf), chains.value) } : chains
}

const pathOf = (config: VrrpInstanceConfig): AdvertisementPath => {
  const { name, unicast } = config
  const family = familyOfInstance(config)
  return {
    instance: name,
    family,
    // Its advertisements have an interface of their own, where they leave.
    device: config.virtual_mac ? null : config.interface,
    own: unicast?.source ?? null,
    peers: unicast?.peers ?? [null],
    group: unicast === undefined ? vrrpGroup[family] : null,
  }
}
