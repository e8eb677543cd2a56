// Routers in every state and what happens to them at 10 s, for tables of transitions; and how such a table is checked.

import type { Test } from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { initialRouter, step } from '../../../../balancer/vrrp/core/machine.ts'
import type {
  Announcement,
  Event,
  Happening,
  Leaving,
  Link,
  Settings,
  VirtualRouter,
} from '../../../../balancer/vrrp/core/state.ts'
import { brief } from './brief.ts'

export const settings: Settings = {
  name: 'VI_1',
  version: 3,
  priority: 100,
  interval: millis(1000),
  preempt: true,
  preemptDelay: millis(0),
  announcements: { repeat: 5, delay: millis(5000), refresh: null, refreshRepeat: 1 },
}
export const own = '192.0.2.5'
export const [smaller, larger] = ['192.0.2.4', '192.0.2.10']
export const at = millis(10_000)
export const later = (delay: number) => millis(at + delay)
/** The end of a master down interval that begins now, and of a skew time. */
export const [full, skewed] = [13_609.375, 10_609.375]

/** What is not as usual; moments are milliseconds. */
export type Given = Partial<Omit<Settings, 'announcements'>> & {
  readonly master?: string
  readonly heardAt?: number
  readonly masterDownAt?: number
  readonly advertiseAt?: number | null
  readonly isStaying?: boolean
  readonly provenAt?: number
  readonly triedAt?: number
  readonly renewedAt?: number
  readonly announcedAt?: number
  readonly answeredAt?: number
  readonly predecessor?: string
  readonly owesWord?: boolean
  readonly announcements?: readonly Announcement[]
  readonly preemptAt?: number
  readonly held?: string
  readonly failure?: string
  readonly isUnsure?: boolean
  readonly sharedLoss?: number
  readonly isUnheard?: boolean
  readonly standsBack?: boolean
  readonly rivals?: Readonly<Record<string, number>>
  readonly refresh?: number
  readonly next?: Leaving['next']
  readonly reason?: string
  readonly since?: number
  readonly advertised?: number
  readonly endsAt?: number
  readonly isLinked?: boolean
  readonly retryAt?: number
}

const base = ({
  version,
  priority,
  preempt,
  preemptDelay,
  refresh,
  held,
  failure,
  isUnsure,
  sharedLoss,
  isUnheard,
  standsBack,
  rivals,
}: Given) => ({
  settings: {
    ...settings,
    version: version ?? settings.version,
    priority: priority ?? settings.priority,
    preempt: preempt ?? settings.preempt,
    preemptDelay: preemptDelay ?? settings.preemptDelay,
    announcements: { ...settings.announcements, refresh: refresh === undefined ? null : millis(refresh) },
  },
  address: own,
  held: held ?? null,
  failure: failure ?? null,
  isUnsure: isUnsure ?? false,
  sharedLoss: sharedLoss ?? 0,
  isUnheard: isUnheard ?? false,
  standsBack: standsBack ?? false,
  rivals: new Map(Object.entries(rivals ?? {})),
})
export const init = (given: Given = {}): VirtualRouter => ({
  ...initialRouter(base(given).settings),
  held: given.held ?? null,
  failure: given.failure ?? null,
})
export const backup = (given: Given = {}): VirtualRouter => ({
  ...base(given),
  state: 'backup',
  master: given.master ?? null,
  heardAt: millis(given.heardAt ?? 9500),
  masterInterval: millis(1000),
  masterDownAt: millis(given.masterDownAt ?? 13_000),
  preemptAt: given.preemptAt === undefined ? null : millis(given.preemptAt),
  owesWord: given.owesWord ?? false,
})
export const master = (given: Given = {}): VirtualRouter => ({
  ...base(given),
  state: 'master',
  provenAt: millis(given.provenAt ?? 9500),
  triedAt: millis(given.triedAt ?? given.provenAt ?? 9500),
  isStaying: given.isStaying ?? false,
  advertiseAt: given.advertiseAt === null ? null : millis(given.advertiseAt ?? 10_500),
  renewedAt: millis(given.renewedAt ?? 9700),
  announcedAt: millis(given.announcedAt ?? 5000),
  answeredAt: given.answeredAt === undefined ? null : millis(given.answeredAt),
  predecessor: given.predecessor ?? null,
  announcements: given.announcements ?? [],
})
export const leaving = (given: Given = {}): VirtualRouter => ({
  ...base(given),
  state: 'leaving',
  next: given.next ?? 'master',
  reason: given.reason ?? 'the effective priority is only 100',
  since: millis(given.since ?? 8500),
  advertised: given.advertised ?? base(given).settings.priority,
  endsAt: millis(given.endsAt ?? 12_000),
})
export const fault = ({ isLinked, retryAt, ...given }: Given = {}): VirtualRouter => ({
  ...base(given),
  state: 'fault',
  isLinked: isLinked ?? retryAt !== undefined,
  retryAt: retryAt === undefined ? null : millis(retryAt),
})

