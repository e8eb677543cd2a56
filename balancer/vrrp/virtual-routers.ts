// All virtual routers of this host: how they start together, change and stop together.

import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { BalancerConfig } from '../config/schema.ts'
import { type VrrpConfig, type VrrpInstanceConfig, vrrpSchema } from '../config/vrrp-schema.ts'
import { type Outcome, refused } from '../os/outcome.ts'
import type { Fact, VirtualRouterFact } from '../pool/core/facts.ts'
import { standingOf } from './core/tracking.ts'
import {
  allAddresses,
  changedKeys,
  changedSharedKeys,
  devicesOf,
  homeDevice,
  identityOf,
  placeOf,
  placesOf,
  stateShown,
} from './instance.ts'
import { createNotifications } from './notifications.ts'
import type { RouterOrder } from './orders.ts'
import type { Past } from './past.ts'
import { createReport, type Report } from './report.ts'
import { openSharedHost, type SharedHost } from './shared-host.ts'
import { lookAround, refuseForeign, type Surroundings } from './surroundings.ts'
import { groupOf, settleGroups, tellGroup } from './sync-groups.ts'
import { createTracking, type Tracking } from './tracking/tracking.ts'
import { prepareVirtualRouter, type VirtualRouterDriver } from './virtual-router.ts'

/** `past` tells what is known of an instance from the process before this one; null: nothing. */
export type VirtualRoutersOptions = {
  readonly config: HostConfig
  readonly past: (instance: string) => Past | null
  readonly log: Logger
  /** Called at every change of state and every second. */
  readonly publish: (fact: VirtualRouterFact) => void
}

/** The part of the configuration that matters here: what is tracked depends on the listeners. */
export type HostConfig = Pick<BalancerConfig, 'router_id' | 'vrrp' | 'listeners'>

/** The virtual routers of this host. */
export type VirtualRouters = {
  /** Nothing is sent, and no address comes, before. */
  readonly start: () => void
  /** What other processes say: `serving` is made of it. */
  readonly hear: (fact: Fact) => void
  /**
   * Applies the difference to a new configuration and says what changed, a line each. Instances are matched by interface,
   * family and virtual router id. Throws `FailedStart`, and changes nothing, for an address that is somebody else's here.
   */
  readonly reconfigure: (next: HostConfig) => Promise<readonly string[]>
  /** Orders it of an instance and of those in its sync group; resolves when it has happened, with a line for each. */
  readonly order: (instance: string, order: RouterOrder) => Promise<Outcome<string>>
  /** Another program is to take the place of this one: resolves when no hand-over is under way, and nothing is sent from then. */
  readonly stepAside: () => Promise<void>
  /** The other one did not: goes on where it stopped. */
  readonly goOn: () => void
  /** The other one did: ends what this process runs, and leaves the addresses where they are. */
  readonly retire: () => Promise<void>
  /** Resolves when other routers have the addresses, or nobody came for them, and they are gone from here. */
  readonly stop: () => Promise<void>
}

type Running = { config: VrrpInstanceConfig; readonly driver: VirtualRouterDriver; readonly report: Report }
/** What a configuration changed, a line each; `begin` starts what is new in it. */
type Changed = { readonly lines: readonly string[]; readonly begin: () => void }
type Altered = { readonly entry: Running; readonly config: VrrpInstanceConfig; readonly around: Surroundings }

const tickInterval = 1000
const nothing: VrrpConfig = vrrpSchema.parse({})

/**
 * Prepares all instances, and begins to look at what they track; what one of them misses is its fault alone. Throws
 * `FailedStart` where none can work.
 */
