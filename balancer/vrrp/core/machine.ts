// The state machine of one virtual router (RFC 9568 section 6.4, with keepalived's words and what its users suffered from).
// Addresses come first, then their announcement, and only then the first advertisement: a hand-over leaves no gap.

import { type Millis, millis } from '../../core/time.ts'
import { addressNumber } from './ipv4.ts'
import type { Effect, Event, In, Settings, Step, VirtualRouter } from './state.ts'
import { announcementDelays, leaseSeconds, masterDownInterval, renewalInterval, skewTime } from './timers.ts'

const ownerPriority = 255
const copiesAtOnce = 5
const resigning = 0
/** The part of an interval that must have passed before an advertisement is forced: two stubborn masters make no storm. */
const forcedAfter = 1 / 10

/** A virtual router before its start. */
export const initialRouter = (settings: Settings): VirtualRouter => ({ settings, address: '0.0.0.0', state: 'init' })

/** When the router has to be woken with `deadline-reached`; null when only other events can move it. */
export const nextDeadline = (router: VirtualRouter): Millis | null => {
  switch (router.state) {
    case 'init':
      return null
    case 'backup':
      return router.masterDownAt
    case 'master':
      return earliest(router.advertiseAt, router.announceAt[0] ?? null)
    case 'fault':
      return router.retryAt
    default:
      return router satisfies never
  }
}

/** The master down interval of this router as others with its settings see it. */
export const ownMasterDown = ({ version, priority, interval }: Settings): Millis =>
  masterDownInterval(version, priority, interval)

/** One event. Early deadlines and events without meaning in a state change nothing. */
export const step = (router: VirtualRouter, event: Event): Step => {
  switch (router.state) {
    case 'init':
      return event.event === 'started' ? start(router, event) : [router, []]
    case 'backup':
      return stepBackup(router, event)
    case 'master':
      return isStalled(router, event.at) ? fence(router, event) : stepMaster(router, event)
    case 'fault':
      return stepFault(router, event)
    default:
      return router satisfies never
  }
}

const start = (router: VirtualRouter, event: Extract<Event, { event: 'started' }>): Step => {
  const cleanUp: Effect = { effect: 'remove-addresses' }
  if (!event.link.up) return then([cleanUp], enterFault(router, event.link.reason, null))
  const linked = { ...router, address: event.link.address }
  if (event.resume) return enterMaster(linked, event.at, 'restarted as master')
  if (router.settings.priority === ownerPriority) return enterMaster(linked, event.at, 'address owner')
  return then([cleanUp], enterBackup(linked, event.at, 'started', ' (init)'))
}

const stepBackup = (router: In<'backup'>, event: Event): Step => {
  const { name, version, priority, preempt } = router.settings
  switch (event.event) {
    case 'deadline-reached':
      if (event.at < router.masterDownAt) return [router, []]
      return then(
        [{ effect: 'report-notice', about: 'timeout', text: `(${name}) Receive advertisement timeout` }],
        enterMaster(router, event.at, 'no advertisement heard'),
      )
    case 'advertisement-received': {
      if (event.priority === resigning) {
        const takeOverAt = event.at + skewTime(version, priority, router.masterInterval)
        return [{ ...router, masterDownAt: millis(Math.min(router.masterDownAt, takeOverAt)) }, []]
      }
      if (event.priority < priority && (preempt || priority === ownerPriority)) {
        const text = `(${name}) received lower priority (${event.priority}) advert from ${event.from} - discarding`
        return [router, [{ effect: 'report-notice', about: 'lower-discarded', text }]]
      }
      return [followed(router, event.at, event.interval), []]
    }
    case 'link-changed':
      if (!event.link.up) return enterFault(router, event.link.reason, null)
      return [{ ...router, address: event.link.address }, []]
    case 'shutdown-requested':
      return [{ ...common(router), state: 'init' }, []]
    case 'started':
    case 'advertisement-sent':
    case 'addresses-added':
    case 'addresses-failed':
    case 'address-lost':
      return [router, []]
    default:
      return event satisfies never
  }
}

