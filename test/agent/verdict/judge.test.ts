import t from 'tap'
import type { Words } from '../../../agent/probe/core/facts.ts'
import { failureOf } from '../../../agent/probe/core/failure.ts'
import { type Judging, judge } from '../../../agent/verdict/core/judge.ts'
import { facts, judging } from '../samples.ts'

const auto = judging()
const synced: Words = {
  wsrep_on: 'ON',
  wsrep_provider: '/usr/lib/galera/libgalera_smm.so',
  wsrep_cluster_status: 'Primary',
  wsrep_cluster_size: '3',
  wsrep_ready: 'ON',
  wsrep_local_state: '4',
  wsrep_local_state_comment: 'Synced',
  wsrep_desync: 'OFF',
  wsrep_reject_queries: 'NONE',
  read_only: 'OFF',
}
const plain: Words = { wsrep_on: 'OFF', wsrep_provider: 'none', read_only: 'OFF' }
const failedQuery = failureOf({ message: 'no such table', errno: 1146 })
const verdictOn = (words: Words, how: Judging = auto, check: ReturnType<typeof failureOf> | null = null) =>
  judge(facts(words, { check }), how)

t.test('a Galera node is judged by the state of its cluster, the most telling reason first', async (t) => {
  const table: readonly [Words, string, RegExp][] = [
    [{}, 'ok', /synced/],
    [{ wsrep_cluster_status: 'non-Primary' }, 'not-primary', /^wsrep_cluster_status is non-Primary$/],
    [{ wsrep_cluster_status: 'Disconnected', wsrep_ready: 'OFF' }, 'not-primary', /Disconnected/],
    [{ wsrep_ready: 'OFF', wsrep_local_state: '1' }, 'not-ready', /^wsrep_ready is OFF$/],
    [{ wsrep_local_state: '1', wsrep_local_state_comment: 'Joining' }, 'not-synced', /is 1 \(Joining\)/],
    [{ wsrep_local_state: '3', wsrep_local_state_comment: 'Joined' }, 'not-synced', /is 3 \(Joined\)/],
    [{ wsrep_local_state: '2', wsrep_local_state_comment: 'Donor/Desynced' }, 'donor', /2 \(Donor\)$/],
    [{ wsrep_local_state: '2', wsrep_desync: 'ON' }, 'desynced', /wsrep_desync is ON/],
    [{ wsrep_reject_queries: 'ALL' }, 'rejecting-queries', /is ALL/],
    [{ pxc_maint_mode: 'DISABLED' }, 'ok', /synced/],
    [{ pxc_maint_mode: 'MAINTENANCE' }, 'maintenance-mode', /^pxc_maint_mode is MAINTENANCE$/],
    [{ pxc_maint_mode: 'SHUTDOWN' }, 'maintenance-mode', /SHUTDOWN/],
  ]
  for (const [change, code, text] of table) {
    const verdict = verdictOn({ ...synced, ...change })
    t.equal(verdict.reason.code, code, JSON.stringify(change))
    t.match(verdict.reason.text, text)
    t.equal(verdict.mode, 'galera')
  }
})

t.test('a donor that may serve as the last one fails, and says that it can', async (t) => {
  const last = judging({ availableWhenDonor: 'last' })
  const donor = { ...synced, wsrep_local_state: '2', wsrep_sst_method: 'mariabackup' }
  t.match(verdictOn(donor, last), { reason: { code: 'donor' }, lastResort: true, role: 'unknown' })
  t.match(verdictOn(donor, judging({ availableWhenDonor: false })), { reason: { code: 'donor' }, lastResort: false })
  t.match(verdictOn({ ...donor, wsrep_sst_method: 'rsync' }, last), { reason: { code: 'donor' }, lastResort: false })
  t.match(verdictOn({ ...donor, wsrep_desync: 'ON' }, last), { reason: { code: 'desynced' }, lastResort: false })
  t.match(verdictOn({ ...donor, wsrep_cluster_status: 'non-Primary' }, last), { lastResort: false })
  t.match(verdictOn(donor, last, failureOf({ message: 'x', errno: 1146 })), { lastResort: false })
  t.match(verdictOn(synced, last), { reason: { code: 'ok' }, lastResort: false })
})

