// Facts, settings and reports to begin a test with; each test changes what it is about.

import { millis } from '../../agent/core/time.ts'
import type { ServerFacts, Words } from '../../agent/probe/core/facts.ts'
import type { Judging } from '../../agent/verdict/core/judge.ts'
import type { HealthReport } from '../../shared/health-report.ts'

/** The defaults of agent.yaml. */
export const judging = (change: Partial<Judging> = {}): Judging => ({
  mode: 'auto',
  availableWhenDonor: false,
  maximumLag: millis(30_000),
  maximumAbsence: millis(300_000),
  writerMustReplicate: false,
  reserves: { disk: null, connections: null, queues: null },
  ...change,
})

/** A server that told these words and is nothing but a server. */
export const facts = (words: Words = {}, change: Partial<ServerFacts> = {}): ServerFacts => ({
  check: null,
  words: { ok: true, value: words },
  channels: { ok: true, value: [] },
  groupMembers: null,
  backlog: null,
  dataNodes: null,
  disk: null,
  write: null,
  refused: null,
  hosts: [],
  ...change,
})

/** A report on a server that passes. */
export const report = (change: Partial<HealthReport> = {}): HealthReport => ({
  version: 1,
  verdict: 'pass',
  reason: { code: 'ok', text: 'the check query answers' },
  last_resort: false,
  certainty: 'soft',
  mode: 'ping',
  role: 'primary',
  writable: true,
  lag_s: null,
  connections_free_percent: null,
  age_ms: 1,
  warnings: [],
  probe_ms: 1,
  facts: {},
  agent: { host: 'db1', version: '0.1.0', uptime_s: 1 },
  ...change,
})
