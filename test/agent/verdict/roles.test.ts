import t from 'tap'
import { millis } from '../../../agent/core/time.ts'
import { noteAbsences } from '../../../agent/probe/core/absence.ts'
import type { ServerFacts, Words } from '../../../agent/probe/core/facts.ts'
import { failureOf } from '../../../agent/probe/core/failure.ts'
import { type Channel, channelsFrom } from '../../../agent/probe/core/replication.ts'
import type { Row } from '../../../agent/probe/core/rows.ts'
import { judge } from '../../../agent/verdict/core/judge.ts'
import type { Question } from '../../../agent/verdict/core/question.ts'
import { facts, judging } from '../samples.ts'

const running: Channel = { name: '', ioThread: 'Yes', sqlThread: 'Yes', lag: 0, error: '' }
const away = { ioThread: 'Connecting', lag: null, isSourceAway: true } as const
const writable: Words = { read_only: 'OFF' }
const readOnly: Words = { read_only: 'ON' }
const galera: Words = {
  wsrep_on: 'ON',
  wsrep_provider: '/usr/lib/galera/libgalera_smm.so',
  wsrep_cluster_status: 'Primary',
  wsrep_ready: 'ON',
  wsrep_local_state: '4',
}
const denied = {
  ok: false,
  failure: failureOf({ message: 'Access denied; you need SLAVE MONITOR', errno: 1227 }),
} as const
const replicating = (words: Words, ...channels: readonly Partial<Channel>[]): ServerFacts =>
  facts(words, { channels: { ok: true, value: channels.map((change) => ({ ...running, ...change })) } })
const replica = (maximumLag: number | null = null): Question => ({
  about: 'replica',
  maximumLag: maximumLag === null ? null : millis(maximumLag),
})
const primary: Question = { about: 'primary' }
const codeOf = (about: ServerFacts, question?: Question, how = judging()) => judge(about, how, question).reason.code

t.test('auto judges a replica by its threads and its lag', async (t) => {
  const table: readonly [Partial<Channel>, string, RegExp][] = [
    [{}, 'ok', /replication runs/],
    [{ lag: 30 }, 'ok', /replication runs/],
    [{ lag: 31 }, 'replication-lag', /^replication is 31 s behind, allowed are 30 s$/],
    [{ name: 'paris', lag: 31 }, 'replication-lag', /^replication of paris is 31 s behind/],
    [{ lag: null }, 'replication-stopped', /lag is not known \(NULL\)/],
    [{ ioThread: 'Connecting', lag: null }, 'replication-stopped', /I\/O thread is Connecting$/],
    [{ ioThread: 'No', lag: null, error: 'error 1236' }, 'replication-stopped', /I\/O thread is No: error 1236/],
    [{ sqlThread: 'No', lag: null, error: 'Duplicate entry' }, 'replication-stopped', /SQL thread is No: Duplicate/],
  ]
  for (const [change, code, text] of table) {
    const verdict = judge(replicating(readOnly, change), judging())
    t.match(verdict, { mode: 'replica', reason: { code, text } }, JSON.stringify(change))
    t.equal(
      judge(replicating(readOnly, {}, change), judging()).reason.code,
      code,
      'the second of two channels counts too',
    )
  }
  t.match(judge(replicating(readOnly, { lag: 3 }, { lag: 7 }), judging()), { role: 'replica', writable: false, lag: 7 })
})

t.test('a server that takes writes goes on, whatever it replicates itself, unless it must', async (t) => {
  const strict = judging({ writerMustReplicate: true })
  const table: readonly [Partial<Channel>, string][] = [
    [away, 'ok'],
    [{ ioThread: 'No', lag: null }, 'replication-stopped'],
    [{ sqlThread: 'No', lag: null, error: 'error 1062: a duplicate key' }, 'replication-stopped'],
    [{ lag: 31 }, 'replication-lag'],
  ]
  for (const [change, code] of table) {
    const node = replicating(writable, change)
    for (const question of [undefined, primary]) {
      t.equal(codeOf(node, question), 'ok')
      t.equal(codeOf(node, question, strict), code)
    }
    t.not(codeOf(node, replica()), 'ok', 'as a replica it is judged strictly')
    t.not(codeOf(node, undefined, judging({ mode: 'replica' })), 'ok')
  }
  t.match(judge(replicating(writable, { sqlThread: 'No', error: 'error 1062' }), judging(), primary), {
    reason: { text: 'the check query answers; the SQL thread is No: error 1062' },
    facts: { notice: 'the SQL thread is No: error 1062' },
    role: 'primary',
  })
  t.equal(judge(replicating(writable), judging()).facts['notice'], undefined)
})

