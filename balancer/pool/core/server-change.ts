// The log lines of a server's changes, in the words that HAProxy's users grep for.

import type { CheckStatus, ServerHealthFact } from './facts.ts'
import { type Pool, serverKey, serversUp } from './pool.ts'

/** A log line: its level, its text and the fields beside it. */
export type ChangeLine = {
  readonly level: 'info' | 'warn' | 'error'
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>>
}

const statusWords: Readonly<Record<CheckStatus, string>> = {
  L4CON: 'Layer4 connection problem',
  L4TOUT: 'Layer4 timeout',
  L7OK: 'Layer7 check passed',
  L7STS: 'Layer7 wrong status',
  L7TOUT: 'Layer7 timeout',
  L7RSP: 'Layer7 invalid response',
  SOCKERR: 'Socket error',
}

/** What to log when a server's fact takes the pool from `before` to `after`; undefined when up stays up or down down. */
export const describeChange = (before: Pool, after: Pool, fact: ServerHealthFact): ChangeLine | undefined => {
  const key = serverKey(fact.listener, fact.server)
  const earlier = before.servers.get(key)
  if (earlier?.up === fact.up) return undefined
  const { lastCheck } = fact
  const reason = lastCheck === null ? 'unknown' : statusWords[lastCheck.status]
  const code = lastCheck?.httpStatus == null ? '' : `, code: ${lastCheck.httpStatus}`
  const info = lastCheck === null ? '' : `, info: "${lastCheck.reason}: ${lastCheck.text}"`
  const duration = lastCheck === null ? '' : `, check duration: ${lastCheck.durationMs}ms`
  const left = serversUp(after, fact.listener)
  const sessions = sessionsOn(before, fact)
  const fields = { listener: fact.listener, server: fact.server, up: fact.up, check: lastCheck, active: left, sessions }
  const servers = `${left} active and 0 backup servers ${fact.up ? 'online' : 'left'}. ${sessions} sessions active.`
  const text = `Server ${key} is ${fact.up ? 'UP' : 'DOWN'}, reason: ${reason}${code}${info}${duration}. ${servers}`
  if (fact.up) return { level: 'info', text, fields }
  return left > 0
    ? { level: 'warn', text, fields }
    : { level: 'error', text: `${text} Listener ${fact.listener} has no server available!`, fields }
}

const sessionsOn = (pool: Pool, { listener, server }: ServerHealthFact): number =>
  pool.listeners.get(listener)?.servers.find((traffic) => traffic.server === server)?.sessions ?? 0
