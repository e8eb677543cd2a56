// Replication channels (MariaDB: connections) from the rows of SHOW REPLICA STATUS, in either naming scheme.

import { oneLine } from '../../core/text.ts'
import type { Row } from './rows.ts'

/** One source that the server replicates from. The threads are in the server's words; `lag` is in seconds. */
export type Channel = {
  readonly name: string
  readonly ioThread: string
  readonly sqlThread: string
  readonly lag: number | null
  /** The last error of either thread; empty without one. */
  readonly error: string
}

/**
 * What may be asked, newest first: MariaDB with all its connections, MySQL 8.0.22 and newer, everything older. A server
 * that does not know one answers with a syntax error.
 */
export const replicaStatements = ['SHOW ALL SLAVES STATUS', 'SHOW REPLICA STATUS', 'SHOW SLAVE STATUS'] as const

const notTold = 'not told'
const errorLength = 160

/** Group Replication shows channels of its own; its membership is judged elsewhere. */
const groupChannel = /^group_replication_/

/** The channels of a replica. What a row does not tell reads as a stopped thread and an unknown lag. */
export const channelsFrom = (rows: readonly Row[]): readonly Channel[] =>
  rows
    .map((row) => ({
      name: word(row, 'connection_name', 'channel_name') ?? '',
      ioThread: word(row, 'replica_io_running', 'slave_io_running') ?? notTold,
      sqlThread: word(row, 'replica_sql_running', 'slave_sql_running') ?? notTold,
      lag: seconds(word(row, 'seconds_behind_source', 'seconds_behind_master')),
      error: oneLine(word(row, 'last_sql_error') || word(row, 'last_io_error') || '', errorLength),
    }))
    .filter(({ name }) => !groupChannel.test(name))

const word = (row: Row, ...names: readonly string[]): string | null => {
  const name = names.find((one) => row[one] !== undefined)
  return name === undefined ? null : (row[name] ?? null)
}

const seconds = (text: string | null): number | null => (text !== null && /^\d{1,12}$/.test(text) ? Number(text) : null)
