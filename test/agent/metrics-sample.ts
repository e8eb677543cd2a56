// The agent's metrics with something in each of them.

import { millis } from '../../agent/core/time.ts'
import { createMetrics } from '../../agent/metrics.ts'
import { report } from './samples.ts'

/** What Prometheus is told by an agent that has had a bit of everything. */
export const fullMetrics = async (): Promise<string> => {
  const metrics = createMetrics()
  metrics.probed({
    startedAt: millis(0),
    took: millis(2),
    outcome: { kind: 'failed', failure: { code: 'timeout', text: '', fatal: true } },
  })
  metrics.answered({ asks: 'status' }, 200)
  metrics.lineSent('up 100%')
  metrics.eventSent('report')
  metrics.refused('not-allowed')
  const galera = { wsrep_local_state: '4', wsrep_cluster_size: '3' }
  const { text } = await metrics.render(report({ facts: galera, lag_s: 1, connections_free_percent: 50 }), millis(0))
  return text.toString()
}
