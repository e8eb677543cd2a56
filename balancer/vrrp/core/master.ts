// The state machine while it is master: advertise, announce, keep the lease, and deal with another master.

import { ownerPriority } from '../../core/owner-priority.ts'
import { type Millis, millis } from '../../core/time.ts'
import type { Announcement, Effect, Event, In, Rival, Settings, Step } from './state.ts'
import { contentionPause, earlyAnnouncements, renewalInterval } from './timers.ts'
import {
  after,
  common,
  conflictNotice,
  enterBackup,
  enterFault,
  followed,
  followedDeaf,
  isOutranked,
  lastWord,
  leaseOf,
  leave,
  notice,
  outranks,
  ownMasterDown,
  resign,
  withLastWord,
  withRival,
  withSettings,
  withStanding,
} from './transitions.ts'

const resigning = 0
/** The part of an interval that must have passed before an advertisement is forced: two stubborn masters make no storm. */
const forcedAfter = 1 / 10

/** One event of a master that is not stalled. */
export const stepMaster = (router: In<'master'>, event: Event): Step => {
  const { settings } = router
  switch (event.event) {
    case 'deadline-reached':
      return keepUp(router, event.at)
    case 'advertisement-received':
      return contend(router, event)
    case 'deaf-master-heard': {
      if (event.priority === resigning) return isClaimed(router) ? answer(router, event.at) : [router, []]
      const unheard = isUnheard(router, event.at)
      if (!event.isYieldedTo && !unheard) return [router, [conflictNotice(router, event, 'it is master too')]]
      // It will never hear us, so one of two masters has to go, and only this one can.
      const conflict = conflictNotice(router, event)
      const [backup, effects] = enterBackup({ ...router, isUnheard: unheard }, event.at, conflict.text)
      const [known, word] = withLastWord(backup, resigning)
      return [followedDeaf(known, event), [{ effect: 'remove-addresses' }, ...word, conflict, ...effects]]
    }
    case 'advertisement-sent':
      return [{ ...router, provenAt: event.at, triedAt: event.at, isUnheard: false }, []]
    case 'advertisement-failed':
      return [{ ...router, triedAt: event.at }, []]
    case 'addresses-added': {
      const announced = announce(router, event.at)
      const effects: readonly Effect[] = [{ effect: 'announce-addresses', copies: settings.announcements.repeat }]
      return router.advertiseAt === null ? after(effects, advertise(announced, event.at)) : [announced, effects]
    }
    case 'addresses-failed': {
      const retryAt = millis(event.at + ownMasterDown(settings))
      return resign(router, enterFault(router, event.reason, { isLinked: true, retryAt }))
    }
    case 'address-lost': {
      const lost = notice(router, 'address-lost', `something removed ${event.address}, putting it back`)
      return [router, [lost, { effect: 'add-addresses', lease: leaseOf(settings) }]]
    }
    case 'link-changed':
      // Clients may know the addresses by another MAC address now.
      if (event.link.up) return reachable({ ...router, address: event.link.address }, event.at)
      return after([{ effect: 'remove-addresses' }], enterFault(router, event.link.reason, { isLinked: false }))
    case 'hold-changed':
      if (event.reason === null) return [router, []]
      return resign(router, enterFault({ ...router, held: event.reason }, event.reason, { isLinked: true }))
    case 'standing-changed':
      return changeStanding(router, event)
    case 'handover-ordered':
      return canHandOver(router)
        ? leave({ ...router, standsBack: true }, event.at, 'master', 'an operator ordered it')
        : [router, []]
    case 'group-moved':
      if (event.to === 'master') return [router, []]
      return canHandOver(router)
        ? leave(router, event.at, 'backup', event.reason)
        : resign(router, enterBackup(router, event.at, event.reason))
    case 'reconfigured':
      return reconfigure(router, event)
    case 'shutdown-requested':
      return canHandOver(router)
        ? leave(router, event.at, 'init', 'shutdown requested')
        : resign(router, [{ ...common(router), state: 'init' }, []])
    case 'started':
    case 'handover-revoked':
      return [router, []]
    default:
      return event satisfies never
  }
}

