// Answers health checks with a report of the size that real ones have.

import { createServer } from 'node:http'
import { healthReportSchema } from '../../shared/health-report.ts'
import { eventText } from '../../shared/health-stream.ts'

const report = JSON.stringify({
  version: 1,
  verdict: 'pass',
  reason: { code: 'ok', text: 'the node is synced and answers' },
  certainty: 'soft',
  mode: 'galera',
  role: 'primary',
  writable: true,
  age_ms: 120,
  probe_ms: 2,
  facts: {
    wsrep_cluster_status: 'Primary',
    wsrep_cluster_size: '3',
    wsrep_ready: 'ON',
    wsrep_local_state: '4',
    wsrep_local_state_comment: 'Synced',
    wsrep_desync: 'OFF',
    wsrep_reject_queries: 'NONE',
    read_only: 'OFF',
  },
  agent: { host: 'db1', version: '0.1.0', uptime_s: 86_400 },
})

const news = eventText({ event: 'report', status: 200, report: healthReportSchema.parse(JSON.parse(report)) })
const heartbeat = eventText({ event: 'heartbeat' })

const server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => {
  const [, every] = /^\/watch\?.*heartbeat=(\d+)ms/.exec(request.url ?? '') ?? []
  if (every !== undefined) {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(news)
    const pulse = setInterval(() => response.write(heartbeat), Number(every))
    response.once('close', () => clearInterval(pulse))
    return
  }
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(report),
    'mysqlchk-watch': '/watch',
  })
  response.end(report)
})
server.listen(0, '0.0.0.0', () => {
  const address = server.address()
  process.send?.({ port: typeof address === 'object' && address !== null ? address.port : 0 })
})
process.once('disconnect', () => process.exit(0))
