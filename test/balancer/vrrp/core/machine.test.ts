import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { initialRouter, nextDeadline, step } from '../../../../balancer/vrrp/core/machine.ts'
import type { Announcement, Event, Link, Settings, VirtualRouter } from '../../../../balancer/vrrp/core/state.ts'
import { brief } from './brief.ts'

const settings: Settings = {
  name: 'VI_1',
  version: 3,
  priority: 100,
  interval: millis(1000),
  preempt: true,
  preemptDelay: millis(0),
  announcements: { repeat: 5, delay: millis(5000), refresh: null, refreshRepeat: 1 },
}
const own = '192.0.2.5'
const [smaller, larger] = ['192.0.2.4', '192.0.2.10']
const at = millis(10_000)
const later = (delay: number) => millis(at + delay)

type Given = Partial<Omit<Settings, 'announcements'>> & {
  readonly masterDownAt?: number
  readonly advertiseAt?: number | null
  readonly provenAt?: number
  readonly renewedAt?: number
  readonly announcedAt?: number
  readonly announcements?: readonly Announcement[]
  readonly preemptAt?: number
  readonly held?: string
  readonly refresh?: number
}

const base = ({ version, priority, preempt, preemptDelay, refresh, held }: Given) => ({
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
  failure: null,
  standsBack: false,
  rivals: new Map<string, number>(),
})
const init = (given: Given = {}): VirtualRouter => ({
  ...initialRouter(base(given).settings),
  held: given.held ?? null,
})
const backup = (given: Given = {}): VirtualRouter => ({
  ...base(given),
  state: 'backup',
  masterInterval: millis(1000),
  masterDownAt: millis(given.masterDownAt ?? 13_000),
  preemptAt: given.preemptAt === undefined ? null : millis(given.preemptAt),
})
const master = (given: Given = {}): VirtualRouter => ({
  ...base(given),
  state: 'master',
  provenAt: millis(given.provenAt ?? 9500),
  advertiseAt: given.advertiseAt === null ? null : millis(given.advertiseAt ?? 10_500),
  renewedAt: millis(given.renewedAt ?? 9700),
  announcedAt: millis(given.announcedAt ?? 5000),
  announcements: given.announcements ?? [],
})
const fault = (retryAt: number | null = null, isLinked = retryAt !== null, held?: string): VirtualRouter => ({
  ...base(held === undefined ? {} : { held }),
  state: 'fault',
  isLinked,
  retryAt: retryAt === null ? null : millis(retryAt),
})

const started = (resume: boolean, link: Link = { up: true, address: own }): Event => ({
  at,
  event: 'started',
  resume,
  link,
})
const deadline: Event = { at, event: 'deadline-reached' }
const heard = (priority: number, from = larger, interval = 1000): Event => ({
  at,
  event: 'advertisement-received',
  from,
  priority,
  interval: millis(interval),
})
const sent: Event = { at, event: 'advertisement-sent' }
const added: Event = { at, event: 'addresses-added' }
const failed: Event = { at, event: 'addresses-failed', reason: 'EPERM' }
const lost: Event = { at, event: 'address-lost', address: '192.0.2.1' }
const up: Event = { at, event: 'link-changed', link: { up: true, address: '192.0.2.6' } }
const down: Event = { at, event: 'link-changed', link: { up: false, reason: 'eth0 is down' } }
const otherVersion: Event = {
  at,
  event: 'other-version-heard',
  from: larger,
  version: 2,
  interval: millis(1000),
}
const hold: Event = { at, event: 'hold-changed', reason: 'sync group G1: VI_2 is in fault' }
const release: Event = { at, event: 'hold-changed', reason: null }
const groupTo = (to: 'master' | 'backup'): Event => ({ at, event: 'group-moved', to, reason: `sync group G1: ${to}` })
const reconfigured: Event = { at, event: 'reconfigured', settings: { ...settings, priority: 120 } }
const shutdown: Event = { at, event: 'shutdown-requested' }

type Row = readonly [string, VirtualRouter, Event, Partial<VirtualRouter>, readonly string[]]

const once = (moment: number, copies = 1): Announcement => ({ at: millis(moment), copies })
const upcoming = [once(later(100)), once(later(1000)), once(later(5000), 5)]
const toBackup = '(VI_1) Entering BACKUP STATE'
const toMaster = '(VI_1) Entering MASTER STATE'
const toFault = '(VI_1) Entering FAULT STATE'
const full = 13_609.375