const stepMaster = (router: In<'master'>, event: Event): Step => {
  const { settings } = router
  switch (event.event) {
    case 'deadline-reached':
      return keepUp(router, event.at)
    case 'advertisement-received':
      return contend(router, event)
    case 'advertisement-sent':
      return [{ ...router, provenAt: event.at }, []]
    case 'addresses-added': {
      const announced = announce(router, event.at)
      const effects: readonly Effect[] = [{ effect: 'announce-addresses', copies: copiesAtOnce }]
      return router.advertiseAt === null ? then(effects, advertise(announced, event.at)) : [announced, effects]
    }
    case 'addresses-failed': {
      const retryAt = millis(event.at + ownMasterDown(settings))
      return resign(router, enterFault(router, event.reason, retryAt))
    }
    case 'address-lost': {
      const text = `(${settings.name}) something removed ${event.address}, putting it back`
      const notice: Effect = { effect: 'report-notice', about: 'address-lost', text }
      return [router, [notice, { effect: 'add-addresses', lease: leaseOf(settings) }]]
    }
    case 'link-changed':
      if (event.link.up) return [{ ...router, address: event.link.address }, []]
      return then([{ effect: 'remove-addresses' }], enterFault(router, event.link.reason, null))
    case 'shutdown-requested': {
      const report: Effect = {
        effect: 'report-transition',
        text: `(${settings.name}) sent 0 priority`,
        reason: 'shutdown requested',
      }
      return resign(router, [{ ...common(router), state: 'init' }, [report]])
    }
    case 'started':
      return [router, []]
    default:
      return event satisfies never
  }
}

const stepFault = (router: In<'fault'>, event: Event): Step => {
  switch (event.event) {
    case 'deadline-reached':
      if (router.retryAt === null || event.at < router.retryAt) return [router, []]
      return enterBackup(router, event.at, 'trying again', '')
    case 'link-changed':
      if (!event.link.up) return [{ ...router, retryAt: null }, []]
      return enterBackup({ ...router, address: event.link.address }, event.at, 'link is up', '')
    case 'shutdown-requested':
      return [{ ...common(router), state: 'init' }, []]
    case 'started':
    case 'advertisement-received':
    case 'advertisement-sent':
    case 'addresses-added':
    case 'addresses-failed':
    case 'address-lost':
      return [router, []]
    default:
      return event satisfies never
  }
}

const enterBackup = (router: VirtualRouter, at: Millis, reason: string, remark: string): Step => {
  const { name, interval } = router.settings
  const report: Effect = { effect: 'report-transition', text: `(${name}) Entering BACKUP STATE${remark}`, reason }
  return [followed(router, at, interval), [report]]
}

const enterMaster = (router: VirtualRouter, at: Millis, reason: string): Step => {
  const { settings } = router
  const master: VirtualRouter = {
    ...common(router),
    state: 'master',
    provenAt: at,
    advertiseAt: null,
    renewedAt: at,
    announcedAt: at,
    announceAt: [],
  }
  return [
    master,
    [
      { effect: 'report-transition', text: `(${settings.name}) Entering MASTER STATE`, reason },
      { effect: 'add-addresses', lease: leaseOf(settings) },
    ],
  ]
}

const enterFault = (router: VirtualRouter, reason: string, retryAt: Millis | null): Step => [
  { ...common(router), state: 'fault', retryAt },
  [{ effect: 'report-transition', text: `(${router.settings.name}) Entering FAULT STATE`, reason }],
]

/** Too long since the others last heard of this master: one of them may have taken over meanwhile. */
const isStalled = (router: In<'master'>, at: Millis): boolean => at - router.provenAt > ownMasterDown(router.settings)