t.test('a Galera server without its statuses does not pass', async (t) => {
  const { wsrep_on = '', wsrep_provider = '' } = synced
  t.match(verdictOn({ wsrep_on, wsrep_provider }).reason, { code: 'not-primary', text: /not known/ })
})

t.test(
  'a donor passes where that is allowed and its transfer lets it serve; one desynced by hand does not',
  async (t) => {
    const allowed = judging({ availableWhenDonor: true })
    const donor = { ...synced, wsrep_local_state: '2' }
    for (const [method, code] of [
      ['mariabackup', 'ok'],
      ['xtrabackup-v2', 'ok'],
      ['clone', 'ok'],
      ['rsync', 'donor'],
      ['mysqldump', 'donor'],
      ['ours', 'donor'],
    ] as const) {
      t.equal(verdictOn({ ...donor, wsrep_sst_method: method }, allowed).reason.code, code, method)
      t.equal(verdictOn({ ...donor, wsrep_sst_method: method }).reason.code, 'donor')
    }
    t.equal(verdictOn(donor, allowed).reason.code, 'donor', 'a method that is not told')
    t.equal(verdictOn({ ...synced, wsrep_local_state: '2', wsrep_desync: 'ON' }, allowed).reason.code, 'desynced')
    t.equal(verdictOn({ ...synced, wsrep_local_state: '3' }, allowed).reason.code, 'not-synced')
  },
)

t.test('the state of the cluster explains a failed query, else the query speaks for itself', async (t) => {
  const refused = failureOf({ message: 'WSREP has not yet prepared node for application use', errno: 1047 })
  t.equal(verdictOn({ ...synced, wsrep_cluster_status: 'non-Primary' }, auto, refused).reason.code, 'not-primary')
  t.equal(verdictOn(synced, auto, refused).reason.code, 'not-ready')
  t.equal(verdictOn(synced, auto, failedQuery).reason.code, 'query-failed')
})

t.test('auto tests a plain server by the query alone', async (t) => {
  t.match(verdictOn(plain), { mode: 'ping', reason: { code: 'ok' }, role: 'primary', writable: true })
  t.match(verdictOn({ ...plain, wsrep_on: 'ON' }), { mode: 'ping', reason: { code: 'ok' } })
  t.match(verdictOn({}), { mode: 'ping', reason: { code: 'ok' }, role: 'unknown', writable: null })
})

t.test('mode galera on a server that is none is not applicable', async (t) => {
  const galera = judging({ mode: 'galera' })
  t.equal(verdictOn(plain, galera).reason.code, 'not-applicable')
  t.equal(verdictOn(synced, galera).reason.code, 'ok')
})

t.test('mode ping looks at the query alone', async (t) => {
  const ping = judging({ mode: 'ping' })
  t.match(verdictOn({ ...synced, wsrep_cluster_status: 'non-Primary' }, ping), {
    mode: 'ping',
    reason: { code: 'ok' },
  })
  t.equal(verdictOn(synced, ping, failedQuery).reason.code, 'query-failed')
})

t.test('a server that hides its variables passes a ping and nothing else', async (t) => {
  const silent = facts({}, { words: { ok: false, failure: failedQuery } })
  t.equal(judge(silent, judging({ mode: 'ping' })).reason.code, 'ok')
  t.match(judge(silent, auto).reason, { code: 'query-failed', text: /does not tell its variables/ })
})

t.test('role and writability follow every read-only flag, and are unknown while the node fails', async (t) => {
  t.match(verdictOn({ ...plain, read_only: 'ON' }), { role: 'replica', writable: false, reason: { code: 'ok' } })
  t.match(verdictOn({ ...plain, super_read_only: 'ON' }), { role: 'replica', writable: false })
  t.match(verdictOn({ ...plain, read_only: 'NO_LOCK' }), { role: 'replica', writable: false })
  t.match(verdictOn({ ...synced, wsrep_ready: 'OFF' }), { role: 'unknown', writable: null })
})

