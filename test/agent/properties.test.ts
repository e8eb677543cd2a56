// Properties of everything that reads what others wrote: nothing throws, nothing passes by accident.

import fc from 'fast-check'
import t from 'tap'
import { parseOptionFile } from '../../agent/config/core/option-file.ts'
import { parseDuration } from '../../agent/core/duration.ts'
import { millis } from '../../agent/core/time.ts'
import { forceFailText, parseForceFail } from '../../agent/force-fail-text.ts'
import { channelsFrom } from '../../agent/probe/core/replication.ts'
import { rowsFrom, wordsFrom } from '../../agent/probe/core/rows.ts'
import { agentLine } from '../../agent/server/core/agent-line.ts'
import { plainBody } from '../../agent/server/core/bodies.ts'
import { takeTurn } from '../../agent/server/core/rate-limit.ts'
import { parseRequest, paths } from '../../agent/server/core/request.ts'
import { answerTo } from '../../agent/server/core/response.ts'
import { judge } from '../../agent/verdict/core/judge.ts'
import { memberships } from '../../agent/verdict/core/question.ts'
import { parseHealthReport } from '../../shared/health-report.ts'
import { reasonCodes } from '../../shared/reason.ts'
import { facts, judging, report } from './samples.ts'

const text = fc.string({ unit: 'binary', maxLength: 200 })
const target = fc.oneof(
  text,
  fc.tuple(fc.constantFrom(...paths), text).map(([path, rest]) => `${path}?${rest}`),
  fc.tuple(fc.constantFrom(...paths), text).map(([path, rest]) => `${path}${rest}`),
)
const code = fc.constantFrom(...reasonCodes)
const anyReport = fc
  .tuple(fc.boolean(), code, text, fc.option(fc.double({ min: 0, max: 100, noNaN: true })))
  .map(([passes, reason, said, free]) =>
    report({
      verdict: passes ? 'pass' : 'fail',
      reason: { code: reason, text: said.slice(0, 256) },
      connections_free_percent: free,
    }),
  )

