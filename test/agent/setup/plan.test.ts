// What setup-user grants on which server, and when it leaves a user alone.

import t from 'tap'
import { grantsFor, lacking, type Wanted } from '../../../agent/setup/core/grants.ts'
import { planOf, type Situation } from '../../../agent/setup/core/plan.ts'
import { isAtLeast, type Seen } from '../../../agent/setup/core/server.ts'
import { quoted, statementsOf } from '../../../agent/setup/core/statements.ts'
import { nativeHash, randomPassword } from '../../../agent/setup/password.ts'

const alone: Seen = {
  version: '10.11.6-MariaDB',
  words: { read_only: 'OFF' },
  sources: [],
  hasReplicas: false,
  groupRole: null,
  hosts: [],
  hasTable: null,
}
const mysql: Seen = { ...alone, version: '9.7.0', words: { read_only: 'OFF', super_read_only: 'OFF' } }
const replica = { sources: ['db1:3306'] }
const auto: Wanted = { mode: 'auto', heartbeat: null, adminPort: false }
const text = (seen: Seen, wanted: Wanted = auto): readonly string[] =>
  grantsFor(seen, wanted).map(({ privileges, on }) => `${privileges.join(', ')} ON ${on}`)

t.test('a server gets the grants that its kind needs for the configured mode, and no others', async (t) => {
  const group = { ...mysql, words: { ...mysql.words, group_replication_group_name: 'g' } }
  const tables = ['replication_group_members', 'replication_group_member_stats']
  const ofGroup = tables.map((table) => `SELECT ON performance_schema.${table}`)
  t.same(text(alone), [])
  t.same(text({ ...alone, words: { wsrep_on: 'ON', wsrep_provider: '/x.so' }, hasReplicas: true }), [])
  t.same(text({ ...alone, ...replica }), ['SLAVE MONITOR ON *.*'])
  t.same(text({ ...alone, hasReplicas: true }), ['SLAVE MONITOR ON *.*'], 'a source: its replicas get the user from it')
  t.same(text({ ...alone, ...replica, version: '10.4.34-MariaDB' }), ['REPLICATION CLIENT ON *.*'])
  t.same(text({ ...mysql, ...replica }), ['REPLICATION CLIENT ON *.*'])
  t.same(text(mysql, { ...auto, mode: 'replica' }), ['REPLICATION CLIENT ON *.*'])
  t.same(text({ ...mysql, ...replica }, { ...auto, mode: 'ping' }), [])
  t.same(text(group), ofGroup)
  t.same(text(mysql, { ...auto, mode: 'group_replication' }), ofGroup)
  t.same(text({ ...mysql, words: { ndb_number_of_ready_data_nodes: '2' } }), ['SELECT ON ndbinfo.nodes'])
  const heartbeat = { table: 'mysqlchk.heartbeat' }
  t.same(text(alone, { ...auto, heartbeat }), ['SELECT, INSERT, UPDATE ON mysqlchk.heartbeat'])
  t.same(text(mysql, { ...auto, adminPort: true }), ['SERVICE_CONNECTION_ADMIN ON *.*'])
})

t.test('what a user has by SHOW GRANTS is not granted once more', async (t) => {
  const monitor = { privileges: ['SLAVE MONITOR'], on: '*.*' }
  const table = { privileges: ['SELECT', 'INSERT'], on: 'a.b' }
  const shown = (...rows: readonly string[]) => lacking([monitor, table], rows)
  t.same(shown('GRANT USAGE ON *.* TO `u`@`localhost`'), [monitor, table])
  t.same(shown('GRANT REPLICA MONITOR ON *.* TO `u`@`h`', 'GRANT SELECT ON `a`.`b` TO `u`@`h`'), [table])
  t.same(shown('GRANT SELECT, SLAVE MONITOR ON *.* TO `u`@`h`', 'GRANT INSERT ON `a`.* TO `u`@`h`'), [])
  t.same(shown('GRANT ALL PRIVILEGES ON *.* TO `u`@`h`'), [])
  t.ok(isAtLeast('10.11.6-MariaDB', [10, 5, 9]) && isAtLeast('10.5.9', [10, 5, 9]) && !isAtLeast('10.5.8', [10, 5, 9]))
})

const situation: Situation = {
  seen: alone,
  user: 'u',
  from: 'localhost',
  others: ['10.0.0.1'],
  login: { kind: 'not-tried' },
  welcome: [],
  grants: [{ privileges: ['SLAVE MONITOR'], on: '*.*' }],
  setPassword: false,
}
const there = { ...alone, hosts: ['localhost'] }
const isIn = {
  kind: 'in',
  account: { user: 'u', host: 'localhost' },
  grants: ['GRANT SLAVE MONITOR ON *.* TO u'],
} as const
const steps = (change: Partial<Situation>): unknown => {
  const plan = planOf({ ...situation, ...change })
  if (plan.kind !== 'do') return plan.kind
  return plan.steps.map((step) => `${step.kind} ${step.kind === 'table' ? step.table : step.account.host}`)
}

t.test('a user that is there keeps its password, unless an operator wants another one', async (t) => {
  t.same(steps({}), ['create localhost', 'create 10.0.0.1', 'grant localhost'])
  t.same(steps({ seen: there }), 'password-unknown')
  t.same(steps({ seen: there, login: { kind: 'refused' } }), 'password-differs')
  t.same(steps({ seen: there, login: isIn }), ['create 10.0.0.1'])
  t.same(steps({ seen: there, login: isIn, welcome: ['10.0.0.1'] }), [])
  t.same(steps({ seen: there, login: { kind: 'refused' }, setPassword: true }), [
    'change localhost',
    'create 10.0.0.1',
    'grant localhost',
  ])
  const other = { ...alone, hosts: ['10.0.0.1'] }
  const right = { login: { kind: 'refused' }, welcome: ['10.0.0.1'] } as const
  t.same(steps({ seen: other, ...right }), ['create localhost', 'grant localhost'])
  t.same(steps({ seen: { ...other, hosts: ['%', '10.0.0.1'] }, ...right }), 'password-differs')
  const anywhere = { ...isIn, account: { user: 'u', host: '%' }, grants: [] }
  t.same(steps({ seen: { ...alone, hosts: ['%'] }, login: anywhere, welcome: ['10.0.0.1'] }), ['grant %'])
})

t.test(
  'nothing is written on a server that is read-only, and what is good to have is left to its source',
  async (t) => {
    const words = { read_only: 'ON' }
    t.same(steps({ seen: { ...alone, words } }), 'read-only')
    t.same(steps({ seen: { ...alone, groupRole: 'SECONDARY' } }), 'read-only')
    const plan = planOf({ ...situation, seen: { ...there, words }, login: isIn })
    t.match(plan, { kind: 'do', steps: [], left: [{ kind: 'create', account: { host: '10.0.0.1' } }] })
  },
)

t.test('names and passwords are escaped, and a password is one that rules for passwords take', async (t) => {
  t.equal(quoted("a'b\\c"), "'a\\'b\\\\c'")
  const account = { user: "o'k", host: '%' }
  t.same(statementsOf({ kind: 'create', account }, { kind: 'clear', text: "p'w" }), [
    "CREATE USER IF NOT EXISTS 'o\\'k'@'%' IDENTIFIED BY 'p\\'w'",
  ])
  t.equal(nativeHash('password'), '*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19')
  for (let i = 0; i < 100; i += 1) {
    const password = randomPassword()
    t.ok([/^[A-Za-z]/, /[A-Z]/, /[a-z]/, /[0-9]/, /[._+-]/, /^[\w.+-]{32}$/].every((rule) => rule.test(password)))
  }
})
