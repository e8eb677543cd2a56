import t from 'tap'
import { type HealthReport, maximumReportBytes, parseHealthReport } from '../../shared/health-report.ts'
import { adviceFor, certaintyOf, reasonCodes } from '../../shared/reason.ts'

const report: HealthReport = {
  version: 1,
  verdict: 'fail',
  reason: { code: 'not-primary', text: 'wsrep_cluster_status is non-Primary' },
  last_resort: false,
  certainty: 'hard',
  mode: 'galera',
  role: 'unknown',
  writable: null,
  lag_s: null,
  connections_free_percent: null,
  age_ms: 120,
  probe_ms: 3,
  warnings: [],
  facts: { wsrep_cluster_status: 'non-Primary', wsrep_cluster_size: 1 },
  agent: { host: 'db1', version: '0.1.0', uptime_s: 12 },
}

t.test('a report survives the trip', async (t) => {
  t.same(parseHealthReport(JSON.stringify(report)), { ok: true, report })
})

t.test('texts come without control characters, which could rewrite a terminal', async (t) => {
  const evil = 'a\u001b[2Jb\r\nc\u009bd\u202ee\u2028f\u2066'
  const told = {
    ...report,
    reason: { code: 'force-fail', text: evil },
    facts: { [evil]: evil },
    agent: { ...report.agent, host: evil },
  }
  const clean = 'a [2Jb c d e f'
  t.match(parseHealthReport(JSON.stringify(told)), {
    report: { reason: { text: clean }, facts: { [clean]: clean }, agent: { host: clean } },
  })
})

t.test('members and reason codes of a newer agent do not make the report unreadable', async (t) => {
  const newer = {
    ...report,
    reason: { code: 'moon-phase', text: 'full' },
    extra: { a: 1 },
    mode: 'raft',
    role: 'witness',
  }
  t.same(parseHealthReport(JSON.stringify(newer)), {
    ok: true,
    report: { ...report, reason: { code: 'unknown', text: 'full' }, mode: null, role: 'unknown' },
  })
})

t.test('a report of an older agent lacks what came later', async (t) => {
  const { lag_s: _lag, connections_free_percent: _free, warnings: _warnings, ...older } = report
  t.same(parseHealthReport(JSON.stringify(older)), { ok: true, report })
})

t.test('what is no report is told apart by reason', async (t) => {
  t.same(parseHealthReport('MySQL is running.\r\n'), { ok: false, reason: 'not-json' })
  t.same(parseHealthReport('{}'), { ok: false, reason: 'wrong-shape' })
  t.same(parseHealthReport(JSON.stringify({ ...report, version: 2 })), { ok: false, reason: 'wrong-shape' })
  t.same(parseHealthReport(' '.repeat(maximumReportBytes + 1)), { ok: false, reason: 'too-long' })
})

t.test('every reason has advice and a certainty', async (t) => {
  for (const code of reasonCodes) {
    t.match(adviceFor(code), /\.|systemctl/, code)
    t.match(certaintyOf(code), /^(hard|soft)$/, code)
  }
})