t.test('no request throws, and only a known path is answered', async (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.constantFrom('GET', 'HEAD', 'OPTIONS', 'POST'), text),
      target,
      text,
      (method, url, accept) => {
        const asked = parseRequest(method, url, accept)
        const path = url.replace(/^https?:\/\/[^/?]*/i, '').split('?')[0] ?? ''
        return asked.asks === 'nothing' || ['', '*', ...paths].includes(path)
      },
    ),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('a lag is taken as it is written, or not at all', async (t) => {
  fc.assert(
    fc.property(fc.nat(100_000), fc.constantFrom('ms', 's', 'm', 'h', 'd'), (value, unit) => {
      const asked = parseRequest('GET', `/replica?lag=${value}${unit}`, '')
      const lag = asked.asks === 'check' && asked.question.about === 'replica' ? asked.question.maximumLag : null
      return lag === value * { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit]
    }),
  )
  fc.assert(
    fc.property(text, (value) => {
      const asked = parseRequest('GET', `/replica?lag=${value}`, '')
      return asked.asks === 'nothing' || parseDuration(value.split('&')[0] ?? '') !== null
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('every answer has its length and one line of printable reason, whatever the report says', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      target,
      anyReport,
      fc.constantFrom('classic', 'html', 'percona', 'json'),
      async (url, about, style) => {
        const sources = { report: async () => about, metrics: async () => plainBody('') }
        const asked = parseRequest('GET', url, '')
        const { status, headers, body } = await answerTo(asked, sources, style)
        const reason = headers['Mysqlchk-Reason'] ?? ''
        const isCheck = asked.asks === 'check'
        return (
          headers['Content-Length'] === String(Buffer.byteLength(body)) &&
          /^[a-z-]+; [ -~]*$/.test(reason) &&
          (!isCheck || (status === 200) === (about.verdict === 'pass'))
        )
      },
    ),
    { numRuns: 1000 },
  )
  t.pass()
})

t.test('a line of agent-check is one line that HAProxy knows', async (t) => {
  const styles = fc.record({
    weight: fc.constantFrom('none', 'headroom'),
    on_force_fail: fc.constantFrom('down', 'drain', 'maint'),
  })
  fc.assert(
    fc.property(anyReport, styles, (about, style) => {
      const line = agentLine(about, style)
      return about.verdict === 'pass'
        ? /^(ready )?up( ([1-9]\d?|100)%)?\n$/.test(line)
        : /^(drain|maint|down #[ !"$-~]+)\n$/.test(line)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('no server of another kind passes a membership, whatever words it tells', async (t) => {
  const names = fc.constantFrom(
    'read_only',
    'wsrep_on',
    'wsrep_ready',
    'wsrep_cluster_status',
    'wsrep_local_state',
    'group_replication_group_name',
    'server_uuid',
    'ndb_number_of_data_nodes',
  )
  const values = fc.oneof(fc.constantFrom('ON', 'OFF', 'Primary', '4', '0', 'none', ''), text)
  fc.assert(
    fc.property(fc.dictionary(names, values), fc.constantFrom(...memberships), (words, about) => {
      // Without a provider, members and the status of the NDB engine it is none of the three.
      const verdict = judge(facts(words), judging(), { about })
      return verdict.reason.code === 'not-applicable'
    }),
    { numRuns: 2000 },
  )
  t.pass()
})

t.test('rows of any shape make words, channels and no exception', async (t) => {
  const cell = fc.oneof(text, fc.integer(), fc.constant(null), fc.constant(undefined), fc.uint8Array({ maxLength: 20 }))
  const columns = fc.array(
    fc.oneof(
      fc.constantFrom('Slave_IO_Running', 'Replica_SQL_Running', 'Seconds_Behind_Master', 'Last_SQL_Error'),
      text,
    ),
    { maxLength: 8 },
  )
  fc.assert(
    fc.property(columns, fc.array(fc.array(cell, { maxLength: 8 }), { maxLength: 4 }), (names, rows) => {
      const channels = channelsFrom(rowsFrom(names, rows))
      wordsFrom(rows)
      return channels.every(({ lag, error }) => (lag === null || lag >= 0) && !/[\r\n]/.test(error))
    }),
    { numRuns: 1000 },
  )
  t.pass()
})

t.test('option files of any content are read without an exception', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 2000 }), (content) =>
      Array.isArray(parseOptionFile(content).unsafe),
    ),
  )
  const plain = fc.string({ unit: fc.constantFrom(..."abcXYZ019 #;='!$%&/()?-_."), minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(plain, (password) => parseOptionFile(`[client]\npassword="${password}"\n`).password === password),
  )
  t.same(
    parseOptionFile('[mysqld]\nuser=mysql\n[client]\nuser = chk # who\npass-word=x\nport=3307\n!include /x\nssl_ca=/y'),
    {
      user: 'chk',
      port: 3307,
      tls: { ca: '/y', verify: 'ca' },
      unsafe: ['!include'],
    },
  )
})

t.test('a force-fail file keeps its reason and its end, and in doubt has no end', async (t) => {
  const reason = fc.string({ unit: 'grapheme-ascii', maxLength: 100 }).map((one) => one.replace(/ {2,}/g, ' ').trim())
  const end = fc.option(fc.date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true }))
  fc.assert(
    fc.property(reason, end, (said, until) => {
      const read = parseForceFail(forceFailText(said, until))
      return read.text === said && (read.until?.getTime() ?? null) === (until?.getTime() ?? null)
    }),
  )
  const odd = fc.oneof(text, fc.string({ minLength: 900, maxLength: 3000 }), fc.constant('until: 2020-01-01T00:00:00Z'))
  fc.assert(
    fc.property(odd, end, (said, until) => {
      const content = forceFailText(said, until)
      const read = parseForceFail(content)
      return content.length < 300 && (read.until?.getTime() ?? null) === (until?.getTime() ?? null)
    }),
  )
  fc.assert(
    fc.property(text, (content) => parseForceFail(`until: ${content}`).until === null || /^\d{4}-/.test(content)),
  )
  t.pass()
})

t.test('no source gets more than its burst and its rate, and none waits longer than it has to', async (t) => {
  const rates = fc.record({ per_source: fc.integer({ min: 1, max: 100 }), burst: fc.integer({ min: 1, max: 20 }) })
  fc.assert(
    fc.property(rates, fc.array(fc.nat(50), { minLength: 1, maxLength: 100 }), (rate, gaps) => {
      let now = 1
      let until = millis(0)
      const served: number[] = []
      for (const gap of gaps) {
        now += gap
        const turn = takeTurn(until, millis(now), rate)
        until = turn.until
        served.push(now + turn.delay)
      }
      const spacing = 1000 / rate.per_source
      return served.every((at, i) => {
        const earlier = served[i - rate.burst]
        return earlier === undefined || at - earlier >= spacing - 1e-6
      })
    }),
  )
  t.equal(takeTurn(millis(0), millis(5), { per_source: 10, burst: 1 }).delay, 0)
})

t.test('a report of any text is no exception', async (t) => {
  fc.assert(fc.property(fc.oneof(text, fc.json()), (content) => typeof parseHealthReport(content).ok === 'boolean'))
  fc.assert(fc.property(anyReport, (about) => parseHealthReport(JSON.stringify(about)).ok))
  t.pass()
})
