// The state machine of one virtual router (RFC 9568 section 6.4, with keepalived's words and what its users suffered from).
// Addresses come first, then their announcement, and only then the first advertisement: a hand-over leaves no gap.

import { ownerPriority } from '../../core/owner-priority.ts'
import { type Millis, millis } from '../../core/time.ts'
import { finish, stepLeaving } from './leaving.ts'
import { stepMaster } from './master.ts'
import type { Effect, Event, In, Rival, Settings, Step, VirtualRouter } from './state.ts'
import { skewTime } from './timers.ts'
import {
  after,
  common,
  conflictNotice,
  enterBackup,
  enterFault,
  enterMaster,
  followed,
  followedDeaf,
  lastWord,
  leave,
  notice,
  ownMasterDown,
  withLastWord,
  withRival,
  withSettings,
  withStanding,
} from './transitions.ts'

const resigning = 0

/** A virtual router before its start. */
export const initialRouter = (settings: Settings): VirtualRouter => ({
  settings,
  address: '0.0.0.0',
  held: null,
  failure: null,
  isUnsure: false,
  sharedLoss: 0,
  isUnheard: false,
  standsBack: false,
  rivals: new Map(),
  state: 'init',
})

/** When the router has to be woken with `deadline-reached`; null when only other events can move it. */
export const nextDeadline = (router: VirtualRouter): Millis | null => {
  switch (router.state) {
    case 'init':
      return null
    case 'backup':
      return router.masterDownAt
    case 'master':
      return earliest(router.advertiseAt, router.announcements[0]?.at ?? null)
    case 'leaving':
      return router.endsAt
    case 'fault':
      return router.retryAt
    default:
      return router satisfies never
  }
}

/** One event. Early deadlines and events without meaning in a state change nothing. */
export const step = (router: VirtualRouter, event: Event): Step => {
  switch (router.state) {
    case 'init':
      return stepInit(router, event)
    case 'backup':
      return stepBackup(router, event)
    case 'master':
      return isStalled(router, event.at) ? fence(router, event) : stepMaster(router, event)
    case 'leaving':
      return isOverdue(router, event.at) ? endLate(router, event) : stepLeaving(router, event)
    case 'fault':
      return stepFault(router, event)
    default:
      return router satisfies never
  }
}

const stepInit = (router: In<'init'>, event: Event): Step => {
  switch (event.event) {
    case 'started':
      return start(router, event)
    case 'hold-changed':
      return [{ ...router, held: event.reason }, []]
    case 'standing-changed': {
      const [changed, said] = withStanding(router, event)
      return [changed, said]
    }
    case 'reconfigured':
      return [withSettings(router, event), []]
    case 'handover-ordered':
    case 'handover-revoked':
    case 'deadline-reached':
    case 'advertisement-received':
    case 'deaf-master-heard':
    case 'advertisement-sent':
    case 'advertisement-failed':
    case 'addresses-added':
    case 'addresses-failed':
    case 'address-lost':
    case 'link-changed':
    case 'group-moved':
    case 'shutdown-requested':
      return [router, []]
    default:
      return event satisfies never
  }
}

const start = (before: In<'init'>, event: Extract<Event, { event: 'started' }>): Step => {
  const router = { ...before, standsBack: event.standsBack === true }
  const cleanUp: Effect = { effect: 'remove-addresses' }
  if (!event.link.up) return after([cleanUp], enterFault(router, event.link.reason, { isLinked: false }))
  const linked = { ...router, address: event.link.address }
  const obstacle = router.failure ?? router.held
  if (obstacle !== null) return after([cleanUp], enterFault(linked, obstacle, { isLinked: true }))
  if (event.resume) return enterMaster(linked, event.at, 'restarted as master')
  if (event.isLate === true) return leave(linked, event.at, 'backup', 'its process was not back in time')
  if (router.settings.priority === ownerPriority) return enterMaster(linked, event.at, 'address owner')
  return after([cleanUp], enterBackup(linked, event.at, 'started', ' (init)'))
}

