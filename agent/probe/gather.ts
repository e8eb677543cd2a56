// The statements of one probe, and the facts that their answers make.

import type { Outcome, ServerFacts, Words } from './core/facts.ts'
import type { Failure } from './core/failure.ts'
import type { Reply, Session } from './session.ts'

/**
 * Prepares a fresh login, so that the check does not wait behind Galera's flow control. A server without wsrep refuses
 * the variable, and that is no failure; only a lost connection is.
 */
export const prepareSession = async (session: Session): Promise<Failure | null> => {
  const reply = await session.query('SET SESSION wsrep_sync_wait = 0')
  return !reply.ok && reply.failure.fatal ? reply.failure : null
}

/**
 * Asks the server what it is and runs the check query. SHOW passes where Galera refuses a SELECT, and LIKE is filtered
 * by the server before it computes the values.
 */
export const gather = async (session: Session, query: string): Promise<Outcome> => {
  const words = await showAll(session, [
    "SHOW GLOBAL VARIABLES LIKE 'wsrep%'",
    "SHOW STATUS LIKE 'wsrep%'",
    "SHOW GLOBAL VARIABLES LIKE '%read_only'",
  ])
  if (!words.ok && words.failure.fatal) return { kind: 'failed', failure: words.failure }
  const check = await session.query(query)
  if (!check.ok && check.failure.fatal) return { kind: 'failed', failure: check.failure }
  return { kind: 'answered', facts: { check: check.ok ? null : check.failure, words } }
}

const showAll = async (session: Session, statements: readonly string[]): Promise<ServerFacts['words']> => {
  const replies: Words[] = []
  for (const statement of statements) {
    const reply = await session.query(statement)
    if (!reply.ok) return reply
    replies.push(wordsOf(reply))
  }
  return { ok: true, words: Object.assign({}, ...replies) }
}

const wordsOf = (reply: Reply & { ok: true }): Words =>
  Object.fromEntries(reply.rows.map(([name, value]) => [String(name).toLowerCase(), String(value)]))