t.test('a read-only replica whose source is away serves what it has for a while', async (t) => {
  const after = (seconds: number, change: Partial<Channel> = {}) =>
    replicating(readOnly, { ...away, awayFor: millis(seconds * 1000), ...change })
  for (const question of [undefined, replica()]) {
    t.equal(codeOf(after(300), question), 'ok')
    t.equal(codeOf(after(301), question), 'replication-stopped')
    t.equal(codeOf(after(1), question, judging({ maximumAbsence: millis(0) })), 'replication-stopped')
    t.equal(codeOf(after(1, { isApplied: false }), question), 'replication-lag')
    t.equal(codeOf(after(1, { sqlThread: 'No', isSourceAway: false }), question), 'replication-stopped')
  }
  t.equal(codeOf(after(9), replica(10_000)), 'ok')
  t.equal(codeOf(after(11), replica(10_000)), 'replication-stopped', 'who asks for a bound wants nothing older')
  t.equal(codeOf(after(9), primary), 'read-only')
  t.match(judge(after(12), judging()), {
    reason: { text: 'the check query answers; the source has been away for 12 s' },
    facts: { notice: 'the source has been away for 12 s', replication: /source away for 12 s$/ },
    lag: null,
  })
  t.match(judge(after(301), judging()).reason.text, /away for 301 s, allowed are 300 s/)
})

t.test('the time that a source is away begins when it is first seen so, and ends when it is back', async (t) => {
  const there = { ...running, name: 'a' }
  const gone = { ...there, ...away }
  const first = noteAbsences([gone, { ...gone, name: 'b' }], new Map(), millis(1000))
  t.match(first.channels, [{ awayFor: 0 }, { awayFor: 0 }])
  const second = noteAbsences([gone, { ...there, name: 'b' }], first.absences, millis(4000))
  t.equal(second.channels[0]?.awayFor, 3000)
  t.equal(second.channels[1]?.awayFor, undefined)
  const third = noteAbsences([there], second.absences, millis(5000))
  t.equal(noteAbsences([gone], third.absences, millis(9000)).channels[0]?.awayFor, 0)
})

t.test('mode replica on a server that replicates from nobody is not applicable', async (t) => {
  t.equal(codeOf(facts(readOnly), undefined, judging({ mode: 'replica' })), 'not-applicable')
  const hidden = facts(readOnly, { channels: denied })
  t.match(judge(hidden, judging({ mode: 'replica' })).reason, { code: 'access-denied', text: /SLAVE MONITOR/ })
  t.equal(codeOf(hidden), 'ok', 'auto cannot know that it is one')
  t.match(judge(hidden, judging()).facts, { replication: /^not visible: error 1227/ })
})

t.test('/primary passes where writes are taken, and nowhere else', async (t) => {
  t.match(judge(facts(writable), judging(), primary), { reason: { code: 'ok' }, role: 'primary', writable: true })
  t.match(judge(facts(readOnly), judging(), primary), {
    reason: { code: 'read-only', text: 'read_only is ON' },
    role: 'replica',
    writable: false,
  })
  t.equal(codeOf(facts({}), primary), 'not-applicable', 'not told')
  t.equal(codeOf(facts({}, { words: denied }), primary, judging({ mode: 'ping' })), 'access-denied')
  t.equal(codeOf(facts({ ...galera, ...writable }), primary), 'ok')
  const cutOff = facts({ ...galera, ...writable, wsrep_cluster_status: 'non-Primary' })
  t.equal(codeOf(cutOff, primary), 'not-primary')
  t.equal(codeOf(cutOff, primary, judging({ mode: 'ping' })), 'not-primary', 'whatever the mode')
  t.equal(codeOf(facts(writable, { check: failureOf({ message: 'no', errno: 1146 }) }), primary), 'query-failed')
})

t.test('/replica passes on a read-only server or a replica within the bounds of its lag', async (t) => {
  t.equal(codeOf(facts(writable), replica()), 'not-applicable')
  t.equal(codeOf(facts(readOnly), replica()), 'ok')
  t.equal(codeOf(replicating(readOnly, { lag: 12 }), replica()), 'ok')
  t.equal(codeOf(replicating(readOnly, { lag: 12 }), replica(12_000)), 'ok')
  t.equal(codeOf(replicating(readOnly, { lag: 12 }), replica(11_900)), 'replication-lag')
  t.equal(codeOf(replicating(readOnly, { lag: 50 }), replica(60_000)), 'ok', 'the bound of the request takes its place')
  t.equal(codeOf(replicating(readOnly, { lag: 50 }), replica()), 'replication-lag')
  t.equal(codeOf(replicating(readOnly, { lag: 50 }), replica(), judging({ mode: 'ping' })), 'replication-lag')
  t.equal(codeOf(facts(readOnly, { channels: denied }), replica()), 'access-denied', 'a lag that is not known')
  t.equal(codeOf(facts(writable, { channels: denied }), replica()), 'not-applicable', 'it takes writes')
  t.equal(
    codeOf(facts({ ...galera, ...readOnly }, { channels: denied }), replica()),
    'ok',
    'a synced member is not behind',
  )
  t.equal(codeOf(facts({ ...galera, ...writable }), replica()), 'not-applicable')
})