const stepBackup = (router: In<'backup'>, event: Event): Step => {
  switch (event.event) {
    case 'deadline-reached':
      return event.at < router.masterDownAt ? [router, []] : takeOver(router, event.at)
    case 'advertisement-received': {
      if (event.priority === resigning) return [awaitSuccessor(router, event), []]
      const { address, settings } = router
      const [known, word] = withLastWord(router, lastWord(event, address, settings.priority))
      return after(word, hear(known, event))
    }
    case 'deaf-master-heard': {
      if (event.priority === resigning) return [awaitSuccessor(router, event), []]
      const [known, word] = withLastWord(router, resigning)
      return [followedDeaf(known, event), [...word, conflictNotice(known, event)]]
    }
    case 'link-changed':
      if (!event.link.up) return enterFault(router, event.link.reason, { isLinked: false })
      return [{ ...router, isUnheard: false, address: event.link.address }, []]
    case 'hold-changed':
      return event.reason === null
        ? [router, []]
        : enterFault({ ...router, held: event.reason }, event.reason, { isLinked: true })
    case 'standing-changed': {
      const [changed, said] = withStanding(router, event)
      if (event.fault !== null) return after(said, enterFault(changed, event.fault, { isLinked: true }))
      // Whether the master is still lower has to be heard anew; how long it has been silent is known.
      const mayBeLower = router.preemptAt !== null && event.priority < router.settings.priority
      return [mayBeLower ? followed(changed, router.heardAt, router.masterInterval, router.master) : changed, said]
    }
    case 'handover-revoked':
      return [{ ...router, standsBack: false, isUnheard: false }, []]
    case 'group-moved':
      return event.to === 'master' ? enterMaster(router, event.at, event.reason) : [router, []]
    case 'reconfigured':
      return [reconfigured(router, event), []]
    case 'shutdown-requested':
      return [{ ...common(router), state: 'init' }, []]
    case 'started':
    case 'advertisement-sent':
    case 'advertisement-failed':
    case 'addresses-added':
    case 'addresses-failed':
    case 'address-lost':
    case 'handover-ordered':
      return [router, []]
    default:
      return event satisfies never
  }
}

/** Only another pace makes a backup listen anew: else each reload would have it wait for a dead master once more. */
const reconfigured = (router: In<'backup'>, event: Extract<Event, { event: 'reconfigured' }>): In<'backup'> => {
  const { settings, regrouping } = event
  // What kept its advertisements from going out may be what was mended.
  const changed = { ...withSettings(router, event), isUnheard: false }
  if (regrouping !== undefined) return listenAnew(changed, event.at, regrouping.master)
  const isSamePace = settings.interval === router.settings.interval && settings.version === router.settings.version
  if (!isSamePace) return followed(changed, event.at, settings.interval, router.master)
  const next = followed(changed, router.heardAt, router.masterInterval, router.master)
  // Whether a lower master is still lower, and may be preempted, has to be heard anew.
  return router.preemptAt === null ? { ...next, masterDownAt: earlier(router.masterDownAt, next.masterDownAt) } : next
}

/** Nothing is known of the group that it is in now, but its master where that one was heard. */
const listenAnew = (router: In<'backup'>, at: Millis, master: Rival | null): In<'backup'> => {
  const alone = { ...router, owesWord: false }
  if (master === null) return followed(alone, at, router.settings.interval, null)
  return followed(withRival(alone, master.from, master.priority), at, master.interval, master.from)
}

const takeOver = (router: In<'backup'>, at: Millis): Step => {
  // One that falls silent while the delay runs is not preempted but missed.
  const isPreempting = router.preemptAt !== null && router.heardAt >= router.preemptAt
  // Whoever was heard before is silent now, unless it is the lower master that is taken over from.
  const rivals: In<'backup'>['rivals'] = isPreempting ? router.rivals : new Map()
  const reason = isPreempting ? 'the master has a lower priority' : 'no advertisement heard'
  return after(
    [notice(router, 'timeout', 'Receive advertisement timeout')],
    enterMaster({ ...router, rivals }, at, reason),
  )
}

/** Priority 0 was heard: there is a successor after a skew time. */
const awaitSuccessor = (
  before: In<'backup'>,
  { at, from }: { readonly at: Millis; readonly from: string },
): In<'backup'> => {
  const left = withRival(before, from, null)
  // The last word of one that was replaced already: its successor is there.
  if (before.master !== null && before.master !== from) return left
  const { version, priority } = before.settings
  const takeOverAt = at + skewTime(version, priority, before.masterInterval)
  return { ...left, master: null, masterDownAt: millis(Math.min(before.masterDownAt, takeOverAt)), preemptAt: null }
}

