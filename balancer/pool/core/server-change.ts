// The log lines of changes of servers and writers, in the words that HAProxy's users grep for.

import type { CheckStatus, ServerHealthFact, WriterFact } from './facts.ts'
import { type Pool, serverKey, usableServers } from './pool.ts'

/** A log line: its level, its text and the fields beside it. */
export type ChangeLine = {
  readonly level: 'info' | 'warn' | 'error'
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>>
}

const statusWords: Readonly<Record<CheckStatus, string>> = {
  L3OK: 'Layer3 check passed',
  L3CON: 'Layer3 problem',
  L3TOUT: 'Layer3 timeout',
  L4OK: 'Layer4 check passed',
  L4CON: 'Layer4 connection problem',
  L4TOUT: 'Layer4 timeout',
  L6TOUT: 'Layer6 timeout',
  L6RSP: 'Layer6 invalid response',
  L7OK: 'Layer7 check passed',
  L7OKC: 'Layer7 check conditionally passed',
  L7STS: 'Layer7 wrong status',
  L7TOUT: 'Layer7 timeout',
  L7RSP: 'Layer7 invalid response',
  SOCKERR: 'Socket error',
}

/** What to log when a server's fact followed `earlier` and the pool knows it; undefined when nothing operators watch changed. */
export const describeChange = (
  pool: Pool,
  earlier: ServerHealthFact | undefined,
  fact: ServerHealthFact,
): ChangeLine | undefined => {
  const change = changeOf(earlier, fact)
  if (change === undefined) return undefined
  const left = usableServers(pool, fact.listener)
  const sessions = sessionsOn(pool, fact)
  const verb = change.better ? 'online' : 'left'
  const fields = { listener: fact.listener, server: fact.server, up: fact.up, check: fact.lastCheck, ...left, sessions }
  const counts = `${left.active} active and ${left.backup} backup servers ${verb}. ${sessions} sessions active.`
  const text = `Server ${serverKey(fact.listener, fact.server)} ${change.text}. ${counts}`
  if (change.better) return { level: 'info', text, fields }
  return left.active + left.backup > 0
    ? { level: 'warn', text, fields }
    : { level: 'error', text: `${text} Listener ${fact.listener} has no server available!`, fields }
}

type Change = { readonly better: boolean; readonly text: string }

const changeOf = (earlier: ServerHealthFact | undefined, fact: ServerHealthFact): Change | undefined => {
  const admin = earlier?.admin ?? 'ready'
  if (fact.admin === 'maint') {
    return admin === 'maint' ? undefined : { better: false, text: `is going DOWN for maintenance${byWhom(fact)}` }
  }
  if (admin === 'maint' && !fact.up) return { better: true, text: 'leaves maintenance and is checked first' }
  if (fact.counters.includes(null)) return undefined
  const before = earlier?.counters.includes(null) ? undefined : earlier?.up
  if (before !== fact.up) return { better: fact.up, text: `is ${fact.up ? 'UP' : 'DOWN'}, ${reasonOf(fact)}` }
  if (fact.up && earlier !== undefined && earlier.backup !== fact.backup) {
    return fact.backup
      ? { better: false, text: `is a backup now, ${reasonOf(fact)}` }
      : { better: true, text: 'is no backup any more' }
  }
  const drained = isDrained(fact)
  if (isDrained(earlier) === drained) return weightChange(earlier, fact)
  return drained
    ? { better: false, text: `enters drain state${byWhom(fact)}` }
    : {
        better: true,
        text: `is UP (leaving drain)${fact.agentCheck?.silent && earlier?.agent?.admin === 'drain' ? ': its agent is silent' : ''}`,
      }
}

const weightChange = (earlier: ServerHealthFact | undefined, fact: ServerHealthFact): Change | undefined =>
  earlier === undefined || earlier.weight === fact.weight
    ? undefined
    : { better: fact.weight > 0, text: `has weight ${fact.weight} (it was ${earlier.weight})${byWhom(fact)}` }

const isDrained = (fact: ServerHealthFact | undefined): boolean =>
  fact !== undefined && (fact.admin === 'drain' || fact.draining)

const byWhom = ({ orders, agent, draining, admin }: ServerHealthFact): string => {
  if (admin !== 'ready' && orders.admin === admin) return ' by order'
  if (admin !== 'ready' && agent !== null) return `, agent says "${agent.text}"`
  if (draining) return ', the check answered 404'
  return agent === null ? '' : `, agent says "${agent.text}"`
}

const reasonOf = ({ lastCheck, agent, found }: ServerHealthFact): string => {
  if (agent?.down) return `reason: agent says "${agent.text}"`
  if (lastCheck === null) return 'reason: unknown'
  const { status, code, reason, text, durationMs } = lastCheck
  const shown = code === null ? '' : `, code: ${code}`
  const age = found?.ageMs == null ? '' : `, news: ${found.ageMs}ms old`
  const by = found === null ? '' : `, found by: ${found.by}${age}`
  return `reason: ${statusWords[status]}${shown}, info: "${reason}: ${text}", check duration: ${durationMs}ms${by}`
}

const sessionsOn = (pool: Pool, { listener, server }: ServerHealthFact): number =>
  pool.listeners.get(listener)?.servers.find((traffic) => traffic.server === server)?.sessions ?? 0

/** What to log when somebody ordered something of a server. */
export const describeOrdered = (listener: string, server: string, words: string, by: string): ChangeLine => ({
  level: 'warn',
  text: `Server ${serverKey(listener, server)}: ${by} ordered ${words}`,
  fields: { listener, server, by, order: words },
})

/** What to log when a single-writer listener has another writer. */
export const describeWriter = (earlier: WriterFact | undefined, { listener, server }: WriterFact): ChangeLine => {
  const before = earlier?.server ?? null
  const fields = { listener, writer: server, before }
  if (server === null) return { level: 'error', text: `Listener ${listener} has no writer (it was ${before})`, fields }
  const was = before === null ? '' : ` (it was ${before})`
  return {
    level: before === null ? 'info' : 'warn',
    text: `Listener ${listener}: the writer is ${server}${was}`,
    fields,
  }
}
