// What one virtual router tells people: its log lines and the fact that the status page shows.

import type { Logger } from 'pino'
import type { VrrpInstanceConfig } from '../config/vrrp-schema.ts'
import type { VirtualRouterFact, VirtualRouterState } from '../pool/core/facts.ts'
import { createBoundedLog } from './bounded-log.ts'
import type { Advertisement, DropReason } from './core/advertisement.ts'
import { differences } from './core/differences.ts'
import type { Notice } from './core/state.ts'

/** The counters and words of one virtual router. */
export type Report = {
  readonly sent: () => void
  readonly heard: (from: string, advertisement: Advertisement) => void
  readonly dropped: (from: string, reason: DropReason, found: string) => void
  readonly notice: (about: Notice, text: string) => void
  /** Something that was asked of the system did not work. */
  readonly trouble: (about: 'send' | 'announce' | 'remove', text: string) => void
  readonly transition: (state: VirtualRouterState, text: string, reason: string) => void
  /** Counts a change of state and publishes it. */
  readonly entered: (state: VirtualRouterState) => void
  readonly publish: () => void
}

/** Starts counting for one instance; `own` is what it advertises. */
export const createReport = (
  config: VrrpInstanceConfig,
  own: Advertisement,
  log: Logger,
  publishFact: (fact: VirtualRouterFact) => void,
): Report => {
  const { name } = config
  const bounded = createBoundedLog(log)
  const counts = { transitions: 0, sent: 0, received: 0 }
  const dropped: Record<string, number> = {}
  let state: VirtualRouterState = 'init'
  let since = Date.now()
  let lastAdvertisement: VirtualRouterFact['lastAdvertisement'] = null

  const publish = (): void =>
    publishFact({
      fact: 'virtual-router',
      name,
      interface: config.interface,
      virtualRouterId: config.virtual_router_id,
      version: config.version,
      state,
      since,
      priority: config.priority,
      advertisementInterval: config.advertisement_interval,
      addresses: own.addresses,
      lastAdvertisement,
      ...counts,
      dropped: { ...dropped },
    })

  return {
    sent: () => {
      counts.sent += 1
    },
    heard: (from, advertisement) => {
      counts.received += 1
      lastAdvertisement = { from, priority: advertisement.priority, at: Date.now() }
      for (const { about, text } of differences(own, advertisement)) {
        bounded('warn', about, { instance: name, from }, `(${name}) advert from ${from}: ${text}`)
      }
    },
    dropped: (from, reason, found) => {
      dropped[reason] = (dropped[reason] ?? 0) + 1
      // Other virtual routers on the same network are no news.
      if (reason === 'vrid') return
      bounded(
        'warn',
        `dropped ${reason}`,
        { instance: name, from, reason },
        `(${name}) dropped advert from ${from}: ${found}`,
      )
    },
    notice: (about, text) => bounded('info', about, { instance: name }, text),
    trouble: (about, text) => bounded('error', about, { instance: name }, `(${name}) ${text}`),
    transition: (entered, text, reason) =>
      log[entered === 'fault' ? 'error' : 'info']({ instance: name, state: entered, reason }, text),
    entered: (entered) => {
      state = entered
      since = Date.now()
      counts.transitions += 1
      publish()
    },
    publish,
  }
}