export const prepareVirtualRouters = async (options: VirtualRoutersOptions): Promise<VirtualRouters> => {
  const { log, publish } = options
  let vrrp = nothing
  /** By identity, which a reload does not change. */
  const running = new Map<string, Running>()
  let host: SharedHost | null = null
  let tracking: Tracking | null = null
  /** While a configuration is applied, half of what is tracked may be of the old one. */
  let isChanging = false
  /** Whether another program is to take the place of this one, and whether it may now. */
  let isLeaving = false
  let isAside = false
  const notifications = createNotifications({ vrrp, routerId: options.config.router_id, log })

  const virtual = (): ReadonlySet<string> =>
    new Set(vrrp.instances.flatMap((config) => allAddresses(config).map(({ address }) => address.address)))
  const drivers = (): ReadonlyMap<string, VirtualRouterDriver> =>
    new Map([...running.values()].map(({ config, driver }) => [config.name, driver]))
  const networkChanged = (): void => {
    for (const { driver } of running.values()) driver.networkChanged()
    tracking?.networkChanged()
  }
  const isOwnDevice = (name: string): boolean =>
    vrrp.instances.some((config) => devicesOf(config).has(name) || homeDevice(config) === name)
  const shared = async (): Promise<SharedHost> => {
    host ??= await openSharedHost({
      // Every renewal of a lease is an event too; a loss, what is there for good and what is not virtual can mean a change.
      onAddress: ({ address, isPermanent }, present) => {
        if (!present || isPermanent || !virtual().has(address)) networkChanged()
      },
      onLink: ({ name, index }) => {
        if (isOwnDevice(name) || [...running.values()].some(({ driver }) => driver.uses(index))) networkChanged()
        else tracking?.networkChanged()
      },
      onOverrun: networkChanged,
    })
    return host
  }
  const closeIfIdle = (): void => {
    if (running.size > 0) return
    void tracking?.stop()
    tracking = null
    host?.close()
    host = null
  }
  /** All instances stand as what is tracked now says. */
  const stand = (): void => {
    for (const { config, driver } of running.values()) {
      if (tracking !== null) driver.stand(tracking.standing(config.name))
    }
  }
  const track = async (next: HostConfig): Promise<Tracking> => {
    if (tracking === null) {
      const { netlink } = await shared()
      const onChange = (): void => {
        if (!isChanging) stand()
      }
      const routes = (name: string) => drivers().get(name)?.trackedRoutes() ?? []
      tracking = createTracking({ config: next, netlink, log, routes, onChange })
    } else tracking.reconfigure(next)
    return tracking
  }

  const prepare = async (config: VrrpInstanceConfig, next: VrrpConfig, past: Past | null): Promise<Running> => {
    const report = createReport(config, groupOf(next, config.name), log, publish, notifications)
    const onStep = (before: Parameters<typeof tellGroup>[3]) => tellGroup(vrrp, drivers(), entry.config.name, before)
    const tools = {
      ...(await shared()),
      virtual,
      heldByOthers: () => heldByOthers(entry.config.name),
      report,
      onRoutes: () => tracking?.routesChanged(),
      onStep,
      isAside: () => isAside,
    }
    const driver = await prepareVirtualRouter(config, standingOf(config.priority, []), tools, past)
    const entry: Running = { config, report, driver }
    return entry
  }
  /** By the newest configuration, also of instances that it has not been applied to yet. */
  const heldByOthers = (instance: string): ReadonlySet<string> =>
    new Set(
      vrrp.instances
        .filter((config) => config.name !== instance && isMasterHere(config))
        .flatMap((config) => placesOf(config).map(({ address, device }) => placeOf(address, device))),
    )
  const isMasterHere = (config: VrrpInstanceConfig): boolean => {
    const entry = running.get(identityOf(config))
    return entry !== undefined && stateShown(entry.driver.router()) === 'master'
  }
  const order: VirtualRouters['order'] = async (instance, ordered) => {
    const all = drivers()
    const group = vrrp.sync_groups.find(({ instances }) => instances.includes(instance))
    const ordering = (group?.instances ?? [instance]).flatMap((name) => all.get(name)?.order(ordered) ?? [])
    const outcomes = await Promise.all(ordering)
    if (outcomes.length === 0) {
      const names = vrrp.instances.map(({ name }) => name).join(', ') || 'none'
      return refused('ENOENT', `there is no VRRP instance ${instance}; there are: ${names}`)
    }
    const failed = outcomes.find((outcome) => !outcome.ok)
    const lines = outcomes.map((outcome) => (outcome.ok ? outcome.value : outcome.text)).join('\n')
    return failed === undefined ? { ok: true, value: lines } : { ...failed, text: lines }
  }
  /** For a reload: who asks for it is told at once what an instance waits for. */
  const examine = async (
    config: VrrpInstanceConfig,
    lines: string[],
    before?: VrrpInstanceConfig,
  ): Promise<Surroundings> => {
    const around = await lookAround((await shared()).netlink, config, virtual())
    refuseForeign(before, config, around)
    if (!around.link.up) lines.push(`vrrp ${config.name}: waits in FAULT: ${around.link.reason}`)
    return around
  }

  /** All that can fail comes first: it is the new configuration or the old one. */
  const change = async (
    nextConfig: HostConfig,
    { past, isReload }: { readonly past: VirtualRoutersOptions['past']; readonly isReload: boolean },
  ): Promise<Changed> => {
    const before = vrrp
    const { vrrp: next } = nextConfig
    const lines: string[] = []
    const prepared: Running[] = []
    const altered: Altered[] = []
    vrrp = next
    try {
      for (const config of next.instances) {
        const entry = running.get(identityOf(config))
        if (entry === undefined) {
          if (isReload) await examine(config, lines)
          prepared.push(await prepare(config, next, past(config.name)))
        } else if (!isDeepStrictEqual(entry.config, config)) {
          altered.push({ entry, config, around: await examine(config, lines, entry.config) })
        }
      }
    } catch (error) {
      vrrp = before
      closeIfIdle()
      throw error
    }

    const wanted = new Set(next.instances.map(identityOf))
    const leaving = [...running].filter(([identity]) => !wanted.has(identity))
    await Promise.all(leaving.map(([, { driver }]) => driver.stop()))
    for (const [identity, { config }] of leaving) {
      running.delete(identity)
      lines.push(`vrrp ${config.name}: removed`)
    }
    isChanging = true
    try {
      const tracked = next.instances.length > 0 ? await track(nextConfig) : null
      notifications.reconfigure(next)
      for (const { entry, config, around } of altered) {
        lines.push(...changedKeys(entry.config, config))
        entry.config = config
        if (tracked !== null) await entry.driver.reconfigure(config, around, tracked.standing(config.name))
      }
      for (const entry of prepared) {
        lines.push(`vrrp ${entry.config.name}: added`)
        running.set(identityOf(entry.config), entry)
      }
      for (const { config, report } of running.values()) report.configure(config, groupOf(next, config.name))
    } finally {
      isChanging = false
    }
    lines.push(...changedSharedKeys(before, next))
    const begin = (): void => {
      stand()
      for (const { driver } of prepared) {
        driver.start()
        // What changed since it looked around.
        driver.networkChanged()
      }
      settleGroups(next, drivers())
      closeIfIdle()
    }
    return { lines, begin }
  }

  const goOn = (): void => {
    isLeaving = false
    if (!isAside) return
    isAside = false
    for (const { driver } of running.values()) driver.goOn()
  }

  const first = await change(options.config, { past: options.past, isReload: false })
  let ticker: NodeJS.Timeout | undefined
  return {
    start: () => {
      first.begin()
      ticker = setInterval(() => {
        if (isAside) return
        for (const { driver } of running.values()) driver.tick()
      }, tickInterval)
    },
    hear: (fact) => tracking?.hear(fact),
    reconfigure: async (next) => {
      const { lines, begin } = await change(next, { past: () => null, isReload: true })
      begin()
      return lines
    },
    order,
    stepAside: async () => {
      isLeaving = true
      const all = [...running.values()]
      await Promise.all(all.map(({ driver }) => driver.settled()))
      for (const { report } of all) report.publish()
      if (isLeaving) for (const { driver } of all) driver.advertise()
      isAside = isLeaving
    },
    goOn,
    retire: async () => {
      clearInterval(ticker)
      await Promise.all([notifications.stop(), tracking?.stop()])
    },
    stop: async () => {
      goOn()
      clearInterval(ticker)
      await Promise.all([...running.values()].map(({ driver }) => driver.stop()))
      await Promise.all([notifications.stop(), tracking?.stop()])
      running.clear()
      closeIfIdle()
    },
  }
}
