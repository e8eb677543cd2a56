// The routes of one virtual router on this host. They come and go with its addresses and do not share their fate: a route
// that cannot be added is tried again. A route of somebody else is neither replaced nor removed.

import { isDeepStrictEqual } from 'node:util'
import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { familyOf } from '../core/ip-address.ts'
import type { Netlink, NetworkInterface, RouteLease } from '../os/netlink.ts'
import { done, firstRefusal, type Outcome } from '../os/outcome.ts'
import type { VirtualRouteState } from '../pool/core/facts.ts'
import { isForgiven, pauseAfter } from './core/route-retries.ts'
import type { Tracked } from './core/tracking.ts'
import { allAddresses, homeDevice, routeName } from './instance.ts'

/** Requests reach the kernel in the order of the calls. */
export type VirtualRoutes = {
  /** Adds or prolongs every route that is due, for `lease` seconds. */
  readonly set: (lease: number) => void
  /** Removes them, also those of a process before this one. */
  readonly remove: () => Promise<Outcome>
  /** From now on these; removes what the new configuration does not have. */
  readonly configure: (next: VrrpInstanceConfig) => Promise<Outcome>
  /** A second has passed: what is due is tried again. */
  readonly tick: () => void
  /** Something on this host has changed that may have been in the way: all is due. */
  readonly tryAgain: () => void
  readonly states: () => readonly VirtualRouteState[]
  /** Those whose failure counts. */
  readonly tracked: () => readonly Tracked[]
}

export type VirtualRoutesOptions = {
  readonly config: VrrpInstanceConfig
  readonly devices: () => ReadonlyMap<string, NetworkInterface>
  readonly netlink: Netlink
  /** What `states` tells has changed. */
  readonly onChange: () => void
}

type Key = Omit<RouteLease, 'lifetime'>
type Entry = {
  readonly config: VrrpInstanceConfig['virtual_routes'][number]
  /** This process has added it; else what is there may be somebody else's. */
  added: Key | null
  trouble: string | null
  /** In a row. */
  failures: number
  triedAt: number
  isBusy: boolean
}

