// How a virtual router enters each of its states, and what that takes.

import { compareAddresses } from '../../core/ip-address.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { Common, Effect, Event, In, Leaving, Rival, Settings, Step, VirtualRouter } from './state.ts'
import { handOverWait, leaseSeconds, masterDownInterval } from './timers.ts'

const resigning = 0
/** Strangers can name any source: no more of them are remembered. */
const maximumRivals = 16

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

/** Says that a router that cannot hear us is master of the same addresses. */
export const conflictNotice = (
  router: VirtualRouter,
  { from, differs }: DeafMaster,
  meanwhile = 'staying backup while it speaks',
) => {
  const text = `CONFIGURATION ERROR: ${from} ${differs}; ${meanwhile}`
  return notice(router, 'conflict', text)
}

type DeafMaster = Extract<Event, { event: 'deaf-master-heard' }>

/** A backup that follows it, as slow as the slower of both. */
export const followedDeaf = (router: VirtualRouter, { at, from, interval }: DeafMaster): In<'backup'> => {
  const { version, priority, interval: own } = router.settings
  const masterInterval = millis(Math.max(own, interval))
  const masterDownAt = millis(at + masterDownInterval(version, priority, masterInterval))
  return { ...followed(router, at, masterInterval, from), masterInterval, masterDownAt }
}

/** Puts effects before those of a step. */
export const after = (first: readonly Effect[], [router, effects]: Step): Step => [router, [...first, ...effects]]

/**
 * To backup, as if a master with the own interval had just been heard. A master that goes this way has handed nothing over.
 * `remark` ends the log line.
 */
export const enterBackup = (
  router: VirtualRouter,
  at: Millis,
  reason: string,
  remark = '',
): readonly [In<'backup'>, readonly Effect[]] => {
  const text = `(${router.settings.name}) Entering BACKUP STATE${remark}`
  const backup = followed(router, at, router.settings.interval, null)
  return [{ ...backup, owesWord: router.state === 'master' }, [{ effect: 'report-transition', text, reason }]]
}

/** Whether the other one stays master where both are, this one at this address with a certain priority. */
export const outranks = (other: Pick<Rival, 'from' | 'priority'>, address: string, priority: number): boolean =>
  other.priority > priority || (other.priority === priority && compareAddresses(other.from, address) > 0)

/**
 * The last word of a router that had the addresses too, to the master it hears: that one shall announce them once more. It is
 * an advertisement that loses against that master, since keepalived does not announce anything for a priority 0.
 */
export const lastWord = (other: Pick<Rival, 'from' | 'priority'>, address: string, priority: number): number =>
  outranks(other, address, priority) ? priority : Math.max(resigning, other.priority - 1)

/** It has said what it owed, to this master; `priority` is what it says. */
export const withLastWord = (router: In<'backup'>, priority: number): readonly [In<'backup'>, readonly Effect[]] =>
  router.owesWord ? [{ ...router, owesWord: false }, [{ effect: 'send-advertisement', priority }]] : [router, []]

/** To master: the addresses come first, their announcement and the first advertisement when they are there. */
export const enterMaster = (router: VirtualRouter, at: Millis, reason: string): Step => {
  const report: Effect = {
    effect: 'report-transition',
    text: `(${router.settings.name}) Entering MASTER STATE`,
    reason,
  }
  return [master(router, at), [report, { effect: 'add-addresses', lease: leaseOf(router.settings) }]]
}

/** Master again, of addresses it still has: whoever it would have yielded to did not come, and is forgotten. */
export const stay = (router: VirtualRouter, at: Millis, reason: string): Step => {
  const rivals = new Map([...router.rivals].filter(([, heard]) => !isBetter(router, heard)))
  const report = notice(router, 'hand-over', `stays master: ${reason}`)
  return [
    { ...master({ ...router, rivals }, at), isStaying: true },
    [report, { effect: 'add-addresses', lease: leaseOf(router.settings) }],
  ]
}

const master = (router: VirtualRouter, at: Millis): In<'master'> => ({
  ...common(router),
  standsBack: false,
  state: 'master',
  provenAt: at,
  triedAt: at,
  advertiseAt: null,
  isStaying: false,
  renewedAt: at,
  announcedAt: at,
  answeredAt: null,
  predecessor: router.state === 'backup' ? router.master : null,
  announcements: [],
})

/**
 * Whether another router was heard with a higher priority than the effective one of this router. That was before: what this
 * one has lost since for a reason that others have too, the other one has lost as well, or it preempts.
 */
