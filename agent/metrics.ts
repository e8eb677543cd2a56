// The agent's metrics in Prometheus' text format.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { HealthReport } from '../shared/health-report.ts'
import type { Millis } from './core/time.ts'
import type { Probe } from './probe/core/facts.ts'
import type { Body } from './server/core/bodies.ts'
import type { Asked } from './server/core/request.ts'

/** Counts what happens and renders it. */
export type Metrics = {
  readonly probed: (probe: Probe) => void
  readonly answered: (asked: Asked, status: number) => void
  /** A line of agent-check. */
  readonly lineSent: (line: string) => void
  /** An event went out over a stream of `/watch`. */
  readonly eventSent: (event: string) => void
  /** One more client watches, or one less. */
  readonly watching: (change: 1 | -1) => void
  readonly refused: (reason: string) => void
  /** `lost` is the time that the event loop lost since the start. */
  readonly render: (report: HealthReport, lost: Millis) => Promise<Body>
}

const millisPerSecond = 1000
const durations = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
/** Node's own loop monitor wakes up this often. */
const loopPrecisionMillis = 100

/** Metrics that start at zero. */
export const createMetrics = (): Metrics => {
  const registers = [new Registry()]
  const [registry = new Registry()] = registers
  collectDefaultMetrics({ register: registry, prefix: 'mysqlchk_', eventLoopMonitoringPrecision: loopPrecisionMillis })
  // Gauges that are named like counters: promtool objects to them. The same numbers are there by type.
  for (const what of ['handles', 'requests', 'resources']) {
    registry.removeSingleMetric(`mysqlchk_nodejs_active_${what}_total`)
  }
  const gauge = (name: string, help: string) => new Gauge({ name: `mysqlchk_${name}`, help, registers })
  const up = gauge('up', '1 while the configured check passes, else 0')
  const writable = gauge('writable', '1 while the node takes writes, else 0; absent where it is not known')
  const lag = gauge('replication_lag_seconds', 'Worst lag of all replication channels; absent where it is not known')
  const free = gauge('connections_free_percent', 'Free connections of max_connections; absent where it is not known')
  const galeraState = gauge('galera_local_state', 'wsrep_local_state of a Galera node; 4 is Synced')
  const galeraSize = gauge('galera_cluster_size', 'wsrep_cluster_size of a Galera node')
  const age = gauge('result_age_seconds', 'Age of the newest result, from the start of its probe')
  const loopLost = new Counter({
    name: 'mysqlchk_loop_lost_seconds_total',
    help: "Time that the agent's own loop lost",
    registers,
  })
  const watchers = gauge('watchers', 'Open event streams of /watch')
  const events = new Counter({
    name: 'mysqlchk_watch_events_total',
    help: 'Events that went out over streams of /watch, by kind',
    labelNames: ['event'],
    registers,
  })
  const reason = new Gauge({
    name: 'mysqlchk_reason',
    help: 'The reason of the present verdict as a label; always 1',
    labelNames: ['code'],
    registers,
  })
  const duration = new Histogram({
    name: 'mysqlchk_probe_duration_seconds',
    help: 'How long probes of the server took, by outcome',
    labelNames: ['outcome'],
    buckets: durations,
    registers,
  })
  const requests = new Counter({
    name: 'mysqlchk_requests_total',
    help: 'Answered requests by what they asked for and HTTP status, and lines of agent-check by their word',
    labelNames: ['asked', 'status'],
    registers,
  })
  const refusals = new Counter({
    name: 'mysqlchk_refused_total',
    help: 'Connections and requests that were refused, by reason',
    labelNames: ['reason'],
    registers,
  })

  return {
    probed: ({ took, outcome }) => duration.observe({ outcome: outcome.kind }, took / millisPerSecond),
    answered: (asked, status) => {
      requests.inc({ asked: asked.asks === 'check' ? asked.question.about : asked.asks, status })
    },
    lineSent: (line) => {
      requests.inc({ asked: 'agent-check', status: /\b(?:up|drain|maint|down)\b/.exec(line)?.[0] ?? '' })
    },
    eventSent: (event) => events.inc({ event }),
    watching: (change) => watchers.inc(change),
    refused: (why) => refusals.inc({ reason: why }),
    render: async (report, lost) => {
      const { facts } = report
      up.set(report.verdict === 'pass' ? 1 : 0)
      reason.reset()
      reason.set({ code: report.reason.code }, 1)
      setOrClear(writable, report.writable === null ? null : Number(report.writable))
      setOrClear(lag, report.lag_s)
      setOrClear(free, report.connections_free_percent)
      setOrClear(galeraState, numberIn(facts['wsrep_local_state']))
      setOrClear(galeraSize, numberIn(facts['wsrep_cluster_size']))
      setOrClear(age, report.age_ms === null ? null : report.age_ms / millisPerSecond)
      loopLost.reset()
      loopLost.inc(lost / millisPerSecond)
      return { text: await registry.metrics(), headers: { 'Content-Type': registry.contentType } }
    },
  }
}

const setOrClear = (gauge: Gauge, value: number | null): void => {
  if (value === null) gauge.remove()
  else gauge.set(value)
}

const numberIn = (fact: unknown): number | null =>
  typeof fact === 'string' && /^\d{1,9}$/.test(fact) ? Number(fact) : null
