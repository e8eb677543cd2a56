// Replication channels (MariaDB: connections) from the rows of SHOW REPLICA STATUS, in either naming scheme.

import { oneLine } from '../../core/text.ts'
import type { Millis } from '../../core/time.ts'
import { numberText, reasonOfNumber } from './failure.ts'
import type { Row } from './rows.ts'

/** One source that the server replicates from. The threads are in the server's words; `lag` is in seconds. */
export type Channel = {
  readonly name: string
  readonly ioThread: string
  readonly sqlThread: string
  readonly lag: number | null
  /** The last error of either thread, its number and words of ours; empty without one. */
  readonly error: string
  /** The same in the words of the server, which may hold rows: for the log. */
  readonly said?: string
  /** Whether the source is away, and replication waits for it: it does not answer, or not any more. */
  readonly isSourceAway?: boolean
  /** How long it has been away, as far as the agent has seen it. */
  readonly awayFor?: Millis
  /** Whether all that the source has sent is applied; not told by every version. */
  readonly isApplied?: boolean
}

/**
 * What may be asked, newest first: MariaDB with all its connections, MySQL 8.0.22 and newer, everything older. A server
 * that does not know one answers with a syntax error.
 */
export const replicaStatements = ['SHOW ALL SLAVES STATUS', 'SHOW REPLICA STATUS', 'SHOW SLAVE STATUS'] as const

const notTold = 'not told'
const errorLength = 256
const nameLength = 64

/** Group Replication shows channels of its own; its membership is judged elsewhere. */
const groupChannel = /^group_replication_/

/** The channels of a replica. What a row does not tell reads as a stopped thread and an unknown lag. */
export const channelsFrom = (rows: readonly Row[]): readonly Channel[] =>
  rows.map(channelFrom).filter(({ name }) => !groupChannel.test(name))

const channelFrom = (row: Row): Channel => {
  const ioThread = word(row, 'replica_io_running', 'slave_io_running') ?? notTold
  const sqlThread = word(row, 'replica_sql_running', 'slave_sql_running') ?? notTold
  const said = word(row, 'last_sql_error') || word(row, 'last_io_error') || ''
  const ioNumber = numberIn(row, 'last_io_errno')
  const number = numberIn(row, 'last_sql_errno') || ioNumber
  return {
    name: oneLine(word(row, 'connection_name', 'channel_name') ?? '', nameLength),
    ioThread: oneLine(ioThread, nameLength),
    sqlThread: oneLine(sqlThread, nameLength),
    lag: seconds(word(row, 'seconds_behind_source', 'seconds_behind_master')),
    error: number > 0 ? numberText(number) : said === '' ? '' : 'an error without a number',
    said: oneLine(said, errorLength),
    // A source that refuses the login of its replica is there, and goes on without it.
    isSourceAway: ioThread === 'Connecting' && sqlThread === 'Yes' && reasonOfNumber(ioNumber) !== 'access-denied',
    isApplied: isApplied(row),
  }
}

/** The SQL thread says so; the position reached tells it too, but not in the middle of what the source could not finish. */
const isApplied = (row: Row): boolean => {
  const state = word(row, 'replica_sql_running_state', 'slave_sql_running_state', 'slave_sql_state')
  if (state === null || /has read all relay log/i.test(state)) return true
  const [read, done] = [
    [word(row, 'source_log_file', 'master_log_file'), word(row, 'read_source_log_pos', 'read_master_log_pos')],
    [
      word(row, 'relay_source_log_file', 'relay_master_log_file'),
      word(row, 'exec_source_log_pos', 'exec_master_log_pos'),
    ],
  ]
  return read.join() === done.join()
}

const numberIn = (row: Row, name: string): number => seconds(row[name] ?? null) ?? 0

const word = (row: Row, ...names: readonly string[]): string | null => {
  const name = names.find((one) => row[one] !== undefined)
  return name === undefined ? null : (row[name] ?? null)
}

const seconds = (text: string | null): number | null => (text !== null && /^\d{1,12}$/.test(text) ? Number(text) : null)