/** Gives up the addresses before anything else is done or sent, then takes the event as the backup it is now. */
const fence = (router: In<'master'>, event: Event): Step => {
  const silence = Math.round(event.at - router.provenAt)
  const reason = `no advertisement went out for ${silence} ms: the process was suspended or starved, or cannot send`
  const [backup, fenced] = enterBackup(router, event.at, reason, '')
  return then([{ effect: 'remove-addresses' }, ...fenced], step(backup, event))
}

/** What a master does as time passes: announce again, advertise. */
const keepUp = (router: In<'master'>, at: Millis): Step => {
  const announceAt = router.announceAt.filter((moment) => moment > at)
  const isAnnounceDue = announceAt.length < router.announceAt.length
  const effects: Effect[] = isAnnounceDue ? [{ effect: 'announce-addresses', copies: 1 }] : []
  const kept = isAnnounceDue ? { ...router, announceAt, announcedAt: at } : router
  if (router.advertiseAt === null || at < router.advertiseAt) return [kept, effects]
  return then(effects, advertise(kept, at))
}

/** A master heard another one. */
const contend = (router: In<'master'>, heard: Extract<Event, { event: 'advertisement-received' }>): Step => {
  const { name, priority } = router.settings
  if (heard.priority === resigning) return router.advertiseAt === null ? [router, []] : advertise(router, heard.at)

  const yields =
    heard.priority > priority ||
    (heard.priority === priority && addressNumber(heard.from) > addressNumber(router.address))
  if (yields) {
    const relation = heard.priority > priority ? 'higher' : 'same'
    const text = `(${name}) Master received advert from ${heard.from} with ${relation} priority ${heard.priority}, ours ${priority}`
    const [backup, effects] = enterBackup(router, heard.at, text, '')
    return [
      followed(backup, heard.at, heard.interval),
      [{ effect: 'remove-addresses' }, { effect: 'report-notice', about: 'yielding', text }, ...effects],
    ]
  }
  if (router.advertiseAt === null) return [router, []]
  const text = `(${name}) Received advert from ${heard.from} with lower priority ${heard.priority}, ours ${priority}, forcing new election`
  const notice: Effect = { effect: 'report-notice', about: 'contention', text }
  if (heard.at - router.provenAt < router.settings.interval * forcedAfter) return [router, [notice]]
  const [pause = 0] = announcementDelays
  if (heard.at - router.announcedAt < pause) return then([notice], advertise(router, heard.at))
  return then([notice, { effect: 'announce-addresses', copies: 1 }], advertise(announce(router, heard.at), heard.at))
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

const announce = (router: In<'master'>, at: Millis): In<'master'> => ({
  ...router,
  announcedAt: at,
  announceAt: announcementDelays.map((delay) => millis(at + delay)),
})

/** The addresses go after the priority 0 that lets a backup take over within its skew time. */
const resign = (router: In<'master'>, [next, effects]: Step): Step => {
  const farewell: Effect = { effect: 'send-advertisement', priority: resigning }
  return [next, [...(router.advertiseAt === null ? [] : [farewell]), { effect: 'remove-addresses' }, ...effects]]
}

const followed = (router: VirtualRouter, at: Millis, announced: Millis): VirtualRouter => {
  const { version, priority, interval } = router.settings
  const masterInterval = version === 3 ? announced : interval
  const masterDownAt = millis(at + masterDownInterval(version, priority, masterInterval))
  return { ...common(router), state: 'backup', masterInterval, masterDownAt }
}

const common = ({ settings, address }: VirtualRouter) => ({ settings, address })

const leaseOf = (settings: Settings): number => leaseSeconds(ownMasterDown(settings))

const then = (first: readonly Effect[], [router, effects]: Step): Step => [router, [...first, ...effects]]

const earliest = (a: Millis | null, b: Millis | null): Millis | null =>
  a === null ? b : b === null ? a : millis(Math.min(a, b))
