// How a virtual router enters each of its states, and what that takes.

import { type Millis, millis } from '../../core/time.ts'
import type { Effect, Event, In, Settings, Step, VirtualRouter } from './state.ts'
import { leaseSeconds, masterDownInterval } from './timers.ts'

const resigning = 0

/** The master down interval of this router as others with its settings see it. */
export const ownMasterDown = ({ version, priority, interval }: Settings): Millis =>
  masterDownInterval(version, priority, interval)

/** Seconds of the lease that its addresses get. */
export const leaseOf = (settings: Settings): number => leaseSeconds(ownMasterDown(settings))

/** A notice about this router. */
export const notice = (
  { settings }: VirtualRouter,
  about: Extract<Effect, { about: unknown }>['about'],
  text: string,
) => ({ effect: 'report-notice', about, text: `(${settings.name}) ${text}` }) as const satisfies Effect

/** Says that a router of the other version is master of the same addresses. */
export const versionConflict = (router: VirtualRouter, event: Extract<Event, { event: 'other-version-heard' }>) => {
  const text = `CONFIGURATION ERROR: ${event.from} speaks version ${event.version}, ours is ${router.settings.version}; staying backup while it speaks`
  return notice(router, 'version-conflict', text)
}

/** Puts effects before those of a step. */
export const after = (first: readonly Effect[], [router, effects]: Step): Step => [router, [...first, ...effects]]

/** To backup, as if a master with the own interval had just been heard. `remark` ends the log line. */
export const enterBackup = (router: VirtualRouter, at: Millis, reason: string, remark = ''): Step => {
  const text = `(${router.settings.name}) Entering BACKUP STATE${remark}`
  return [followed(router, at, router.settings.interval), [{ effect: 'report-transition', text, reason }]]
}

/** To master: the addresses come first, their announcement and the first advertisement when they are there. */
export const enterMaster = (router: VirtualRouter, at: Millis, reason: string): Step => [
  {
    ...common(router),
    state: 'master',
    provenAt: at,
    advertiseAt: null,
    renewedAt: at,
    announcedAt: at,
    announcements: [],
  },
  [
    { effect: 'report-transition', text: `(${router.settings.name}) Entering MASTER STATE`, reason },
    { effect: 'add-addresses', lease: leaseOf(router.settings) },
  ],
]

/** To fault; with `retryAt` it tries again by itself. */
export const enterFault = (
  router: VirtualRouter,
  reason: string,
  { isLinked, retryAt = null }: { readonly isLinked: boolean; readonly retryAt?: Millis | null },
): Step => [
  { ...common(router), state: 'fault', isLinked, retryAt },
  [{ effect: 'report-transition', text: `(${router.settings.name}) Entering FAULT STATE`, reason }],
]

/** The addresses go after the priority 0 that lets a backup take over within its skew time. */
export const resign = (router: In<'master'>, [next, effects]: Step): Step => {
  const farewell: Effect = { effect: 'send-advertisement', priority: resigning }
  return [next, [...(router.advertiseAt === null ? [] : [farewell]), { effect: 'remove-addresses' }, ...effects]]
}

/** A backup that has just heard a master with this interval; version 2 knows its own only. */
export const followed = (router: VirtualRouter, at: Millis, announced: Millis): In<'backup'> => {
  const { version, priority, interval } = router.settings
  const masterInterval = version === 3 ? announced : interval
  const masterDownAt = millis(at + masterDownInterval(version, priority, masterInterval))
  return { ...common(router), state: 'backup', masterInterval, masterDownAt, preemptAt: null }
}

/** What a router keeps in every state. */
export const common = ({ settings, address, held }: VirtualRouter) => ({ settings, address, held })
