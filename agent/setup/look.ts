// Asks a server, as its administrator, for all that decides what its check user needs.

import type { CheckConfig } from '../config/schema.ts'
import type { Told, Words } from '../probe/core/facts.ts'
import { channelsFrom, replicaStatements } from '../probe/core/replication.ts'
import { type Row, wordsFrom } from '../probe/core/rows.ts'
import { isGroupMember, ownMember } from '../verdict/core/group.ts'
import type { Administrator } from './administrator.ts'
import type { Seen } from './core/server.ts'
import { quoted } from './core/statements.ts'

const variables =
  "'read_only', 'super_read_only', 'innodb_read_only', 'group_replication_group_name', 'server_uuid', 'skip_networking', 'bind_address', 'port', 'log_bin'"

/** What is there, or the first failure. */
export const lookAtServer = async (
  { rows }: Administrator,
  user: string,
  heartbeat: CheckConfig['heartbeat'],
): Promise<Told<Seen>> => {
  const version = await rows('SELECT VERSION() AS version')
  if (!version.ok) return version
  const words = await wordsOf(rows)
  if (!words.ok) return words
  const hosts = await rows(`SELECT Host AS host FROM mysql.user WHERE User = ${quoted(user)} ORDER BY Host`)
  if (!hosts.ok) return hosts
  const replication = await replicationOf(rows)
  if (!replication.ok) return replication
  const processes = await rows('SHOW PROCESSLIST')
  if (!processes.ok) return processes
  const members = isGroupMember(words.value)
    ? await rows('SELECT * FROM performance_schema.replication_group_members')
    : null
  if (members?.ok === false) return members
  const table = heartbeat === null ? null : await rows(`SELECT 1 AS one FROM ${tableClause(heartbeat.table)}`)
  if (table?.ok === false) return table
  return {
    ok: true,
    value: {
      version: version.value[0]?.['version'] ?? '',
      words: words.value,
      sources: replication.value,
      hasReplicas: processes.value.some((row) => /^Binlog Dump/i.test(row['command'] ?? '')),
      groupRole: members === null ? null : (ownMember(words.value, members.value)?.['member_role'] ?? null),
      hosts: hosts.value.map((row) => row['host'] ?? ''),
      hasTable: table === null ? null : table.value.length > 0,
    },
  }
}

type Ask = Administrator['rows']

const tableClause = (table: string): string => {
  const [database = '', name = ''] = table.split('.')
  return `information_schema.tables WHERE table_schema = ${quoted(database)} AND table_name = ${quoted(name)}`
}

const wordsOf = async (rows: Ask): Promise<Told<Words>> => {
  const statements = [
    `SHOW GLOBAL VARIABLES WHERE Variable_name IN (${variables})`,
    "SHOW GLOBAL VARIABLES LIKE 'wsrep%'",
    "SHOW STATUS LIKE 'ndb_number_of%data_nodes'",
  ]
  const all: Words[] = []
  for (const statement of statements) {
    const told = await rows(statement)
    if (!told.ok) return told
    all.push(wordsFrom(told.value.map((row) => [row['variable_name'], row['value']])))
  }
  return { ok: true, value: Object.assign({}, ...all) }
}

const syntaxError = /^error 1064\b/

const replicationOf = async (rows: Ask): Promise<Told<readonly string[]>> => {
  for (const statement of replicaStatements) {
    const told = await rows(statement)
    if (told.ok) return { ok: true, value: sourcesIn(told.value) }
    if (!syntaxError.test(told.failure.text)) return told
  }
  return { ok: true, value: [] }
}

const sourcesIn = (rows: readonly Row[]): readonly string[] =>
  rows
    .filter((row) => channelsFrom([row]).length > 0)
    .map((row) => {
      const host = row['source_host'] ?? row['master_host'] ?? 'its source'
      const port = row['source_port'] ?? row['master_port']
      return port == null ? host : `${host}:${port}`
    })
