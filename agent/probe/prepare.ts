// What a login inherits from the server's settings and its init_connect, and that must not decide a check.

import type { Millis } from '../core/time.ts'
import type { Failure } from './core/failure.ts'
import type { Session } from './session.ts'

/** Sets up a fresh login; null, or why the connection is lost. */
export type Preparation = (session: Session) => Promise<Failure | null>

const second = 1000
/** The longest pause between two probes of a kept login is a minute. */
const idleSeconds = 600

/**
 * Statements for every kind of server: one that does not know a variable, or does not let this user set it, refuses that
 * statement, and that is no failure. What a probe has given up on ends in the server a second or two later.
 */
const statements = (timeout: Millis): readonly string[] => {
  const seconds = Math.ceil(timeout / second) + 1
  return [
    'SET NAMES utf8mb4',
    // Without autocommit the heartbeat would never be written and lock others out, and a limit would cut the members of a group.
    `SET SESSION autocommit = 1, sql_mode = '', sql_select_limit = 18446744073709551615, wait_timeout = ${idleSeconds}`,
    `SET SESSION lock_wait_timeout = ${seconds}`,
    `SET SESSION innodb_lock_wait_timeout = ${seconds}`,
    // MariaDB counts seconds, MySQL milliseconds.
    `SET SESSION max_statement_time = ${seconds}`,
    `SET SESSION max_execution_time = ${seconds * second}`,
    // A kept result would hide a server that hangs.
    'SET SESSION query_cache_type = OFF',
    // So that the check does not wait behind flow control, or for what the group has not applied yet.
    'SET SESSION wsrep_sync_wait = 0',
    "SET SESSION group_replication_consistency = 'EVENTUAL'",
  ]
}

/** The preparation of logins whose probes may take `timeout`. */
export const createPreparation = (timeout: Millis): Preparation => {
  const all = statements(timeout)
  return async (session) => {
    for (const statement of all) {
      const reply = await session.query(statement)
      // Some of them are the server's last words, with the end of the connection behind them.
      if (!reply.ok && (reply.failure.fatal || reply.failure.code === 'connection-lost')) return reply.failure
    }
    return null
  }
}