const reconfigure = (router: In<'master'>, event: Extract<Event, { event: 'reconfigured' }>): Step => {
  const { at, settings, regrouping } = event
  // Due at once, so that the others learn of it.
  const advertiseAt = isClaimed(router) ? at : null
  const changed = { ...withSettings(router, event), advertiseAt, renewedAt: at }
  if (regrouping !== undefined) return regroup(router, changed, at, regrouping.master)
  if (yields(router, changed)) return giveWay(router, changed, at)
  return [changed, [{ effect: 'add-addresses', lease: leaseOf(settings) }]]
}

/** It leaves those who have the old addresses, with priority 0, and is master among the others unless one is better there. */
const regroup = (before: In<'master'>, router: In<'master'>, at: Millis, other: Rival | null): Step => {
  const { settings, address } = router
  if (other === null || !outranks(other, address, settings.priority)) {
    const said: readonly Effect[] = isClaimed(before) ? [{ effect: 'send-advertisement', priority: resigning }] : []
    return [{ ...router, advertiseAt: null }, [...said, { effect: 'add-addresses', lease: leaseOf(settings) }]]
  }
  const [backup, effects] = enterBackup(router, at, `${other.from} is master of the new addresses`)
  // Of these it never had any.
  const follower = { ...followed(backup, at, other.interval, other.from), owesWord: false }
  return resign(before, [withRival(follower, other.from, other.priority), effects])
}

const reachable = (router: In<'master'>, at: Millis): Step =>
  isClaimed(router)
    ? [announce(router, at), [{ effect: 'announce-addresses', copies: router.settings.announcements.repeat }]]
    : [router, []]

/** Whether nothing of this master has gone out for so long that any other router may be master, and not know of it. */
const isUnheard = (router: In<'master'>, at: Millis): boolean =>
  router.isUnheard || at - router.provenAt > ownMasterDown(router.settings)

/** Whether the others may know of this master. */
const isClaimed = (router: In<'master'>): boolean => router.advertiseAt !== null

/** Whether others may know that it has the addresses, or come for them while it keeps them. */
const canHandOver = (router: In<'master'>): boolean => isClaimed(router) || router.isStaying

/** What it tracks has changed: it goes at once, yields to a better router that it knows of, or tells its new priority. */
const changeStanding = (router: In<'master'>, event: Extract<Event, { event: 'standing-changed' }>): Step => {
  const [changed, said] = withStanding(router, event)
  const { priority, fault, isPlanned, at } = event
  if (fault !== null) {
    const gone =
      isPlanned && canHandOver(router)
        ? leave(changed, at, 'fault', fault, router.settings.priority)
        : resign(changed, enterFault(changed, fault, { isLinked: true }))
    return after(said, gone)
  }
  if (priority === router.settings.priority || !isClaimed(router)) return [changed, said]
  return after(said, yields(router, changed) ? giveWay(router, changed, at) : advertise(changed, at))
}

/** A backup that does not know this protocol's habits (keepalived) would wait out its timer at a lower priority. */
const yields = (before: In<'master'>, changed: In<'master'>): boolean =>
  isClaimed(before) && changed.settings.priority < before.settings.priority && isOutranked(changed)

const giveWay = (before: In<'master'>, changed: In<'master'>, at: Millis): Step => {
  const reason = `the effective priority is only ${changed.settings.priority}`
  return leave(changed, at, 'master', reason, before.settings.priority)
}

/** What a master does as time passes: announce again, advertise. */
const keepUp = (router: In<'master'>, at: Millis): Step => {
  const due = router.announcements.filter((announcement) => announcement.at <= at)
  const copies = Math.max(0, ...due.map((announcement) => announcement.copies))
  const effects: Effect[] = copies > 0 ? [{ effect: 'announce-addresses', copies }] : []
  const kept = copies > 0 ? { ...router, announcedAt: at, announcements: announcementsAfter(router, at) } : router
  if (router.advertiseAt === null || at < router.advertiseAt) return [kept, effects]
  return after(effects, advertise({ ...kept, predecessor: null }, at))
}

