import t from 'tap'
import { millis } from '../../../agent/core/time.ts'
import type { Finding, Known } from '../../../agent/probe/core/facts.ts'
import { failureOf } from '../../../agent/probe/core/failure.ts'
import { configuredCheck } from '../../../agent/verdict/core/question.ts'
import { healthReport } from '../../../agent/verdict/core/report.ts'
import { parseHealthReport } from '../../../shared/health-report.ts'
import { problemsBy } from '../../packaging/published.ts'
import { facts, judging } from '../samples.ts'

const up: Finding = {
  startedAt: millis(10_000),
  took: millis(3),
  outcome: { kind: 'answered', facts: facts({ read_only: 'OFF' }) },
}
const down: Finding = {
  ...up,
  outcome: {
    kind: 'failed',
    failure: failureOf({ message: 'connect ECONNREFUSED', code: 'ECONNREFUSED', fatal: true }),
  },
}
const reportOn = (known: Known, now: number, forceFail: string | null = null) =>
  healthReport({
    known,
    forceFail,
    now: millis(now),
    interval: millis(1000),
    judging: judging(),
    question: configuredCheck,
    agent: { host: 'db1', version: '0.1.0', uptime_s: 1 },
  })

t.test('the agent starts with a failing answer', async (t) => {
  t.match(reportOn({ latest: null, late: false }, 1), { verdict: 'fail', reason: { code: 'starting' }, age_ms: null })
  t.match(reportOn({ latest: null, late: true }, 1), { verdict: 'fail', reason: { code: 'agent-late' } })
})

t.test('the age of a result counts from the start of its probe', async (t) => {
  t.match(reportOn({ latest: up, late: false }, 10_120), {
    verdict: 'pass',
    age_ms: 120,
    probe_ms: 3,
    certainty: 'soft',
  })
})

t.test('a late agent answers its last verdict for three intervals, then says that it is late', async (t) => {
  t.equal(reportOn({ latest: up, late: true }, 13_000).reason.code, 'ok')
  t.match(reportOn({ latest: up, late: true }, 13_001), {
    verdict: 'fail',
    reason: { code: 'agent-late' },
    certainty: 'soft',
  })
  t.equal(reportOn({ latest: down, late: true }, 13_000).reason.code, 'connection-refused')
  t.equal(reportOn({ latest: up, late: false }, 99_000).reason.code, 'ok', 'only a late agent looks at its age')
})

t.test('force-fail wins over everything and is certain', async (t) => {
  const known: readonly Known[] = [
    { latest: up, late: false },
    { latest: down, late: false },
    { latest: null, late: true },
  ]
  for (const one of known) {
    t.match(reportOn(one, 10_100, 'disk is replaced'), {
      verdict: 'fail',
      reason: { code: 'force-fail', text: 'disk is replaced' },
      certainty: 'hard',
      writable: one.latest === up ? true : null,
    })
  }
})

t.test('what the agent reports is what the balancer can read', async (t) => {
  const report = reportOn({ latest: up, late: false }, 10_100)
  t.same(parseHealthReport(JSON.stringify(report)), { ok: true, report })
})

t.test(
  'direct return is told beside the verdict, with the connections of the server, and changes nothing of it',
  async (t) => {
    const words = { read_only: 'OFF', threads_connected: '7', max_connections: '151' }
    const known: Known = {
      latest: { ...up, outcome: { kind: 'answered', facts: facts(words) } },
      late: false,
    }
    const situation = {
      ...{ known, forceFail: null, now: millis(10_100), interval: millis(1000), judging: judging() },
      ...{ question: configuredCheck, agent: { host: 'db1', version: '0.1.0', uptime_s: 1 } },
    }
    const entry = { address: '203.0.113.7', port: 3306, missing: ['203.0.113.7 is not on lo'], bytesOut: 5 }
    t.match(healthReport({ ...situation, directReturn: [entry] }), {
      verdict: 'pass',
      direct_return: [{ address: '203.0.113.7', port: 3306, ready: false, bytes_out: 5, connections: 7 }],
      warnings: [/^not prepared for direct return: 203\.0\.113\.7:3306: 203\.0\.113\.7 is not on lo$/],
    })
    t.notOk('direct_return' in healthReport({ ...situation, directReturn: [] }), 'nothing configured, nothing told')
  },
)

t.test('what it says is what its published schema says', async (t) => {
  const problems = problemsBy('health-report')
  for (const known of [
    { latest: null, late: false },
    { latest: up, late: false },
    { latest: down, late: true },
  ]) {
    t.same(problems(JSON.parse(JSON.stringify(reportOn(known, 10_120)))), [])
  }
  t.match(problems({ ...reportOn({ latest: up, late: false }, 10_120), more: 1 }), [/more/])
})