t.test('a membership asked for by itself is never there on a server of another kind', async (t) => {
  const servers = [facts(writable), facts(readOnly), replicating(readOnly, {}), facts({ ...galera, ...writable })]
  for (const about of ['galera', 'group_replication', 'ndb'] as const) {
    for (const mode of ['auto', 'ping'] as const) {
      const answers = servers.map((server) => codeOf(server, { about }, judging({ mode })))
      t.same(answers, [
        'not-applicable',
        'not-applicable',
        'not-applicable',
        about === 'galera' ? 'ok' : 'not-applicable',
      ])
    }
  }
  const failing = facts(galera, { check: failureOf({ message: 'no', errno: 1146 }) })
  t.equal(codeOf(failing, { about: 'galera' }), 'ok', 'the membership alone')
})

// Rows as the MySQL 8.0 reference manual shows them (sections 20.1.4 and 29.12.11.16): no such server runs in our tests.
const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562'
const member = (id: string, state: string, role = 'SECONDARY'): Row => ({
  channel_name: 'group_replication_applier',
  member_id: id,
  member_host: `host-${id}`,
  member_port: '3306',
  member_state: state,
  member_role: role,
  member_version: '8.0.36',
  member_communication_stack: 'XCom',
})
const group: Words = {
  group_replication_group_name: 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa',
  server_uuid: uuid,
  read_only: 'OFF',
}
const inGroup = (members: readonly Row[], words: Words = group): ServerFacts =>
  facts(words, { groupMembers: { ok: true, value: members } })

t.test('a member of a group passes while it is ONLINE in a majority', async (t) => {
  const table: readonly [readonly Row[], string][] = [
    [[member(uuid, 'ONLINE', 'PRIMARY'), member('b', 'ONLINE'), member('c', 'ONLINE')], 'ok'],
    [[member(uuid, 'ONLINE'), member('b', 'RECOVERING'), member('c', 'UNREACHABLE')], 'ok'],
    [[member(uuid, 'ONLINE'), member('b', 'UNREACHABLE'), member('c', 'UNREACHABLE')], 'no-majority'],
    [[member(uuid, 'ONLINE'), member('b', 'UNREACHABLE')], 'no-majority'],
    [[member(uuid, 'RECOVERING'), member('b', 'ONLINE')], 'not-online'],
    [[member(uuid, 'ERROR'), member('b', 'ONLINE')], 'not-online'],
    [[member('', 'OFFLINE')], 'not-online'],
    [[member('b', 'ONLINE')], 'not-online'],
    [[], 'not-online'],
  ]
  for (const [members, code] of table) {
    t.equal(codeOf(inGroup(members)), code, JSON.stringify(members.map((row) => row['member_state'])))
    t.equal(codeOf(inGroup(members), { about: 'group_replication' }), code)
  }
  const hidden = facts(group, { groupMembers: denied })
  t.match(judge(hidden, judging()).reason, { code: 'access-denied', text: /replication_group_members cannot be read/ })
})

t.test('the role in the group decides between /primary and /replica', async (t) => {
  const first = inGroup([member(uuid, 'ONLINE', 'PRIMARY'), member('b', 'ONLINE')])
  t.match(judge(first, judging()), { mode: 'group_replication', role: 'primary', writable: true })
  t.equal(codeOf(first, primary), 'ok')
  t.equal(codeOf(first, replica()), 'not-applicable')
  const second = inGroup([member(uuid, 'ONLINE'), member('b', 'ONLINE', 'PRIMARY')])
  t.match(judge(second, judging()), { role: 'replica', writable: false })
  t.match(judge(second, judging(), primary).reason, { code: 'read-only', text: /SECONDARY/ })
  t.equal(codeOf(second, replica()), 'ok')
  t.match(judge(second, judging()).facts, { member_state: 'ONLINE', member_role: 'SECONDARY', members: '2' })
})

