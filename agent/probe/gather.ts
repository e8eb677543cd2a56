// The statements of one probe, and the facts that their answers make.

import { oneLine } from '../core/text.ts'
import { galeraSettings, isGalera } from '../verdict/core/galera.ts'
import { isGroupMember } from '../verdict/core/group.ts'
import { isNdb } from '../verdict/core/ndb.ts'
import { setFlags } from '../verdict/core/writable.ts'
import type { BacklogWatch } from './backlog-watch.ts'
import { accountStatement, takesReserved, withoutGrants } from './core/account.ts'
import { type Backlog, galeraQueues, groupQueues } from './core/backlog.ts'
import { fullTable } from './core/connections.ts'
import { closed, doorNames, doorStatement } from './core/door.ts'
import type { HostErrors, Outcome, ServerFacts, Told, Words } from './core/facts.ts'
import type { Failure } from './core/failure.ts'
import { type Channel, channelsFrom, replicaStatements } from './core/replication.ts'
import { type Row, rowsFrom, textOf, wordsFrom } from './core/rows.ts'
import type { DiskLook } from './disk.ts'
import type { Heartbeat } from './heartbeat.ts'
import { lookAtHosts } from './host-errors.ts'
import type { Reply, Session } from './session.ts'

/** What to find out: the check query, the first value of its answer where one is wanted, and what is optional. */
export type Inquiry = {
  readonly query: string
  readonly expect: string | null
  readonly disk: DiskLook | null
  readonly heartbeat: Heartbeat | null
  readonly backlog: BacklogWatch
}

/**
 * Asks over a login; `leaving` connections of ours are about to go, and count for nothing. It learns in its first round what
 * the server has no answer to and what the check user may not ask, and asks no more for that.
 */
export type Interview = (session: Session, leaving: number) => Promise<Outcome>

/**
 * SHOW passes where Galera refuses a SELECT, and LIKE is filtered by the server before it computes the values; without
 * GLOBAL the server does not add up the statuses of all its connections.
 */
const wsrepStatements: readonly string[] = ["SHOW GLOBAL VARIABLES LIKE 'wsrep%'", "SHOW STATUS LIKE 'wsrep%'"]
const wordStatements = [
  "SHOW GLOBAL VARIABLES LIKE '%read_only'",
  ...wsrepStatements,
  "SHOW GLOBAL VARIABLES LIKE 'pxc_maint_mode'",
  "SHOW GLOBAL VARIABLES LIKE 'group_replication_group_name'",
  "SHOW GLOBAL VARIABLES LIKE 'server_uuid'",
  "SHOW GLOBAL VARIABLES LIKE 'offline_mode'",
  "SHOW STATUS LIKE 'ndb_number_of%data_nodes'",
]
/** Not asked again. `wsrep_on` is: an operator may turn it. */
const lastingNames = [...doorNames, ...galeraSettings.filter((name) => name !== 'wsrep_on')]
/** All that a MariaDB without Galera has to be asked of it: whether it still is one. */
const wsrepSwitch = "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'"
const connectionStatements = ["SHOW STATUS LIKE 'threads_connected'", "SHOW GLOBAL VARIABLES LIKE 'max_connections'"]
const directoryStatement = "SHOW GLOBAL VARIABLES LIKE 'datadir'"

/** Number of the server for a statement that its version does not know. */
const syntaxError = /^error 1064\b/
const noGrants = new RegExp(`^error ${withoutGrants}\\b`)