/** The routes of one instance; `devices` tells the interfaces as they are now. */
export const createVirtualRoutes = (options: VirtualRoutesOptions): VirtualRoutes => {
  const { devices, netlink, onChange } = options
  let { config } = options
  let entries = entriesOf(config, [])
  /** Seconds, while the routes are to be there. */
  let wanted: number | null = null
  /** What was begun in an earlier turn is not carried on. */
  let turn = 0

  const keyOf = ({ to, via, dev, metric }: Entry['config']): Key | undefined => {
    const device = devices().get(dev ?? homeDevice(config))
    if (device === undefined) return undefined
    // A route whose preferred source goes is removed by the kernel: no route outlives its address. IPv6 has a lifetime.
    const isIpv4 = familyOf(to.address) === 'ipv4'
    const source = isIpv4 ? allAddresses(config).find(({ address }) => familyOf(address.address) === 'ipv4') : undefined
    const { address, prefixLength } = to
    return { to: address, prefixLength, via, metric, interfaceIndex: device.index, source: source?.address.address }
  }
  const delRoute = (key: Key): Promise<Outcome> => netlink.removeRoute({ ...key, lifetime: 0 })

  /** The router has let go of it meanwhile: what is added after that would stay. */
  const isOver = (entry: Entry, mine: number): boolean => mine !== turn || !entries.includes(entry)
  const add = async (entry: Entry, key: Key, lifetime: number, mine: number): Promise<Outcome> => {
    const route = { ...key, lifetime }
    if (entry.added !== null && !isDeepStrictEqual(entry.added, key)) {
      void delRoute(entry.added)
      entry.added = null
    }
    const first = await netlink.addRoute(route)
    if (first.ok || first.code !== 'EEXIST' || isOver(entry, mine)) return first
    // An IPv4 one that is there needs nothing; in the place of one that was lost it has just been added.
    if (entry.added !== null) return familyOf(key.to) === 'ipv4' ? done : netlink.prolongRoute(route)
    // It may be of a process before this one. Somebody else's is not removed, and then still in the way.
    void delRoute(key)
    return netlink.addRoute(route)
  }
  const attempt = async (entry: Entry, lifetime: number): Promise<void> => {
    const mine = turn
    const key = keyOf(entry.config)
    if (key === undefined || entry.isBusy) return
    entry.isBusy = true
    entry.triedAt = performance.now()
    const outcome = await add(entry, key, lifetime, mine)
    entry.isBusy = false
    if (isOver(entry, mine)) return
    const before = { isThere: entry.added !== null, trouble: entry.trouble }
    entry.added = outcome.ok ? key : null
    entry.failures = outcome.ok ? 0 : entry.failures + 1
    entry.trouble = outcome.ok ? null : troubleOf(outcome)
    if (before.isThere !== outcome.ok || before.trouble !== entry.trouble) onChange()
  }
  const isDue = ({ failures, triedAt }: Entry): boolean => performance.now() - triedAt >= pauseAfter(failures)

  const set: VirtualRoutes['set'] = (lease) => {
    const isNew = wanted === null
    wanted = lease
    for (const entry of entries) if (isNew || entry.failures === 0 || isDue(entry)) void attempt(entry, lease)
  }
  const letGo = (entry: Entry): void => {
    entry.added = null
    // What counts goes on counting, or the router would take the addresses again at once and lose them again.
    if (entry.config.track === null) Object.assign(entry, { trouble: null, failures: 0 })
  }
  const remove: VirtualRoutes['remove'] = async () => {
    turn += 1
    wanted = null
    const isChange = entries.some(({ added, trouble }) => added !== null || trouble !== null)
    const gone = entries.flatMap((entry) => entry.added ?? keyOf(entry.config) ?? [])
    const removing = Promise.all(gone.map(delRoute))
    entries.forEach(letGo)
    if (isChange) onChange()
    return firstRefusal(await removing)
  }
  /** A router that is not master cannot try: after a while, or a change, it is to find out. */
  const forgive = (due: (entry: Entry) => boolean): void => {
    const forgiven = entries.filter((entry) => entry.trouble !== null && due(entry))
    for (const entry of forgiven) entry.trouble = null
    if (forgiven.length > 0) onChange()
  }

  return {
    set,
    remove,
    configure: async (next) => {
      const before = entries
      entries = entriesOf(next, before)
      const dropped = before.filter((old) => !entries.includes(old))
      const gone = wanted === null ? [] : dropped.flatMap((old) => old.added ?? keyOf(old.config) ?? [])
      config = next
      onChange()
      return firstRefusal(await Promise.all(gone.map(delRoute)))
    },
    tick: () => {
      if (wanted === null) forgive(({ failures, triedAt }) => isForgiven(failures, performance.now() - triedAt))
      else if (entries.some(({ failures }) => failures > 0)) {
        for (const entry of entries) if (entry.failures > 0 && isDue(entry)) void attempt(entry, wanted)
      }
    },
    tryAgain: () => {
      if (wanted === null) forgive(() => true)
      else for (const entry of entries) if (entry.failures > 0) void attempt(entry, wanted)
    },
    states: () =>
      entries.map((entry) => ({
        route: shown(entry.config, homeDevice(config)),
        isThere: entry.added !== null,
        trouble: entry.trouble,
      })),
    tracked: () =>
      entries.flatMap(({ config: { to, track }, trouble }) =>
        track === null
          ? []
          : [{ name: routeName(to), weight: track.weight, ok: trouble === null, text: trouble ?? '' }],
      ),
  }
}

/** What stays as it is configured keeps what is known of it. */
const entriesOf = (config: VrrpInstanceConfig, before: readonly Entry[]): readonly Entry[] =>
  config.virtual_routes.map(
    (route) =>
      before.find((old) => isDeepStrictEqual(old.config, route)) ?? {
        config: route,
        added: null,
        trouble: null,
        failures: 0,
        triedAt: 0,
        isBusy: false,
      },
  )

/** A route in the words of `ip route`. */
const shown = ({ to, via, dev, metric }: Entry['config'], home: string): string =>
  [
    `${to.address}/${to.prefixLength}`,
    ...(via === undefined ? [] : [`via ${via}`]),
    `dev ${dev ?? home}`,
    ...(metric === undefined ? [] : [`metric ${metric}`]),
  ].join(' ')

const troubleOf = ({ code, text }: Extract<Outcome, { ok: false }>): string => advice[code] ?? text

/** What the kernel means with a refusal. */
const advice: Readonly<Record<string, string>> = {
  EEXIST:
    'there is another route to this network with the same metric, not put there by this program; it stays (EEXIST)',
  EHOSTUNREACH: 'its gateway is on no network of this interface (EHOSTUNREACH)',
  EINVAL: 'the kernel does not take it, as when its gateway is an address of this host (EINVAL)',
  ENETDOWN: 'its interface is down (ENETDOWN)',
  ENETUNREACH: 'its gateway is on no network of this interface (ENETUNREACH)',
  ENODEV: 'its interface is gone (ENODEV)',
}