const table: readonly Row[] = [
  [
    'a start listens first and clears what a crash left',
    init(),
    started(false),
    { state: 'backup', address: own, masterDownAt: later(3609.375) },
    ['remove', `${toBackup} (init)`],
  ],
  [
    'a resumed master is master at once',
    init(),
    started(true),
    { state: 'master', advertiseAt: null, provenAt: at },
    [toMaster, 'add'],
  ],
  [
    'the address owner does not listen',
    init({ priority: 255 }),
    started(false),
    { state: 'master' },
    [toMaster, 'add'],
  ],
  [
    'a start without a link is a fault',
    init(),
    started(true, { up: false, reason: 'eth0 is down' }),
    { state: 'fault', retryAt: null },
    ['remove', toFault],
  ],

  [
    'silence makes a master, addresses first',
    backup({ masterDownAt: at }),
    deadline,
    { state: 'master', advertiseAt: null, provenAt: at },
    ['notice timeout', toMaster, 'add'],
  ],
  ['an early deadline changes nothing', backup(), deadline, backup(), []],
  ['a higher master is followed', backup(), heard(150), { state: 'backup', masterDownAt: millis(full) }, []],
  ['an equal master is followed', backup(), heard(100, smaller), { state: 'backup', masterDownAt: millis(full) }, []],
  [
    'version 3 takes over the interval of the master',
    backup(),
    heard(150, larger, 100),
    { state: 'backup', masterInterval: millis(100), masterDownAt: later(360.9375) },
    [],
  ],
  [
    'version 2 keeps its own interval',
    backup({ version: 2 }),
    heard(150, larger, 100),
    { state: 'backup', masterInterval: millis(1000), masterDownAt: millis(full) },
    [],
  ],
  ['a lower master is not followed', backup(), heard(50), backup({ preemptAt: at }), ['notice lower-discarded']],
  [
    'without preempt a lower master is followed',
    backup({ preempt: false }),
    heard(50),
    { state: 'backup', masterDownAt: millis(full) },
    [],
  ],
  [
    'the address owner always preempts',
    backup({ preempt: false, priority: 255 }),
    heard(254),
    { state: 'backup', masterDownAt: millis(13_000) },
    ['notice lower-discarded'],
  ],
  ['priority 0 leaves the skew time', backup(), heard(0), { state: 'backup', masterDownAt: later(609.375) }, []],
  [
    'priority 0 never makes it later',
    backup({ masterDownAt: 10_100 }),
    heard(0),
    { state: 'backup', masterDownAt: later(100) },
    [],
  ],
  ['a backup without a link is a fault', backup(), down, { state: 'fault', retryAt: null }, [toFault]],
  [
    'a new address of the interface is the new source',
    backup(),
    up,
    { state: 'backup', address: '192.0.2.6', masterDownAt: millis(13_000) },
    [],
  ],
  [
    'with a preempt delay a lower master is followed for a while',
    backup({ preemptDelay: millis(5000) }),
    heard(50),
    { state: 'backup', masterDownAt: millis(full), preemptAt: later(5000) },
    [],
  ],
  [
    'and no longer when the delay is over',
    backup({ preemptDelay: millis(5000), preemptAt: at }),
    heard(50),
    { state: 'backup', masterDownAt: millis(13_000), preemptAt: at },
    ['notice lower-discarded'],
  ],
  [
    'a higher master ends the delay',
    backup({ preemptDelay: millis(5000), preemptAt: 12_000 }),
    heard(150),
    { state: 'backup', preemptAt: null },
    [],
  ],
  [
    'a router of the other version is not taken over from while it speaks',
    backup(),
    otherVersion,
    { state: 'backup', masterDownAt: millis(full) },
    ['notice version-conflict'],
  ],
  ['a member of a sync group waits with the others', backup(), hold, { state: 'fault', isLinked: true }, [toFault]],
  ['a member that leads makes the others master', backup(), groupTo('master'), { state: 'master' }, [toMaster, 'add']],
  [
    'new settings apply without an election',
    backup(),
    reconfigured,
    { state: 'backup', settings: { ...settings, priority: 120 } },
    [],
  ],
  ['a backup stops silently', backup(), shutdown, { state: 'init' }, []],

  [
    'addresses that are there are announced, then advertised',
    master({ advertiseAt: null }),
    added,
    { state: 'master', advertiseAt: later(1000), announcements: upcoming },
    ['announce 5', 'advertise 100'],
  ],
  [
    'an address that is back is announced',
    master(),
    added,
    { state: 'master', advertiseAt: millis(10_500), announcedAt: at },
    ['announce 5'],
  ],
  [
    'a master advertises',
    master({ advertiseAt: at }),
    deadline,
    { state: 'master', advertiseAt: later(1000), renewedAt: millis(9700) },
    ['advertise 100'],
  ],
  [
    'a master renews its lease well within it',
    master({ advertiseAt: at, renewedAt: 9600 }),
    deadline,
    { state: 'master', renewedAt: at },
    ['advertise 100', 'renew'],
  ],
  [
    'a due announcement is repeated',
    master({ announcements: [once(9999), once(later(1))] }),
    deadline,
    { state: 'master', announcements: [once(later(1))] },
    ['announce 1'],
  ],
  ['an early deadline of a master changes nothing', master(), deadline, master(), []],
  ['what went out proves the master', master(), sent, { state: 'master', provenAt: at }, []],
  [
    'priority 0 is answered at once',
    master(),
    heard(0),
    { state: 'master', advertiseAt: later(1000) },
    ['advertise 100'],
  ],
  [
    'a higher master is yielded to',
    master(),
    heard(150, smaller),
    { state: 'backup', masterDownAt: millis(full) },
    ['remove', 'notice yielding', toBackup],
  ],
  [
    'a tie is won by the larger address',
    master(),
    heard(100, larger),
    { state: 'backup' },
    ['remove', 'notice yielding', toBackup],
  ],
  [
    'a tie is kept against the smaller address',
    master(),
    heard(100, smaller),
    { state: 'master' },
    ['notice contention', 'announce 1', 'advertise 100'],
  ],
  [
    'a lower master is contradicted at once',
    master(),
    heard(50),
    { state: 'master', advertiseAt: later(1000), announcedAt: at },
    ['notice contention', 'announce 1', 'advertise 100'],
  ],
  [
    'contention does not become a storm',
    master({ provenAt: 9910 }),
    heard(50),
    master({ provenAt: 9910 }),
    ['notice contention'],
  ],
  [
    'forced advertisements keep the lease too',
    master({ renewedAt: 9600, announcedAt: 9950 }),
    heard(50),
    { state: 'master', renewedAt: at },
    ['notice contention', 'advertise 100', 'renew'],
  ],
  [
    'contention does not flood the network with announcements',
    master({ announcedAt: 9950 }),
    heard(50),
    { state: 'master', announcedAt: millis(9950) },
    ['notice contention', 'advertise 100'],
  ],
  [
    'nothing is advertised before the addresses are there',
    master({ advertiseAt: null }),
    heard(50),
    master({ advertiseAt: null }),
    [],
  ],
  ['nor in answer to priority 0', master({ advertiseAt: null }), heard(0), master({ advertiseAt: null }), []],
  [
    'the addresses cannot be added: a fault that tries again',
    master({ advertiseAt: null }),
    failed,
    { state: 'fault', retryAt: millis(full) },
    ['remove', toFault],
  ],
  [
    'the addresses cannot be kept: resign, then fault',
    master(),
    failed,
    { state: 'fault', retryAt: millis(full) },
    ['advertise 0', 'remove', toFault],
  ],
  [
    'an address that something removed is put back without an election',
    master(),
    lost,
    { state: 'master', advertiseAt: millis(10_500) },
    ['notice address-lost', 'add'],
  ],
  [
    'a master without a link is a fault and says nothing',
    master(),
    down,
    { state: 'fault', retryAt: null },
    ['remove', toFault],
  ],
  ['a master survives a new address of its interface', master(), up, { state: 'master', address: '192.0.2.6' }, []],
  [
    'two address owners are a mistake that is named',
    master({ priority: 255 }),
    heard(255),
    { state: 'backup' },
    ['remove', 'notice two-owners', 'notice yielding', toBackup],
  ],
  [
    'and the one with the larger address stays',
    master({ priority: 255 }),
    heard(255, smaller),
    { state: 'master' },
    ['notice two-owners', 'notice contention', 'announce 1', 'advertise 255'],
  ],
  [
    'a master yields to one that cannot hear it',
    master(),
    otherVersion,
    { state: 'backup', masterDownAt: millis(full) },
    ['remove', 'notice version-conflict', toBackup],
  ],
  [
    'a master resigns when its sync group cannot take part',
    master(),
    hold,
    { state: 'fault', isLinked: true },
    ['advertise 0', 'remove', toFault],
  ],
  [
    'a master resigns when its sync group yields',
    master(),
    groupTo('backup'),
    { state: 'backup' },
    ['advertise 0', 'remove', toBackup],
  ],
  [
    'new settings of a master: its addresses are set, and it advertises at once',
    master(),
    reconfigured,
    { state: 'master', advertiseAt: at, settings: { ...settings, priority: 120 } },
    ['add'],
  ],
  [
    'announcements are refreshed when that is wanted',
    master({ announcements: [once(at, 5)], refresh: 60_000 }),
    deadline,
    { state: 'master', announcements: [once(later(60_000))] },
    ['announce 5'],
  ],
  [
    'a master resigns before it takes its addresses away',
    master(),
    shutdown,
    { state: 'init' },
    ['advertise 0', 'remove', '(VI_1) sent 0 priority'],
  ],
  [
    'who never advertised need not resign',
    master({ advertiseAt: null }),
    shutdown,
    { state: 'init' },
    ['remove', '(VI_1) sent 0 priority'],
  ],
  [
    'a stalled master fences itself before it advertises',
    master({ advertiseAt: 6000, provenAt: 5000 }),
    deadline,
    { state: 'backup', masterDownAt: millis(full) },
    ['remove', toBackup],
  ],
  [
    'a stalled master that was replaced follows',
    master({ provenAt: 5000 }),
    heard(50),
    { state: 'backup' },
    ['remove', toBackup, 'notice lower-discarded'],
  ],
  [
    'a stalled master does not put an address back',
    master({ provenAt: 5000 }),
    lost,
    { state: 'backup' },
    ['remove', toBackup],
  ],
  [
    'a master that was long in getting its addresses fences itself',
    master({ advertiseAt: null, provenAt: 5000 }),
    added,
    { state: 'backup' },
    ['remove', toBackup],
  ],
  [
    'a stalled master stops without a word',
    master({ provenAt: 5000 }),
    shutdown,
    { state: 'init' },
    ['remove', toBackup],
  ],

  [
    'a link that is back is listened to',
    fault(),
    up,
    { state: 'backup', address: '192.0.2.6', masterDownAt: millis(full) },
    [toBackup],
  ],
  ['a fault that tries again listens', fault(at), deadline, { state: 'backup' }, [toBackup]],
  ['a held router does not start', init({ held: 'group' }), started(true), { state: 'fault' }, ['remove', toFault]],
  [
    'a hold before the start is remembered',
    init(),
    hold,
    { state: 'init', held: 'sync group G1: VI_2 is in fault' },
    [],
  ],
  ['new settings before the start', init(), reconfigured, { settings: { ...settings, priority: 120 } }, []],
  ['a member whose group is well again listens', fault(null, true, 'group'), release, { state: 'backup' }, [toBackup]],
  ['but not without a link', fault(null, false, 'group'), release, fault(), []],
  [
    'a link alone is not enough for a held member',
    fault(null, false, 'group'),
    up,
    { state: 'fault', isLinked: true },
    [],
  ],
  ['new settings in fault', fault(), reconfigured, { state: 'fault', settings: { ...settings, priority: 120 } }, []],
  ['a fault waits', fault(10_001), deadline, fault(10_001), []],
  ['without a link there is nothing to try', fault(10_001), down, fault(), []],
  ['a fault stops silently', fault(), shutdown, { state: 'init' }, []],
]

