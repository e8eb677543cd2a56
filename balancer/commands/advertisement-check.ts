// Whether rules of others on this host drop advertisements of VRRP, for `balancer check` and while the balancer runs. It looks,
// and changes nothing.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import {
  type AdvertisementFinding,
  type AdvertisementPath,
  advertisementFindings,
} from '../datapath/rules/core/advertisement-findings.ts'
import { readChains } from '../datapath/rules/host-check.ts'
import { missingCapabilities } from '../os/capabilities.ts'
import type { Outcome } from '../os/outcome.ts'
import type { HostFact } from '../pool/core/facts.ts'
import { vrrpGroup } from '../vrrp/core/datagram.ts'
import { familyOfInstance } from '../vrrp/instance.ts'

/** A line for each rule that does; the file may be meant for another host. */
export const advertisementWarnings = async (instances: readonly VrrpInstanceConfig[]): Promise<readonly string[]> => {
  // Whoever may not look at the rules is told so where a datapath wants some.
  if (instances.length === 0 || missingCapabilities(['net_admin']).length > 0) return []
  const found = await look(instances)
  // A host without nft has no rules that nft could list.
  return found.ok ? found.value.map(adviceOf) : []
}

const adviceOf = ({ what, remedy }: AdvertisementFinding): string => `${what}; ${remedy}`

const toldOf = (found: AdvertisementFinding) => ({ instance: found.instance, text: adviceOf(found) })

const isAmong = (findings: readonly AdvertisementFinding[], { what }: AdvertisementFinding): boolean =>
  findings.some((one) => one.what === what)

const look = async (instances: readonly VrrpInstanceConfig[]): Promise<Outcome<readonly AdvertisementFinding[]>> => {
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

const nothing: Outcome<readonly AdvertisementFinding[]> = { ok: true, value: [] }

/** Rules come with a firewall that is started later, or with an edit at noon. */
const interval = 60_000

/** Whose instances are watched, and who is told. */
type Watched = {
  readonly routers: () => readonly VrrpInstanceConfig[]
  readonly hear: (fact: HostFact) => void
}

/** Looks now and then at the rules; logs and tells what gets in the way of these instances and what does no more. */
export const watchAdvertisementRules = ({ routers, hear }: Watched, log: Logger): (() => void) => {
  let known: readonly AdvertisementFinding[] = []
  let isLooking = false
  const round = async (): Promise<void> => {
    if (isLooking) return
    isLooking = true
    const instances = routers()
    const found = instances.length === 0 ? nothing : await look(instances)
    isLooking = false
    if (!found.ok) return
    // What may well pass is no reason to call somebody.
    const sure = found.value.filter(({ isSure }) => isSure)
    for (const one of sure) if (!isAmong(known, one)) log.error(adviceOf(one))
    for (const one of known) if (!isAmong(sure, one)) log.info(`No longer: ${one.what}`)
    if (!isDeepStrictEqual(known, sure)) hear({ fact: 'host', of: 'rules', findings: sure.map(toldOf) })
    known = sure
  }
  void round()
  const timer = setInterval(() => void round(), interval)
  return () => clearInterval(timer)
}