t.test('an NDB SQL node passes while it sees data nodes that are ready', async (t) => {
  const ndb = (ready: string, statuses: readonly string[] | null = null): ServerFacts =>
    facts(
      { ndb_number_of_data_nodes: '2', ndb_number_of_ready_data_nodes: ready, read_only: 'OFF' },
      statuses === null ? {} : { dataNodes: { ok: true, value: statuses.map((status) => ({ status })) } },
    )
  t.equal(codeOf(ndb('2')), 'ok')
  t.match(judge(ndb('2'), judging()), { mode: 'ndb', role: 'primary' })
  t.equal(codeOf(ndb('0')), 'no-data-nodes')
  t.equal(codeOf(ndb('')), 'no-data-nodes')
  t.equal(codeOf(ndb('2', ['STARTED', 'STARTING'])), 'ok')
  t.match(judge(ndb('2', ['STARTING', 'NO_CONTACT']), judging()).reason, { code: 'no-data-nodes', text: /none of 2/ })
  t.equal(codeOf(facts({ ndb_number_of_ready_data_nodes: '1' }, { dataNodes: denied })), 'ok', 'ndbinfo is optional')
})

t.test('the optional tests take a node out whose server answers', async (t) => {
  const disk = (free: number, freeInodes: number): ServerFacts =>
    facts(writable, { disk: { ok: true, value: { directory: '/var/lib/mysql', free, freeInodes } } })
  const reserves = judging({
    reserves: { disk: { min_free: 5, min_free_inodes: 5 }, connections: { min_free: 10 }, queues: null },
  })
  t.equal(codeOf(disk(5, 5), undefined, reserves), 'ok')
  t.match(judge(disk(4.9, 50), reserves).reason, {
    code: 'disk-full',
    text: '4.9% of the disk of /var/lib/mysql is free',
  })
  t.match(judge(disk(50, 1), reserves).reason, { code: 'disk-full', text: /inodes/ })
  t.equal(codeOf(disk(1, 1)), 'ok', 'off by default')
  t.equal(codeOf(disk(1, 1), { about: 'galera' }, reserves), 'not-applicable')
  const unknown = facts(writable, { disk: { ok: false, failure: { code: 'timeout', text: 'hangs', fatal: false } } })
  t.match(judge(unknown, reserves).reason, { code: 'timeout', text: /free space is not known: hangs/ })
  const write = facts(writable, {
    write: { code: 'write-failed', text: 'mysqlchk.heartbeat: error 1290', fatal: false },
  })
  t.equal(codeOf(write), 'write-failed')
  const used = (connected: string) => facts({ ...writable, threads_connected: connected, max_connections: '100' })
  t.match(judge(used('90'), reserves), { reason: { code: 'ok' }, freeConnections: 10 })
  t.equal(codeOf(used('91'), undefined, reserves), 'connections-low')
  t.equal(judge(used('300'), judging()).freeConnections, 0)
})

t.test('channels are read in either naming scheme, whatever else a row holds', async (t) => {
  const mysql8 = {
    channel_name: 'paris',
    replica_io_running: 'Yes',
    replica_sql_running: 'No',
    seconds_behind_source: null,
    last_sql_error: 'Duplicate\nentry',
    last_sql_errno: '1062',
    last_io_error: '',
    replica_sql_running_state: 'applying',
  }
  const mariadb = {
    connection_name: '',
    slave_io_running: 'Connecting',
    slave_sql_running: 'Yes',
    seconds_behind_master: '7',
    last_io_error: 'refused',
    last_io_errno: '2003',
    slave_sql_running_state: 'Slave has read all relay log; waiting for more updates',
  }
  const positions = {
    source_log_file: 'b.1',
    read_source_log_pos: '7',
    relay_source_log_file: 'b.1',
    exec_source_log_pos: '6',
  }
  t.same(channelsFrom([mysql8, mariadb]), [
    {
      name: 'paris',
      ioThread: 'Yes',
      sqlThread: 'No',
      lag: null,
      error: 'error 1062: a duplicate key',
      said: 'Duplicate entry',
      isSourceAway: false,
      isApplied: true,
    },
    {
      name: '',
      ioThread: 'Connecting',
      sqlThread: 'Yes',
      lag: 7,
      error: 'error 2003: the source cannot be reached',
      said: 'refused',
      isSourceAway: true,
      isApplied: true,
    },
  ])
  t.match(channelsFrom([{ ...mysql8, ...positions }]), [{ isApplied: false }])
  t.match(channelsFrom([{ ...mysql8, ...positions, exec_source_log_pos: '7' }]), [{ isApplied: true }])
  t.match(channelsFrom([{ ...mariadb, last_io_errno: '1045' }]), [{ isSourceAway: false }], 'the source refuses it')
  t.match(channelsFrom([{ last_sql_error: 'x' }]), [{ error: 'an error without a number' }])
  t.same(channelsFrom([{ ...mysql8, channel_name: 'group_replication_applier' }]), [])
  t.match(channelsFrom([{}]), [{ ioThread: 'not told', sqlThread: 'not told', lag: null }])
})