const ignored: readonly (readonly [VirtualRouter, readonly Event[]])[] = [
  [
    init(),
    [deadline, heard(0), heard(255), otherVersion, sent, added, failed, lost, up, down, groupTo('master'), shutdown],
  ],
  [backup(), [started(true), sent, added, failed, lost, release, groupTo('backup')]],
  [master(), [started(true), release, groupTo('master')]],
  [
    fault(),
    [
      started(true),
      heard(0),
      heard(50),
      heard(255),
      otherVersion,
      sent,
      added,
      failed,
      lost,
      deadline,
      groupTo('master'),
    ],
  ],
]

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

t.test('the tables cover every event in every state', async (t) => {
  const covered = new Set([
    ...table.map(([, { state }, { event }]) => `${state} ${event}`),
    ...ignored.flatMap(([{ state }, events]) => events.map(({ event }) => `${state} ${event}`)),
  ])
  const events = [
    started(false),
    deadline,
    heard(1),
    otherVersion,
    sent,
    added,
    failed,
    lost,
    up,
    hold,
    groupTo('master'),
    reconfigured,
    shutdown,
  ].map(({ event }) => event)
  for (const state of ['init', 'backup', 'master', 'fault']) {
    for (const event of events) t.ok(covered.has(`${state} ${event}`), `${state} ${event}`)
  }
})

t.test('the log says why a master fenced itself', async (t) => {
  const [, effects] = step(master({ advertiseAt: 6000, provenAt: 5000 }), deadline)
  t.match(effects, [
    {},
    { reason: 'no advertisement went out for 5000 ms: the process was suspended or starved, or cannot send' },
  ])
})

t.test('the next deadline is the earliest of what is due', async (t) => {
  t.equal(nextDeadline(init()), null)
  t.equal(nextDeadline(backup()), 13_000)
  t.equal(nextDeadline(master()), 10_500)
  t.equal(nextDeadline(master({ announcements: [once(10_100)] })), 10_100)
  t.equal(nextDeadline(master({ advertiseAt: null })), null)
  t.equal(nextDeadline(fault(11_000)), 11_000)
  t.equal(nextDeadline(fault()), null)
})