/** Begins an interview, of a server that stays the same. `refused` is why the usual port let nobody in, where this is the extra one. */
export const beginInterview = (inquiry: Inquiry, refused: Failure | null): Interview => {
  const { query, expect, disk: lookAtDisk, heartbeat, backlog: watchBacklog } = inquiry
  const all: readonly string[] = [
    ...wordStatements,
    ...connectionStatements,
    ...(lookAtDisk === null ? [] : [directoryStatement]),
  ]
  let statements = all
  let replicaStatement = 0
  /** What only a restart of the server changes. */
  let lasting: Words | null = null
  let grants: Told<readonly Row[]> | null = null
  let hosts: readonly HostErrors[] | undefined
  /** Statements that the check user may not use, with the answer. */
  const denied = new Map<string, Told<never>>()

  const askWords = async (session: Session): Promise<Told<Words>> => {
    const replies: Words[] = []
    const fruitful: string[] = []
    for (const statement of lasting === null ? [doorStatement, ...statements] : statements) {
      const reply = await session.query(statement)
      if (!reply.ok) return reply
      if (reply.rows.length > 0 && statement !== doorStatement) fruitful.push(statement)
      replies.push(wordsFrom(reply.rows))
    }
    const words: Words = Object.assign({}, lasting, ...replies)
    lasting ??= Object.fromEntries(Object.entries(words).filter(([name]) => lastingNames.includes(name)))
    const hasTurned = words['wsrep_on'] === 'ON' && statements.includes(wsrepSwitch)
    statements = hasTurned ? all : fewer(fruitful, words)
    return hasTurned ? askWords(session) : { ok: true, value: words }
  }

  const ask = async (session: Session, statement: string): Promise<Told<readonly Row[]>> => {
    const known = denied.get(statement)
    if (known !== undefined) return known
    const told = rowsOf(await session.query(statement))
    if (!told.ok && told.failure.code === 'access-denied') denied.set(statement, told)
    return told
  }

  const askChannels = async (session: Session): Promise<Told<readonly Channel[]>> => {
    for (;;) {
      const statement = replicaStatements[replicaStatement]
      if (statement === undefined) return { ok: true, value: [] }
      const told = await ask(session, statement)
      if (told.ok) return { ok: true, value: channelsFrom(told.value) }
      if (!syntaxError.test(told.failure.text)) return told
      replicaStatement += 1
    }
  }

  const askBacklog = async (session: Session, words: Words): Promise<Told<Backlog> | null> => {
    if (isGalera(words)) {
      const queues = galeraQueues(words)
      return queues === null ? null : { ok: true, value: watchBacklog(queues) }
    }
    if (!isGroupMember(words)) return null
    const stats = await ask(session, 'SELECT * FROM performance_schema.replication_group_member_stats')
    if (!stats.ok) return stats
    const queues = groupQueues(words, stats.value)
    return queues === null ? null : { ok: true, value: watchBacklog(queues) }
  }

  return async (session, leaving) => {
    const words = without(leaving, await askWords(session))
    const known = words.ok ? words.value : {}
    const channels = await askChannels(session)
    const groupMembers = isGroupMember(known)
      ? await ask(session, 'SELECT * FROM performance_schema.replication_group_members')
      : null
    const backlog = await askBacklog(session, known)
    const dataNodes = isNdb(known) ? await ask(session, 'SELECT status FROM ndbinfo.nodes') : null
    const check = objectionTo(await session.query(query), expect)
    const takesWrites = setFlags(known)?.length === 0
    const write = heartbeat !== null && takesWrites && check === null ? await heartbeat(session) : null
    const disk = lookAtDisk === null ? null : await lookAtDisk(known)
    hosts ??= await lookAtHosts(session)
    if (grants?.ok !== true) grants = rowsOf(await session.query(accountStatement))
    const isRescued = !grants.ok && noGrants.test(grants.failure.text)
    const isAdministrator = grants.ok && takesReserved(grants.value)
    if (grants.ok) grants = { ok: true, value: isAdministrator ? [{ grant: 'SUPER' }] : [] }
    const facts: ServerFacts = {
      check,
      words,
      channels,
      groupMembers,
      backlog,
      dataNodes,
      disk,
      write,
      refused,
      hosts,
      closed: isRescued ? closed('the server was started with skip-grant-tables') : fullTable(known),
      account: isAdministrator ? 'can take the connection that is reserved for administrators' : null,
    }
    const lost = [words, channels, groupMembers, backlog, dataNodes].map((told) =>
      told?.ok === false ? told.failure : null,
    )
    const fatal = [...lost, check, write].find((failure) => failure?.fatal)
    return fatal == null ? { kind: 'answered', facts } : { kind: 'failed', failure: fatal }
  }
}

const without = (leaving: number, told: Told<Words>): Told<Words> => {
  const { threads_connected: used } = told.ok ? told.value : {}
  if (!told.ok || used === undefined || leaving === 0) return told
  return { ok: true, value: { ...told.value, threads_connected: String(Number(used) - leaving) } }
}

/** MariaDB tells a hundred words about a Galera that is switched off. */
const fewer = (statements: readonly string[], words: Words): readonly string[] =>
  words['wsrep_on'] === 'OFF'
    ? [wsrepSwitch, ...statements.filter((one) => one !== wsrepSwitch && !wsrepStatements.includes(one))]
    : statements

const rowsOf = (reply: Reply): Told<readonly Row[]> =>
  reply.ok ? { ok: true, value: rowsFrom(reply.columns, reply.rows) } : reply

const saidLength = 80

const objectionTo = (reply: Reply, expect: string | null): Failure | null => {
  if (!reply.ok) return reply.failure
  if (expect === null) return null
  const value = textOf(reply.rows[0]?.[0])
  if (value === expect) return null
  const found = value === null ? (reply.rows.length === 0 ? 'no row' : 'NULL') : 'another value than check.expect'
  const said =
    value === null ? '' : `"${oneLine(value, saidLength)}" where "${oneLine(expect, saidLength)}" is expected`
  return { code: 'unexpected-result', text: `the check query answered ${found}`, fatal: false, said }
}