export const isOutranked = (router: VirtualRouter): boolean =>
  [...router.rivals.values()].some((rival) => isBetter(router, rival))

const isBetter = ({ settings: { priority }, sharedLoss }: VirtualRouter, rival: number): boolean =>
  rival > priority + sharedLoss

/** To fault; with `retryAt` it tries again by itself. */
export const enterFault = (
  router: VirtualRouter,
  reason: string,
  { isLinked, retryAt = null }: { readonly isLinked: boolean; readonly retryAt?: Millis | null },
): Step => [
  { ...common(router), state: 'fault', isLinked, retryAt },
  [{ effect: 'report-transition', text: `(${router.settings.name}) Entering FAULT STATE`, reason }],
]

/** The addresses go at once, after the priority 0 that lets a backup take over within its skew time. */
export const resign = (router: In<'master'>, [next, effects]: Step): Step => {
  const said: readonly Effect[] = router.advertiseAt === null ? [] : [farewell]
  return [next, [...said, { effect: 'remove-addresses' }, ...effects]]
}

/** Priority 0, and the addresses stay until a successor is heard: nobody finds them nowhere. */
export const leave = (
  router: VirtualRouter,
  at: Millis,
  next: Leaving['next'],
  reason: string,
  advertised = router.settings.priority,
): Step => [
  {
    ...common(router),
    state: 'leaving',
    next,
    reason,
    since: at,
    advertised,
    endsAt: millis(at + handOverWait(ownMasterDown(router.settings))),
  },
  [
    { effect: 'renew-addresses', lease: leaseOf(router.settings) },
    { effect: 'hide-addresses' },
    farewell,
    notice(router, 'hand-over', `sent 0 priority, keeping the addresses until another router has them (${reason})`),
  ],
]

const farewell: Effect = { effect: 'send-advertisement', priority: resigning }

/** The addresses go after a hand-over. The second priority 0 has the new master announce them once more, and now alone. */
export const letGo = ([next, effects]: Step): Step => [next, [{ effect: 'remove-addresses' }, farewell, ...effects]]

/** Another master was heard with this priority; null: it is no longer one. */
export const withRival = <R extends VirtualRouter>(router: R, from: string, priority: number | null): R => {
  if (router.rivals.get(from) === (priority ?? undefined)) return router
  const rivals = new Map(router.rivals)
  rivals.delete(from)
  if (priority !== null) rivals.set(from, priority)
  const [oldest] = rivals.keys()
  if (oldest !== undefined && rivals.size > maximumRivals) rivals.delete(oldest)
  return { ...router, rivals }
}

/** With the effective priority that tracking gives, and what is to be said of it. */
export const withStanding = <R extends VirtualRouter>(
  router: R,
  { priority, fault, isUnsure = false, sharedLoss = 0 }: Extract<Event, { event: 'standing-changed' }>,
): readonly [R, readonly Effect[]] => {
  const before = router.settings.priority
  const changed = { ...router, settings: { ...router.settings, priority }, failure: fault, isUnsure, sharedLoss }
  const text = `Changing effective priority from ${before} to ${priority}`
  return [changed, before === priority ? [] : [notice(router, 'priority', text)]]
}

/** A backup that has just heard this master with this interval; version 2 knows its own only. */
export const followed = (router: VirtualRouter, at: Millis, announced: Millis, from: string | null): In<'backup'> => {
  const { version, priority, interval } = router.settings
  const masterInterval = version === 3 ? announced : interval
  const masterDownAt = millis(at + masterDownInterval(version, priority, masterInterval))
  return {
    ...common(router),
    state: 'backup',
    master: from,
    heardAt: at,
    masterInterval,
    masterDownAt,
    preemptAt: null,
    owesWord: router.state === 'backup' && router.owesWord,
  }
}

/** With new settings. Whoever was heard in another group means nothing in this one. */
export const withSettings = <R extends VirtualRouter>(
  router: R,
  { settings, regrouping }: Extract<Event, { event: 'reconfigured' }>,
): R => ({ ...router, settings, rivals: regrouping === undefined ? router.rivals : new Map() })

/** What a router keeps in every state. */
export const common = ({
  settings,
  address,
  held,
  failure,
  isUnsure,
  sharedLoss,
  isUnheard,
  standsBack,
  rivals,
}: VirtualRouter): Common => ({
  settings,
  address,
  held,
  failure,
  isUnsure,
  sharedLoss,
  isUnheard,
  standsBack,
  rivals,
})
