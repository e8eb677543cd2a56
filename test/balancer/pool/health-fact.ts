// A fact about a server as tests need it: up and with nothing special, unless told.

import type { LastCheck, ServerHealthFact } from '../../../balancer/pool/core/facts.ts'

/** A check that failed because nothing answered, or with a reason that the server told. */
export const failedCheck = (reason = 'connection-refused'): LastCheck => {
  const isTold = reason !== 'connection-refused'
  const [status, code] = isTold ? (['L7STS', 503] as const) : (['L4CON', null] as const)
  return { at: 1000, passed: false, status, code, durationMs: 1, reason, text: reason, by: 'check', ageMs: null }
}

/** The fact of `mysql/<server>`. */
export const healthFact = (server: string, change: Partial<ServerHealthFact> = {}): ServerHealthFact => ({
  fact: 'server-health',
  listener: 'mysql',
  server,
  up: true,
  since: 1000,
  admin: 'ready',
  draining: false,
  refusing: false,
  weight: 1,
  maximumSessions: 0,
  role: 'unknown',
  health: { value: change.up === false ? 0 : 4, rise: 2, fall: 3 },
  counters: [change.up === false ? 0 : 4],
  lastCheck: null,
  backup: false,
  orders: { admin: 'ready', weight: null },
  agent: null,
  agentCheck: null,
  found: null,
  watched: false,
  malformedReports: {},
  lateChecks: 0,
  ...change,
})