/** A master heard another one. */
const contend = (before: In<'master'>, heard: Extract<Event, { event: 'advertisement-received' }>): Step => {
  const router = withRival(before, heard.from, heard.priority === resigning ? null : heard.priority)
  const { priority, interval } = router.settings
  if (heard.priority === resigning) {
    return isClaimed(router) ? answer(router, heard.at) : [router, []]
  }
  const owners =
    heard.priority === ownerPriority && priority === ownerPriority
      ? [
          notice(
            router,
            'two-owners',
            `CONFIGURATION ERROR: ${heard.from} has priority 255 too; only one router can own the addresses`,
          ),
        ]
      : []
  const unheard = isUnheard(router, heard.at)
  if (outranks(heard, router.address, priority) || unheard) {
    const relation = heard.priority > priority ? 'higher' : heard.priority === priority ? 'same' : 'lower'
    const text = `Master received advert from ${heard.from} with ${relation} priority ${heard.priority}, ours ${priority}`
    const yielding = notice(router, 'yielding', unheard ? `${text}; ours do not go out: it cannot know of us` : text)
    const [backup, effects] = enterBackup({ ...router, isUnheard: unheard }, heard.at, yielding.text)
    const [known, word] = withLastWord(backup, lastWord(heard, router.address, priority))
    return [
      followed(known, heard.at, heard.interval, heard.from),
      [{ effect: 'remove-addresses' }, ...word, ...owners, yielding, ...effects],
    ]
  }
  if (router.advertiseAt === null) return [router, owners]
  const text = `Received advert from ${heard.from} with lower priority ${heard.priority}, ours ${priority}, forcing new election`
  const contention = heard.from === router.predecessor ? [] : [notice(router, 'contention', text)]
  const [announced, announcement] = announceAgain({ ...router, predecessor: null }, heard.at)
  const effects = [...owners, ...contention, ...announcement]
  if (heard.at - router.triedAt < interval * forcedAfter) return [announced, effects]
  return after(effects, advertise(announced, heard.at))
}

/** Another one had the addresses until now. Many that say so are answered together: no storm. */
const announceAgain = (router: In<'master'>, at: Millis): readonly [In<'master'>, readonly Effect[]] => {
  const again = millis(router.announcedAt + contentionPause)
  if (at < again) return [announceAt(router, again), []]
  return [announce(router, at), [{ effect: 'announce-addresses', copies: 1 }]]
}

const announceAt = (router: In<'master'>, moment: Millis): In<'master'> =>
  router.announcements.some((due) => due.at === moment)
    ? router
    : { ...router, announcements: inOrder([...router.announcements, { at: moment, copies: 1 }]) }

/** Whoever gave the addresses up may have answered for them until now. Many at once are answered together: no storm. */
const answer = (router: In<'master'>, at: Millis): Step => {
  const { answeredAt } = router
  const again = answeredAt === null ? at : millis(answeredAt + contentionPause)
  if (at >= again) {
    return after([{ effect: 'announce-addresses', copies: 1 }], advertise({ ...router, answeredAt: at }, at))
  }
  return [announceAt(router, again), []]
}

/** Every advertisement, forced ones too, sees to the lease: it ends only where the others have given this master up. */
const advertise = (router: In<'master'>, at: Millis): Step => {
  const { settings, renewedAt } = router
  const advertiseAt = millis(at + settings.interval)
  const sent: Effect = { effect: 'send-advertisement', priority: settings.priority }
  const lease = leaseOf(settings)
  if (at - renewedAt < renewalInterval(lease, ownMasterDown(settings))) return [{ ...router, advertiseAt }, [sent]]
  return [{ ...router, advertiseAt, renewedAt: at }, [sent, { effect: 'renew-addresses', lease }]]
}

/** Announced now; what is to follow begins anew. */
const announce = (router: In<'master'>, at: Millis): In<'master'> => {
  const { repeat, delay } = router.settings.announcements
  const early = earlyAnnouncements.map((pause) => ({ at: millis(at + pause), copies: 1 }))
  const later: Announcement[] = delay > 0 && repeat > 0 ? [{ at: millis(at + delay), copies: repeat }] : []
  return { ...router, announcedAt: at, announcements: inOrder([...early, ...later, ...refreshes(router.settings, at)]) }
}

const announcementsAfter = (router: In<'master'>, at: Millis): readonly Announcement[] => {
  const left = router.announcements.filter((announcement) => announcement.at > at)
  return left.length > 0 ? left : refreshes(router.settings, at)
}

const refreshes = ({ announcements: { refresh, refreshRepeat } }: Settings, at: Millis): readonly Announcement[] =>
  refresh === null ? [] : [{ at: millis(at + refresh), copies: refreshRepeat }]

const inOrder = (announcements: readonly Announcement[]): readonly Announcement[] =>
  announcements.toSorted((a, b) => a.at - b.at)