export const started = (resume: boolean, link: Link = { up: true, address: own }): Event => ({
  at,
  event: 'started',
  resume,
  link,
})
export const deadline: Event = { at, event: 'deadline-reached' }
export const heard = (priority: number, from = larger, interval = 1000): Event => ({
  at,
  event: 'advertisement-received',
  from,
  priority,
  interval: millis(interval),
})
export const sent: Event = { at, event: 'advertisement-sent' }
export const notSent: Event = { at, event: 'advertisement-failed' }
export const added: Event = { at, event: 'addresses-added' }
export const failed: Event = { at, event: 'addresses-failed', reason: 'EPERM' }
export const lost: Event = { at, event: 'address-lost', address: '192.0.2.1' }
export const up: Event = { at, event: 'link-changed', link: { up: true, address: '192.0.2.6' } }
export const down: Event = { at, event: 'link-changed', link: { up: false, reason: 'eth0 is down' } }
export const otherVersion = {
  at,
  event: 'deaf-master-heard',
  from: larger,
  priority: 100,
  interval: millis(1000),
  differs: 'speaks version 2, ours is 3',
  isYieldedTo: true,
} as const satisfies Event
/** One that differs in something else, or says that it goes. */
export const unlike = (priority: number, interval = 1000): Event => ({
  ...otherVersion,
  priority,
  interval: millis(interval),
  differs: 'has the advertisement interval 2000 ms, ours is 1000 ms',
  isYieldedTo: false,
})
export const hold: Event = { at, event: 'hold-changed', reason: 'sync group G1: VI_2 is in fault' }
export const release: Event = { at, event: 'hold-changed', reason: null }
export const groupTo = (to: 'master' | 'backup'): Event => ({
  at,
  event: 'group-moved',
  to,
  reason: `sync group G1: ${to}`,
})
export const weighs = (priority: number, sharedLoss = 0): Event => ({
  at,
  event: 'standing-changed',
  priority,
  fault: null,
  isPlanned: false,
  sharedLoss,
})
export const broken: Event = {
  at,
  event: 'standing-changed',
  priority: 100,
  fault: 'chk_disk fails',
  isPlanned: false,
}
export const maintenance: Event = {
  at,
  event: 'standing-changed',
  priority: 100,
  fault: 'maintenance',
  isPlanned: true,
}
export const ordered: Event = { at, event: 'handover-ordered' }
export const revoked: Event = { at, event: 'handover-revoked' }
export const reconfigured: Event = { at, event: 'reconfigured', settings: { ...settings, priority: 120 } }
/** The same settings, but all addresses are other ones, of which the larger address is master with this priority. */
export const regrouped = (priority: number | null): Event => ({
  at,
  event: 'reconfigured',
  settings,
  regrouping: { master: priority === null ? null : { from: larger, priority, interval: millis(1000) } },
})
export const shutdown: Event = { at, event: 'shutdown-requested' }

export const once = (moment: number, copies = 1): Announcement => ({ at: millis(moment), copies })
export const upcoming = [once(later(100)), once(later(1000)), once(later(5000), 5)]
export const toBackup = '(VI_1) Entering BACKUP STATE'
export const toMaster = '(VI_1) Entering MASTER STATE'
export const toFault = '(VI_1) Entering FAULT STATE'
export const toInit = '(VI_1) sent 0 priority'
/** What a master does that leaves, and what a router does that has left. */
export const [leaves, letsGo] = [
  ['renew', 'hide', 'advertise 0', 'notice hand-over'],
  ['remove', 'advertise 0'],
]

/** What is shown, the router before, what happens, the router after as far as it matters, and the effects. */
export type Row = readonly [string, VirtualRouter, Event, Partial<VirtualRouter>, readonly string[]]
/** What means nothing to a router. */
export type Ignored = readonly [VirtualRouter, readonly Event[]]

const kinds: Readonly<Record<Happening['event'], 'ordinary' | 'standing'>> = {
  started: 'ordinary',
  'deadline-reached': 'ordinary',
  'advertisement-received': 'ordinary',
  'deaf-master-heard': 'ordinary',
  'advertisement-sent': 'ordinary',
  'advertisement-failed': 'ordinary',
  'addresses-added': 'ordinary',
  'addresses-failed': 'ordinary',
  'address-lost': 'ordinary',
  'link-changed': 'ordinary',
  'hold-changed': 'ordinary',
  'standing-changed': 'standing',
  'handover-ordered': 'standing',
  'handover-revoked': 'standing',
  'group-moved': 'ordinary',
  reconfigured: 'ordinary',
  'shutdown-requested': 'ordinary',
}

/** A table is right, and has every event of some kinds in some states. */
export const checkTable = (
  t: Test,
  table: readonly Row[],
  ignored: readonly Ignored[],
  states: readonly VirtualRouter['state'][],
  covers: readonly ('ordinary' | 'standing')[],
): void => {
  t.test('every transition', async (t) => {
    for (const [name, before, event, expected, effects] of table) {
      const [after, wanted] = step(before, event)
      t.match(after, expected, name)
      t.same(wanted.map(brief), effects, `${name}: ${effects.join(', ') || 'nothing to do'}`)
    }
  })
  t.test('events without a meaning in a state change nothing', async (t) => {
    for (const [before, events] of ignored) {
      for (const event of events) t.same(step(before, event), [before, []], `${before.state} ignores ${event.event}`)
    }
  })
  t.test('the tables cover every event', async (t) => {
    const covered = new Set([
      ...table.map(([, { state }, { event }]) => `${state} ${event}`),
      ...ignored.flatMap(([{ state }, events]) => events.map(({ event }) => `${state} ${event}`)),
    ])
    for (const state of states) {
      for (const [event, kind] of Object.entries(kinds)) {
        if (covers.includes(kind)) t.ok(covered.has(`${state} ${event}`), `${state} ${event}`)
      }
    }
  })
}
