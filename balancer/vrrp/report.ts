// What one virtual router tells people: its log lines and the fact that the status page shows.

import type { Level, Logger } from 'pino'
import { createBoundedLog } from '../bounded-log.ts'
import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import { millis } from '../core/time.ts'
import type { VirtualRouterFact, VirtualRouterState, VirtualRouteState } from '../pool/core/facts.ts'
import { version } from '../version.ts'
import type { Advertisement } from './core/advertisement.ts'
import { differences } from './core/differences.ts'
import type { Dropped } from './core/reception.ts'
import type { Notice, VirtualRouter } from './core/state.ts'
import type { Standing } from './core/tracking.ts'
import { advertisementOf, allAddresses, familyOfInstance, stateShown } from './instance.ts'
import type { Notifications } from './notifications.ts'

/** The counters and words of one virtual router. */
export type Report = {
  /** From now on it is configured so. */
  readonly configure: (config: VrrpInstanceConfig, syncGroup: string | null) => void
  readonly sent: () => void
  readonly heard: (from: string, advertisement: Advertisement) => void
  readonly dropped: (dropped: Dropped) => void
  /** `from` is who was heard last. */
  readonly notice: (about: Notice, text: string) => void
  /** Something that was asked of the system did not work. */
  readonly trouble: (about: 'send' | 'announce' | 'remove' | 'hide' | 'virtual-mac' | 'foreign', text: string) => void
  readonly transition: (state: VirtualRouterState, text: string, reason: string) => void
  /** Counts a change of state, and publishes what is new. */
  readonly entered: (router: VirtualRouter) => void
  /** It is in fault for this reason now: what led there may be well again. */
  readonly remains: (obstacle: string) => void
  /** From now on its effective priority is made of these parts, and an operator has taken it out or not. */
  readonly standing: (standing: Standing, isInMaintenance: boolean) => void
  /** Its virtual routes are so now. */
  readonly routes: (routes: readonly VirtualRouteState[]) => void
  /** It has all that it waits for at its start. */
  readonly begun: () => void
  /** From now on it sends from this address; null: it has no link. */
  readonly linked: (source: string | null) => void
  /** It goes on as this one, as if nothing had happened: also in its state, unless it is late. */
  readonly goOnFrom: (fact: VirtualRouterFact, isLate: boolean) => void
  readonly publish: () => void
}

const noticeLevels: Readonly<Record<Notice, Level>> = {
  timeout: 'info',
  'lower-discarded': 'info',
  yielding: 'info',
  contention: 'warn',
  'two-owners': 'error',
  conflict: 'error',
  'address-lost': 'warn',
  priority: 'info',
  'hand-over': 'info',
}

/** The priority of a master that stops. */
const goodbye = 0
/** An error of a configuration is told at once, and once a minute while it lasts: each advertisement of somebody has it. */
const conflictBound = { lines: 1, window: millis(60_000) }

