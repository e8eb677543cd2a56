// The state machine while it hands over: it has said priority 0, and keeps the addresses until another router has them.

import type { Millis } from '../../core/time.ts'
import type { Event, In, Step } from './state.ts'
import { skewTime } from './timers.ts'
import {
  after,
  common,
  conflictNotice,
  enterBackup,
  enterFault,
  followed,
  isOutranked,
  letGo,
  outranks,
  stay,
  withRival,
  withSettings,
  withStanding,
} from './transitions.ts'

const resigning = 0
const backInGroup = 'the sync group can take part again'

/** One event of a router that leaves. */
export const stepLeaving = (router: In<'leaving'>, event: Event): Step => {
  switch (event.event) {
    case 'deadline-reached':
      return event.at < router.endsAt ? [router, []] : finish(router, event.at)
    case 'advertisement-received':
      return meet(router, event)
    case 'deaf-master-heard': {
      if (event.priority === resigning) return [router, []]
      const conflict = conflictNotice(router, event)
      return after([conflict], succeeded(router, event, conflict.text))
    }
    case 'link-changed':
      if (event.link.up) return [{ ...router, address: event.link.address }, []]
      return after(
        [{ effect: 'remove-addresses' }],
        router.next === 'init' ? toInit(router) : enterFault(router, event.link.reason, { isLinked: false }),
      )
    case 'hold-changed': {
      const held = { ...router, held: event.reason }
      if (event.reason === null) {
        return router.next === 'fault' && router.failure === null ? stay(held, event.at, backInGroup) : [held, []]
      }
      // Its group is maintained like itself: the first that has a successor does not break off the hand-over of the others.
      if (router.next === 'fault') return [held, []]
      return finish({ ...held, next: unlessInit(router, 'fault') }, event.at)
    }
    case 'standing-changed':
      return reconsiderStanding(router, event)
    case 'handover-ordered':
      return [{ ...router, standsBack: true }, []]
    case 'handover-revoked':
      return stayIfBest({ ...router, standsBack: false }, event.at, 'the hand-over was revoked')
    case 'group-moved':
      if (event.to === 'backup') return [{ ...router, next: router.next === 'master' ? 'backup' : router.next }, []]
      return router.next === 'backup' ? stay(router, event.at, event.reason) : [router, []]
    case 'reconfigured':
      return [withSettings(router, event), []]
    case 'shutdown-requested':
      return [{ ...router, next: 'init', reason: 'shutdown requested' }, []]
    case 'started':
    case 'advertisement-sent':
    case 'advertisement-failed':
    case 'addresses-added':
    case 'addresses-failed':
    case 'address-lost':
      return [router, []]
    default:
      return event satisfies never
  }
}

/** Another master was heard: the successor, unless this router only yielded to a better one and this is none. */
const meet = (router: In<'leaving'>, heard: Extract<Event, { event: 'advertisement-received' }>): Step => {
  if (heard.priority === resigning) return [withRival(router, heard.from, null), []]
  const known = withRival(router, heard.from, heard.priority)
  const { priority } = router.settings
  if (router.next === 'master' && !router.standsBack && !outranks(heard, router.address, priority)) {
    return stay(known, heard.at, `${heard.from} has the lower priority ${heard.priority}, ours ${priority}`)
  }
  const mayGoBack = !outranks(heard, router.address, router.advertised)
  if (mayGoBack && heard.at < earliestAnswer(router, heard.priority)) return [known, []]
  return succeeded(known, heard, `${heard.from} took over (${router.reason})`)
}

/**
 * Before its skew time has passed a router cannot have answered the priority 0: what it says has crossed with the last
 * advertisement of this router, and it goes back if that one was better. `skewPart` is for clocks that do not agree.
 */
const earliestAnswer = (router: In<'leaving'>, priority: number): number =>
  router.since + skewPart * skewTime(router.settings.version, priority, router.settings.interval)

const skewPart = 0.9

/** Another router is master now, with this advertisement interval. */
const succeeded = (
  router: In<'leaving'>,
  { at, interval, from }: { readonly at: Millis; readonly interval: Millis; readonly from: string },
  reason: string,
): Step => {
  if (router.next === 'init') return letGo(toInit(router))
  if (router.next === 'fault') return letGo(enterFault(router, router.reason, { isLinked: true }))
  const [backup, effects] = enterBackup(router, at, reason)
  return letGo([followed(backup, at, interval, from), effects])
}

/** Nobody came: it becomes what it left for. */
export const finish = (router: In<'leaving'>, at: Millis): Step => {
  switch (router.next) {
    case 'master':
      return stay(router, at, 'no other router took over')
    case 'init':
      return letGo(toInit(router))
    case 'fault':
      return letGo(enterFault(router, router.held ?? router.reason, { isLinked: true }))
    case 'backup':
      return letGo(enterBackup(router, at, router.reason))
    default:
      return router.next satisfies never
  }
}

const reconsiderStanding = (router: In<'leaving'>, event: Extract<Event, { event: 'standing-changed' }>): Step => {
  const [changed, said] = withStanding(router, event)
  if (event.fault !== null) {
    const going = { ...changed, next: unlessInit(router, 'fault'), reason: event.fault } as const
    // A host that does not serve does not wait.
    return event.isPlanned ? [going, said] : after(said, finish(going, event.at))
  }
  if (router.next === 'fault' && router.failure !== null && router.held === null) {
    return after(said, stay(changed, event.at, 'what kept it from taking part is over'))
  }
  return after(said, stayIfBest(changed, event.at, `the effective priority is ${event.priority} again`))
}

/** Whoever only yielded and is the best again stays. */
const stayIfBest = (router: In<'leaving'>, at: Millis, reason: string): Step =>
  router.next === 'master' && !router.standsBack && !isOutranked(router) ? stay(router, at, reason) : [router, []]

const unlessInit = (router: In<'leaving'>, next: 'fault'): 'fault' | 'init' => (router.next === 'init' ? 'init' : next)

const toInit = (router: In<'leaving'>): Step => [
  { ...common(router), state: 'init' },
  [{ effect: 'report-transition', text: `(${router.settings.name}) sent 0 priority`, reason: router.reason }],
]
