import t from 'tap'
import { millis } from '../../../agent/core/time.ts'
import type { ServerFacts, Words } from '../../../agent/probe/core/facts.ts'
import { failureOf } from '../../../agent/probe/core/failure.ts'
import { judge } from '../../../agent/verdict/core/judge.ts'
import type { Question } from '../../../agent/verdict/core/question.ts'
import { facts, judging } from '../samples.ts'

const galera: Words = {
  read_only: 'OFF',
  wsrep_on: 'ON',
  wsrep_provider: '/usr/lib/galera/libgalera_smm.so',
  wsrep_cluster_status: 'Primary',
  wsrep_ready: 'ON',
  wsrep_local_state: '4',
}
const group: Words = { read_only: 'ON', group_replication_group_name: 'g', server_uuid: 'u' }
const members = {
  ok: true,
  value: [{ member_id: 'u', member_state: 'ONLINE', member_role: 'SECONDARY' }],
} as const
const queues = (delay: number, applying = 9, certifying: number | null = null): Partial<ServerFacts> => ({
  backlog: { ok: true, value: { applied: 1, applying, certifying, delay } },
})
const within = (lag: number): Question => ({ about: 'replica', maximumLag: millis(lag) })
const reasonOf = (about: ServerFacts, question?: Question, how = judging()) => judge(about, how, question).reason

t.test('max_replication_lag and ?lag= bound the delay of the applier of a cluster', async (t) => {
  for (const words of [galera, group]) {
    const late = facts(words, { groupMembers: members, ...queues(31) })
    t.match(reasonOf(late), {
      code: 'replication-lag',
      text: 'the applier is 31.0 s behind (9 transactions wait), allowed are 30 s',
    })
    t.equal(reasonOf(facts(words, { groupMembers: members, ...queues(30) })).code, 'ok')
    t.equal(judge(late, judging()).lag, 31)
    t.equal(reasonOf(late, undefined, judging({ mode: 'ping' })).code, 'ok', 'ping looks at no membership')
  }
  const member = facts(group, { groupMembers: members, ...queues(6) })
  t.equal(reasonOf(member, within(5000)).code, 'replication-lag')
  t.equal(reasonOf(member, within(5000), judging({ mode: 'ping' })).code, 'replication-lag')
  t.equal(reasonOf(member, within(7000)).code, 'ok')
  t.equal(reasonOf(facts(group, { groupMembers: members, ...queues(99) }), { about: 'group_replication' }).code, 'ok')
})

t.test('the queues have bounds of their own', async (t) => {
  const bounded = (max_apply: number | null, max_certify: number | null) =>
    judging({ reserves: { disk: null, connections: null, queues: { max_apply, max_certify } } })
  const member = facts(group, { groupMembers: members, ...queues(0, 10, 20) })
  t.equal(reasonOf(member, undefined, bounded(10, 20)).code, 'ok')
  t.match(reasonOf(member, undefined, bounded(9, null)).text, '10 transactions wait to be applied, allowed are 9')
  t.match(reasonOf(member, undefined, bounded(null, 19)).text, '20 transactions wait to be certified, allowed are 19')
  t.equal(reasonOf(facts(galera, queues(0, 10)), undefined, bounded(9, 0)).code, 'replication-lag')
})

t.test('queues that the check user may not see are shown as that, and take no member out', async (t) => {
  const failure = failureOf({ message: 'SELECT command denied', errno: 1142 })
  const verdict = judge(facts(group, { groupMembers: members, backlog: { ok: false, failure } }), judging())
  t.equal(verdict.reason.code, 'ok')
  t.match(verdict.facts, { applier: /^not visible: error 1142/ })
})

t.test('a server in offline_mode is out, in every mode', async (t) => {
  for (const words of [{}, { ...group }]) {
    const offline = facts({ read_only: 'OFF', ...words, offline_mode: 'ON' }, { groupMembers: members })
    t.match(reasonOf(offline), { code: 'maintenance-mode', text: 'offline_mode is ON' })
    t.equal(reasonOf(offline, undefined, judging({ mode: 'ping' })).code, 'maintenance-mode')
    t.equal(reasonOf(offline, { about: 'primary' }).code, 'maintenance-mode')
  }
})