/** Starts counting for one instance. */
export const createReport = (
  first: VrrpInstanceConfig,
  group: string | null,
  log: Logger,
  publishFact: (fact: VirtualRouterFact) => void,
  notifications: Pick<Notifications, 'entered' | 'assume'>,
): Report => {
  const bounded = createBoundedLog(log)
  const boundedConflict = createBoundedLog(log, conflictBound)
  const counts = { transitions: 0, sent: 0, received: 0 }
  const dropped: Record<string, number> = {}
  let config = first
  let syncGroup = group
  let state: VirtualRouterState = 'init'
  let since = Date.now()
  let reason = 'started'
  /** The state of the program before this one, whose next word is no change. */
  let goesOn: VirtualRouterState | null = null
  let handingOver = false
  let standsBack = false
  let inMaintenance = false
  let hasBegun = false
  let source: string | null = null
  let routes: readonly VirtualRouteState[] = []
  let standing: Standing | null = null
  let lastAdvertisement: VirtualRouterFact['lastAdvertisement'] = null
  let otherMasters: VirtualRouterFact['otherMasters'] = { count: 0, last: null }
  let conflicts: VirtualRouterFact['conflicts'] = { count: 0, last: null }

  const conflictIsOver = (): void => {
    if (conflicts.last !== null) conflicts = { ...conflicts, last: { ...conflicts.last, isOver: true } }
  }
  const publish = (): void =>
    publishFact({
      fact: 'virtual-router',
      name: config.name,
      interface: config.interface,
      family: familyOfInstance(config),
      virtualRouterId: config.virtual_router_id,
      version: config.version,
      state,
      since,
      reason,
      handingOver,
      standsBack,
      inMaintenance,
      hasBegun,
      syncGroup,
      source,
      peers: config.unicast?.peers ?? null,
      priority: standing?.priority ?? config.priority,
      priorityParts: standing?.parts ?? [{ of: 'configured', value: config.priority }],
      advertisementInterval: config.advertisement_interval,
      addresses: allAddresses(config).map(({ address }) => address.address),
      routes,
      lastAdvertisement,
      otherMasters,
      conflicts,
      ...counts,
      dropped: { ...dropped },
    })

  return {
    configure: (next, nextGroup) => {
      // Whoever still differs says so with its next advertisement.
      if (config !== next) conflictIsOver()
      config = next
      syncGroup = nextGroup
    },
    sent: () => {
      counts.sent += 1
    },
    heard: (from, advertisement) => {
      counts.received += 1
      lastAdvertisement = { from, priority: advertisement.priority, at: Date.now() }
      if (conflicts.last?.from === from && !conflicts.last.isOver) {
        conflictIsOver()
        log.info({ instance: config.name, from }, `(${config.name}) ${from} is configured as this router again`)
      }
      for (const { about, text } of differences(advertisementOf(config), advertisement)) {
        boundedConflict('warn', about, { instance: config.name, from }, `(${config.name}) advert from ${from}: ${text}`)
      }
    },
    dropped: ({ source: from, reason: why, found, conflict }) => {
      dropped[why] = (dropped[why] ?? 0) + 1
      if (conflict !== undefined) {
        const { differs, advertisement, weight } = conflict
        const { priority, addresses } = advertisement
        conflicts = {
          count: conflicts.count + 1,
          last: { from, differs, priority, addresses, at: Date.now(), isOver: priority === goodbye },
        }
        if (weight === 'told') {
          const text = `(${config.name}) CONFIGURATION ERROR: ${from} ${differs}. What it says is ignored`
          boundedConflict('error', `ignored ${why}`, { instance: config.name, from, reason: why, addresses }, text)
          return
        }
      }
      // Other virtual routers on the same network are no news.
      if (why === 'vrid' && conflict === undefined) return
      const text = `(${config.name}) dropped advert from ${from || 'nobody'}: ${found}`
      boundedConflict('warn', `dropped ${why}`, { instance: config.name, from, reason: why }, text)
    },
    notice: (about, text) => {
      if (about === 'contention' && lastAdvertisement !== null) {
        otherMasters = { count: otherMasters.count + 1, last: { from: lastAdvertisement.from, at: Date.now() } }
      }
      const isStanding = about === 'conflict' || about === 'two-owners' || about === 'contention'
      const write = isStanding ? boundedConflict : bounded
      write(noticeLevels[about], about, { instance: config.name }, text)
    },
    trouble: (about, text) => bounded('error', about, { instance: config.name }, `(${config.name}) ${text}`),
    transition: (entered, text, why) => {
      const isSame = entered === goesOn
      goesOn = null
      const prefix = `(${config.name}) `
      if (!isSame || entered === 'fault') reason = why.startsWith(prefix) ? why.slice(prefix.length) : why
      const told = isSame ? `(${config.name}) ${entered.toUpperCase()} STATE goes on in version ${version}` : text
      log[entered === 'fault' ? 'error' : 'info']({ instance: config.name, state: entered, reason }, told)
    },
    entered: (router) => {
      const entered = stateShown(router)
      handingOver = router.state === 'leaving'
      standsBack = router.standsBack
      // A master that hands over, or stays one after all, has not changed its state.
      if (entered !== state) {
        state = entered
        since = Date.now()
        counts.transitions += 1
        notifications.entered(config.name, entered === 'init' ? 'stop' : entered, router.settings.priority, reason)
      }
      publish()
    },
    remains: (obstacle) => {
      if (state !== 'fault' || obstacle === reason) return
      reason = obstacle
      bounded('warn', 'fault', { instance: config.name, reason }, `(${config.name}) stays in FAULT STATE: ${reason}`)
      publish()
    },
    standing: (next, isInMaintenance) => {
      standing = next
      inMaintenance = isInMaintenance
    },
    routes: (next) => {
      const fields = { instance: config.name }
      for (const { route, isThere, trouble } of next) {
        const before = routes.find((old) => old.route === route)?.trouble ?? null
        if (trouble !== null && trouble !== before) {
          const text = `cannot add the route ${route}: ${trouble}. The addresses stay; it is tried again`
          bounded('error', 'route', fields, `(${config.name}) ${text}`)
        }
        if (isThere && before !== null) log.info(fields, `(${config.name}) the route ${route} is there now`)
      }
      routes = next
      publish()
    },
    begun: () => {
      hasBegun = true
    },
    linked: (address) => {
      source = address
    },
    goOnFrom: (fact, isLate) => {
      goesOn = isLate ? null : fact.state
      ;({ state, since, reason, lastAdvertisement, otherMasters, conflicts } = fact)
      const { transitions, sent, received } = fact
      Object.assign(counts, { transitions, sent, received })
      Object.assign(dropped, fact.dropped)
      if (state !== 'init') notifications.assume(config.name, state)
    },
    publish,
  }
}
