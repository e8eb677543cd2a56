// All virtual routers of this host: how they start together, change and stop together.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { type VrrpConfig, type VrrpInstanceConfig, vrrpSchema } from '../config/vrrp-schema.ts'
import type { VirtualRouterFact } from '../pool/core/facts.ts'
import { allAddresses, changedKeys, devicesOf, identityOf } from './instance.ts'
import { createReport, type Report } from './report.ts'
import { openSharedHost, type SharedHost } from './shared-host.ts'
import { lookAround, refuseImpossible, type Surroundings } from './surroundings.ts'
import { groupOf, settleGroups, tellGroup } from './sync-groups.ts'
import { homeDevice } from './virtual-mac.ts'
import { prepareVirtualRouter, type VirtualRouterDriver } from './virtual-router.ts'

/** `mayResume` tells of an instance that it was master when the process before this one died, and is not missed yet. */
export type VirtualRoutersOptions = {
  readonly vrrp: VrrpConfig
  readonly mayResume: (instance: string) => boolean
  readonly log: Logger
  /** Called at every change of state and every second. */
  readonly publish: (fact: VirtualRouterFact) => void
}

/** The running virtual routers. */
export type VirtualRouters = {
  /**
   * Applies the difference to a new configuration and says what changed, a line each. Instances are matched by interface,
   * family and virtual router id. Throws `FailedStart`, and changes nothing, for what cannot work.
   */
  readonly reconfigure: (next: VrrpConfig) => Promise<readonly string[]>
  /** Resolves when priority 0 is out and the addresses are gone. */
  readonly stop: () => Promise<void>
}

type Running = { config: VrrpInstanceConfig; readonly driver: VirtualRouterDriver; readonly report: Report }
type Altered = { readonly entry: Running; readonly config: VrrpInstanceConfig; readonly around: Surroundings }

const tickInterval = 1000
const nothing: VrrpConfig = vrrpSchema.parse({})

/** Starts all instances, or throws `FailedStart` before anything was sent. */
export const startVirtualRouters = async (options: VirtualRoutersOptions): Promise<VirtualRouters> => {
  const { log, publish } = options
  let vrrp = nothing
  /** By identity, which a reload does not change. */
  const running = new Map<string, Running>()
  let host: SharedHost | null = null

  const virtual = (): ReadonlySet<string> =>
    new Set(vrrp.instances.flatMap((config) => allAddresses(config).map(({ address }) => address.address)))
  const drivers = (): ReadonlyMap<string, VirtualRouterDriver> =>
    new Map([...running.values()].map(({ config, driver }) => [config.name, driver]))
  const networkChanged = (): void => {
    for (const { driver } of running.values()) driver.networkChanged()
  }
  const shared = async (): Promise<SharedHost> => {
    host ??= await openSharedHost({
      // Every renewal of a lease is an event too; only a loss and what is not virtual can mean a change.
      onAddress: ({ address }, present) => {
        if (!present || !virtual().has(address)) networkChanged()
      },
      onLink: (name) => {
        if (vrrp.instances.some((config) => devicesOf(config).has(name) || homeDevice(config) === name))
          networkChanged()
      },
      onOverrun: networkChanged,
    })
    return host
  }
  const closeIfIdle = (): void => {
    if (running.size > 0) return
    host?.close()
    host = null
  }

  const prepare = async (config: VrrpInstanceConfig, next: VrrpConfig): Promise<Running> => {
    const report = createReport(config, groupOf(next, config.name), log, publish)
    const onStep = (before: Parameters<typeof tellGroup>[3]) => tellGroup(vrrp, drivers(), entry.config.name, before)
    const driver = await prepareVirtualRouter(config, { ...(await shared()), virtual, report, onStep })
    const entry: Running = { config, report, driver }
    return entry
  }
  const examine = async (entry: Running, config: VrrpInstanceConfig): Promise<Altered> => {
    const around = await lookAround((await shared()).netlink, config, virtual())
    refuseImpossible(config, around)
    return { entry, config, around }
  }

  /** All that can fail comes first: it is the new configuration or the old one. */
  const change = async (next: VrrpConfig, mayResume: (instance: string) => boolean): Promise<readonly string[]> => {
    const before = vrrp
    const lines: string[] = []
    const prepared: Running[] = []
    const altered: Altered[] = []
    vrrp = next
    try {
      for (const config of next.instances) {
        const entry = running.get(identityOf(config))
        if (entry === undefined) prepared.push(await prepare(config, next))
        else if (!isDeepStrictEqual(entry.config, config)) altered.push(await examine(entry, config))
      }
    } catch (error) {
      vrrp = before
      closeIfIdle()
      throw error
    }

    const wanted = new Set(next.instances.map(identityOf))
    for (const [identity, { config, driver }] of running) {
      if (wanted.has(identity)) continue
      running.delete(identity)
      await driver.stop()
      lines.push(`vrrp ${config.name}: removed`)
    }
    for (const { entry, config, around } of altered) {
      lines.push(...changedKeys(entry.config, config))
      entry.config = config
      await entry.driver.reconfigure(config, around)
    }
    for (const entry of prepared) {
      lines.push(`vrrp ${entry.config.name}: added`)
      running.set(identityOf(entry.config), entry)
    }
    for (const { config, report } of running.values()) report.configure(config, groupOf(next, config.name))
    for (const { config, driver } of prepared) {
      driver.start(mayResume(config.name))
      // What changed since it looked around.
      driver.networkChanged()
    }
    if (!isDeepStrictEqual(before.sync_groups, next.sync_groups)) lines.push('vrrp: sync_groups changed')
    settleGroups(next, drivers())
    closeIfIdle()
    return lines
  }

  await change(options.vrrp, options.mayResume)
  const ticker = setInterval(() => {
    for (const { driver } of running.values()) driver.tick()
  }, tickInterval)
  return {
    reconfigure: (next) => change(next, () => false),
    stop: async () => {
      clearInterval(ticker)
      await Promise.all([...running.values()].map(({ driver }) => driver.stop()))
      running.clear()
      closeIfIdle()
    },
  }
}