/** A backup heard a living master. */
const hear = (before: In<'backup'>, heard: Extract<Event, { event: 'advertisement-received' }>): Step => {
  const { version, priority, preempt, preemptDelay } = before.settings
  const takeOverAt = heard.at + skewTime(version, priority, before.masterInterval)
  const soon = millis(Math.min(before.masterDownAt, takeOverAt))
  const router = withRival(before, heard.from, heard.priority)
  const isOwner = priority === ownerPriority
  const mayPreempt = (preempt || isOwner) && !router.standsBack && !router.isUnsure && !router.isUnheard
  if (heard.priority >= priority || !mayPreempt) return [followed(router, heard.at, heard.interval, heard.from), []]
  const text = `received lower priority (${heard.priority}) advert from ${heard.from} - discarding`
  const discarded = notice(router, 'lower-discarded', text)
  // A better master contradicts it, or will be missed: what this one says may be its last word.
  const { master } = router
  if (master !== null && master !== heard.from && (router.rivals.get(master) ?? 0) >= priority) {
    return [router, [discarded]]
  }
  const preemptAt = router.preemptAt ?? millis(heard.at + (isOwner ? 0 : preemptDelay))
  if (heard.at < preemptAt) {
    return [{ ...followed(router, heard.at, heard.interval, heard.from), preemptAt }, []]
  }
  // It is there and lower: waiting for its silence would serve nobody. The skew time lets the highest go first.
  return [{ ...router, master: heard.from, heardAt: heard.at, masterDownAt: soon, preemptAt }, [discarded]]
}

const stepFault = (router: In<'fault'>, event: Event): Step => {
  switch (event.event) {
    case 'deadline-reached':
      if (router.retryAt === null || event.at < router.retryAt) return [router, []]
      return recover({ ...router, retryAt: null }, event.at, 'trying again')
    case 'link-changed':
      if (!event.link.up) return [{ ...router, isLinked: false, retryAt: null }, []]
      return recover(
        { ...router, isLinked: true, isUnheard: false, retryAt: null, address: event.link.address },
        event.at,
        'link is up',
      )
    case 'hold-changed':
      return recover({ ...router, held: event.reason }, event.at, 'the sync group can take part again')
    case 'standing-changed': {
      const [changed, said] = withStanding(router, event)
      return after(said, recover(changed, event.at, 'what kept it from taking part is over'))
    }
    case 'handover-revoked':
      return [{ ...router, standsBack: false, isUnheard: false }, []]
    case 'reconfigured':
      return [{ ...withSettings(router, event), isUnheard: false }, []]
    case 'shutdown-requested':
      return [{ ...common(router), state: 'init' }, []]
    case 'started':
    case 'advertisement-received':
    case 'deaf-master-heard':
    case 'advertisement-sent':
    case 'advertisement-failed':
    case 'addresses-added':
    case 'addresses-failed':
    case 'address-lost':
    case 'group-moved':
    case 'handover-ordered':
      return [router, []]
    default:
      return event satisfies never
  }
}

const recover = (router: In<'fault'>, at: Millis, reason: string): Step => {
  const { isLinked, retryAt, held, failure } = router
  return isLinked && retryAt === null && held === null && failure === null
    ? enterBackup(router, at, reason)
    : [router, []]
}

/** Too long since it last did anything: another router may have taken over meanwhile, and said so. */
const isStalled = (router: In<'master'>, at: Millis): boolean => at - router.triedAt > ownMasterDown(router.settings)

/** Gives up the addresses before anything else is done or sent, then takes the event as the backup it is now. */
const fence = (router: In<'master'>, event: Event): Step => {
  const silence = Math.round(event.at - router.triedAt)
  const reason = `no advertisement went out for ${silence} ms: the process was suspended or starved`
  const [backup, fenced] = enterBackup(router, event.at, reason)
  return after([{ effect: 'remove-addresses' }, ...fenced], step(backup, event))
}

/** It should have gone or stayed so long ago that another one may have the addresses, whatever it has heard or not. */
const isOverdue = (router: In<'leaving'>, at: Millis): boolean => at - router.endsAt > ownMasterDown(router.settings)

/** Nobody stays master who was suspended while it left. */
const endLate = (router: In<'leaving'>, event: Event): Step => {
  const [gone, effects] = finish({ ...router, next: router.next === 'master' ? 'backup' : router.next }, event.at)
  // Nothing has hidden its addresses since.
  return after(effects, step(gone.state === 'backup' ? { ...gone, owesWord: true } : gone, event))
}

const earliest = (a: Millis | null, b: Millis | null): Millis | null =>
  a === null ? b : b === null ? a : earlier(a, b)

const earlier = (a: Millis, b: Millis): Millis => millis(Math.min(a, b))
