import t from 'tap'
import { millis } from '../../../../balancer/core/time.ts'
import { nextDeadline } from '../../../../balancer/vrrp/core/machine.ts'
import {
  added,
  at,
  backup,
  checkTable,
  deadline,
  down,
  failed,
  fault,
  full,
  groupTo,
  heard,
  hold,
  type Ignored,
  init,
  larger,
  later,
  leaving,
  lost,
  master,
  once,
  otherVersion,
  own,
  type Row,
  reconfigured,
  release,
  sent,
  settings,
  shutdown,
  skewed,
  smaller,
  started,
  toBackup,
  toFault,
  toMaster,
  up,
} from './routers.ts'

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
  [
    'a lower master is not followed: it is taken over from in a skew time, so that the highest goes first',
    backup(),
    heard(50),
    backup({ master: larger, heardAt: at, masterDownAt: skewed, preemptAt: at, rivals: { [larger]: 50 } }),
    ['notice lower-discarded'],
  ],
  [
    'but not beside a better one that is followed: that one will contradict it',
    backup({ master: smaller, rivals: { [smaller]: 150 } }),
    heard(50),
    { state: 'backup', master: smaller, masterDownAt: millis(13_000), preemptAt: null },
    ['notice lower-discarded'],
  ],
  [
    'and hearing it again makes it no later',
    backup({ masterDownAt: 10_200, preemptAt: 9900 }),
    heard(50),
    { state: 'backup', masterDownAt: millis(10_200), preemptAt: millis(9900) },
    ['notice lower-discarded'],
  ],
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
    { state: 'backup', masterDownAt: later(3.90625) },
    ['notice lower-discarded'],
  ],
  ['priority 0 leaves the skew time', backup(), heard(0), { state: 'backup', masterDownAt: later(609.375) }, []],
  [
    'priority 0 of the master that is followed',
    backup({ master: larger, rivals: { [larger]: 150 } }),
    heard(0),
    { state: 'backup', master: null, masterDownAt: later(609.375), rivals: new Map() },
    [],
  ],
  [
    'but not the last word of one that was replaced already: its successor is there',
    backup({ master: smaller, rivals: { [smaller]: 150, [larger]: 200 } }),
    heard(0),
    { state: 'backup', master: smaller, masterDownAt: millis(13_000), rivals: new Map([[smaller, 150]]) },
    [],
  ],
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
    { state: 'backup', masterDownAt: millis(skewed), preemptAt: at },
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
    'a link that is back is listened to',
    fault(),
    up,
    { state: 'backup', address: '192.0.2.6', masterDownAt: millis(full) },
    [toBackup],
  ],
  ['a fault that tries again listens', fault({ retryAt: at }), deadline, { state: 'backup' }, [toBackup]],
  ['a held router does not start', init({ held: 'group' }), started(true), { state: 'fault' }, ['remove', toFault]],
  [
    'a hold before the start is remembered',
    init(),
    hold,
    { state: 'init', held: 'sync group G1: VI_2 is in fault' },
    [],
  ],
  ['new settings before the start', init(), reconfigured, { settings: { ...settings, priority: 120 } }, []],
  [
    'a member whose group is well again listens',
    fault({ isLinked: true, held: 'group' }),
    release,
    { state: 'backup' },
    [toBackup],
  ],
  ['but not without a link', fault({ held: 'group' }), release, fault(), []],
  [
    'a link alone is not enough for a held member',
    fault({ held: 'group' }),
    up,
    { state: 'fault', isLinked: true },
    [],
  ],
  ['new settings in fault', fault(), reconfigured, { state: 'fault', settings: { ...settings, priority: 120 } }, []],
  ['a fault waits', fault({ retryAt: 10_001 }), deadline, fault({ retryAt: 10_001 }), []],
  ['without a link there is nothing to try', fault({ retryAt: 10_001 }), down, fault(), []],
  ['a fault stops silently', fault(), shutdown, { state: 'init' }, []],
]

const ignored: readonly Ignored[] = [
  [
    init(),
    [deadline, heard(0), heard(255), otherVersion, sent, added, failed, lost, up, down, groupTo('master'), shutdown],
  ],
  [backup(), [started(true), sent, added, failed, lost, release, groupTo('backup')]],
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

checkTable(t, table, ignored, ['init', 'backup', 'fault'], ['ordinary'])

t.test('the next deadline is the earliest of what is due', async (t) => {
  t.equal(nextDeadline(init()), null)
  t.equal(nextDeadline(backup()), 13_000)
  t.equal(nextDeadline(master()), 10_500)
  t.equal(nextDeadline(master({ announcements: [once(10_100)] })), 10_100)
  t.equal(nextDeadline(master({ advertiseAt: null })), null)
  t.equal(nextDeadline(leaving()), 12_000)
  t.equal(nextDeadline(fault({ retryAt: 11_000 })), 11_000)
  t.equal(nextDeadline(fault()), null)
})
