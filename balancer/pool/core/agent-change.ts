// The log lines of a server's agent that falls silent, answers again, or says what nobody knows.

import type { ServerHealthFact } from './facts.ts'
import { serverKey } from './pool.ts'
import type { ChangeLine } from './server-change.ts'

/** What to log of the agent-check when a fact followed `earlier`; undefined when there is nothing new. */
export const describeAgent = (
  earlier: ServerHealthFact | undefined,
  fact: ServerHealthFact,
): ChangeLine | undefined => {
  const now = fact.agentCheck
  if (now === null) return undefined
  const before = earlier?.agentCheck ?? null
  const agent = `Agent of server ${serverKey(fact.listener, fact.server)}`
  const fields = { listener: fact.listener, server: fact.server, agentCheck: now }
  if (now.silent && !before?.silent) {
    const said = earlier?.agent?.text
    const lost = said === undefined ? 'it has no say' : `what it said no longer counts: "${said}"`
    const text = `${agent} has not answered ${now.failures} checks in a row (${now.reason}): ${lost}`
    return { level: 'warn', text, fields }
  }
  if (!now.silent && before?.silent) return { level: 'info', text: `${agent} answers again`, fields }
  // Powers of two bound the rate of the log, however often it says so.
  if (now.unknown <= (before?.unknown ?? 0) || !Number.isInteger(Math.log2(now.unknown))) return undefined
  const text = `${agent} says what nobody knows: "${now.lastUnknown}" (${now.unknown} such lines so far)`
  return { level: 'warn', text, fields }
}