t.test('a node that is set up for Galera and runs without it fails in every way but ping', async (t) => {
  const provider = '/usr/lib/galera/libgalera_smm.so'
  const table: readonly Words[] = [
    { ...synced, wsrep_on: 'OFF' },
    { ...plain, wsrep_provider: provider },
    { ...plain, wsrep_cluster_address: 'gcomm://198.18.0.11,198.18.0.12' },
    { ...plain, wsrep_on: 'ON', wsrep_cluster_address: 'gcomm://' },
  ]
  for (const words of table) {
    for (const about of ['configured', 'primary', 'galera'] as const) {
      t.match(judge(facts(words), judging(), { about }), { mode: 'galera', reason: { code: 'galera-off' } })
    }
    t.equal(judge(facts(words), judging({ mode: 'ping' })).reason.code, 'ok')
  }
})

t.test('the report shows the words that decided and none beside them', async (t) => {
  t.same(verdictOn({ ...plain, wsrep_cluster_status: 'Disconnected' }).facts, { read_only: 'OFF' })
  const { facts: shown } = verdictOn({ ...synced, wsrep_sst_auth: 'root:secret' })
  t.match(shown, { wsrep_cluster_status: 'Primary', wsrep_cluster_size: '3', read_only: 'OFF' })
  t.notMatch(JSON.stringify(shown), 'secret')
})

t.test('errors of the client library become reasons', async (t) => {
  const table: readonly [Parameters<typeof failureOf>[0], string][] = [
    [
      { message: 'connect ECONNREFUSED 127.0.0.1:3306', code: 'ECONNREFUSED', errno: -111, fatal: true },
      'connection-refused',
    ],
    [{ message: 'connect ENOENT /run/x.sock', code: 'ENOENT', errno: -2, fatal: true }, 'connection-refused'],
    [{ message: 'Access denied', code: 'ER_ACCESS_DENIED_ERROR', errno: 1045, fatal: true }, 'access-denied'],
    [{ message: 'Too many connections', errno: 1040, fatal: true }, 'too-many-connections'],
    [{ message: 'Host is blocked', errno: 1129, fatal: true }, 'host-blocked'],
    [{ message: 'WSREP has not yet prepared node', errno: 1047 }, 'not-ready'],
    [{ message: 'connect EAGAIN /run/x.sock', code: 'EAGAIN', errno: -11, fatal: true }, 'timeout'],
    [{ message: 'connect EACCES /run/x.sock', code: 'EACCES', errno: -13, fatal: true }, 'unreachable'],
    [{ message: 'execute command denied', errno: 1370 }, 'access-denied'],
    [{ message: 'The value of "offset"', code: 'ERR_OUT_OF_RANGE', fatal: true }, 'connection-lost'],
    [{ message: 'closed', code: 'PROTOCOL_CONNECTION_LOST', fatal: true }, 'connection-lost'],
    [{ message: 'something new of the connection', code: 'ENEW', fatal: true }, 'connection-lost'],
    [{ message: 'no such table', errno: 1146 }, 'query-failed'],
  ]
  for (const [error, code] of table) t.equal(failureOf(error).code, code, error.message)
  t.match(failureOf({ message: 'connect EACCES', code: 'EACCES', errno: -13 }).text, /^this user may not go there: /)
})

t.test('the words of a server are kept for the log, and shown to nobody else', async (t) => {
  t.same(failureOf({ message: "a\nb\u0007c 'app'.'t'", errno: 1146, code: 'ER_NO_SUCH_TABLE' }), {
    code: 'query-failed',
    text: 'error 1146: there is no such table',
    fatal: false,
    said: "a b c 'app'.'t'",
  })
  t.equal(failureOf({ message: 'secret', errno: 9999 }).text, 'error 9999')
  for (const code of ['AUTH_SWITCH_PLUGIN_ERROR', 'ERR_OUT_OF_RANGE', 'ER_X', 'x secret', undefined]) {
    const failure = failureOf({ message: 'secret', code, fatal: true })
    t.notMatch(failure.text, /secret/)
    t.equal(failure.said, 'secret')
  }
})
