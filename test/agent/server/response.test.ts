import t from 'tap'
import type { BodyStyle } from '../../../agent/server/core/bodies.ts'
import { plainBody } from '../../../agent/server/core/bodies.ts'
import { parseRequest } from '../../../agent/server/core/request.ts'
import { answerTo } from '../../../agent/server/core/response.ts'
import { type HealthReport, parseHealthReport } from '../../../shared/health-report.ts'
import type { ReasonCode } from '../../../shared/reason.ts'
import { report } from '../samples.ts'

const about = (code: ReasonCode, text: string): HealthReport =>
  report({ verdict: code === 'ok' ? 'pass' : 'fail', reason: { code, text }, certainty: 'hard', mode: 'galera' })
const up = about('ok', 'the node is synced and answers')
const down = about('not-primary', 'wsrep_cluster_status is non-Primary')
const forced = about('force-fail', 'disk – replaced\r\nX: y')
type Request = { readonly method?: string; readonly target?: string; readonly accept?: string }

const ask = async (
  answer: HealthReport,
  style: BodyStyle,
  { method = 'GET', target = '/', accept = '' }: Request = {},
) => {
  const { body, ...rest } = await answerTo(
    parseRequest(method, target, accept),
    { report: async () => answer, metrics: async () => plainBody('metrics') },
    style,
  )
  return { ...rest, bytes: Buffer.byteLength(body), text: body }
}

t.test('bodies are the bytes that scripts in the field compare', async (t) => {
  const table: readonly [HealthReport, BodyStyle, number, string][] = [
    [up, 'classic', 200, 'MySQL is running.\r\n'],
    [
      down,
      'classic',
      503,
      'MySQL is *down*.\r\nnot-primary: wsrep_cluster_status is non-Primary. The node is cut off from the majority of its Galera cluster. Check its network and wsrep_cluster_size.\r\n',
    ],
    [
      about('connection-lost', 'The server closed the connection.'),
      'classic',
      503,
      'MySQL is *down*.\r\nconnection-lost: The server closed the connection. The server closed the connection. It may be stopping or restarting; read its error log.\r\n',
    ],
    [up, 'html', 200, '<html><body>MySQL is running.</body></html>'],
    [down, 'html', 503, '<html><body>MySQL is *down*.</body></html>'],
    [up, 'percona', 200, 'Percona XtraDB Cluster Node is synced.\r\n'],
    [down, 'percona', 503, 'Percona XtraDB Cluster Node is not synced.\r\n'],
    [about('read-only', 'read_only is ON'), 'percona', 503, 'Percona XtraDB Cluster Node is read-only.\r\n'],
    [forced, 'percona', 503, 'Percona XtraDB Cluster Node is manually disabled.\r\n'],
  ]
  for (const [node, style, status, text] of table) {
    const answer = await ask(node, style)
    t.equal(answer.status, status)
    t.equal(answer.text, text)
    t.equal(answer.headers['Content-Length'], String(answer.bytes))
  }
  t.equal((await ask(up, 'html')).bytes, 43)
  t.equal((await ask(down, 'html')).bytes, 42)
  t.equal((await ask(up, 'percona')).headers['Connection'], 'close')
})

t.test('the reason stands in a header of printable ASCII, whatever a file says', async (t) => {
  t.equal((await ask(down, 'html')).headers['Mysqlchk-Reason'], 'not-primary; wsrep_cluster_status is non-Primary')
  t.equal((await ask(forced, 'html')).headers['Mysqlchk-Reason'], 'force-fail; disk ? replaced X: y')
  const long = await ask(about('force-fail', 'x'.repeat(2000)), 'classic')
  t.ok((long.headers['Mysqlchk-Reason'] ?? '').length < 300)
  t.ok(long.bytes < 1000)
})

t.test('the report is there for those who accept JSON, and always on /status', async (t) => {
  const accepted = await ask(down, 'classic', { accept: 'text/html, application/json;q=0.9' })
  t.equal(accepted.status, 503)
  t.same(parseHealthReport(accepted.text), { ok: true, report: down })
  t.same(parseHealthReport((await ask(down, 'json')).text), { ok: true, report: down })
  const status = await ask(down, 'html', { target: '/status' })
  t.equal(status.status, 200)
  t.same(parseHealthReport(status.text), { ok: true, report: down })
})

t.test('a drained node answers 404 to those who ask for it, a broken one does not', async (t) => {
  const target = '/?maintenance=404'
  t.equal((await ask(forced, 'classic', { target })).status, 404)
  t.equal((await ask(forced, 'classic')).status, 503)
  t.equal((await ask(down, 'classic', { target })).status, 503)
  t.equal((await ask(up, 'classic', { target })).status, 200)
})

t.test('OPTIONS, HEAD, the asterisk and whole URLs ask for the check', async (t) => {
  for (const method of ['GET', 'HEAD', 'OPTIONS']) t.equal((await ask(down, 'classic', { method })).status, 503)
  for (const target of ['*', 'http://db1:9222', 'http://db1:9222/']) {
    t.equal((await ask(down, 'classic', { target })).status, 503, target)
  }
})

t.test('liveness does not look at the server', async (t) => {
  const asked = parseRequest('GET', '/liveness', '')
  const nobody = () => Promise.reject(new Error('asked for something'))
  const answer = await answerTo(asked, { report: nobody, metrics: nobody }, 'classic')
  t.equal(answer.status, 200)
})

t.test('what the agent does not answer is refused with what it does', async (t) => {
  const table: readonly [Request, number, RegExp][] = [
    [{ target: '/x' }, 404, /there is no such path\. Paths: \/ \/primary .* \/liveness \/metrics \/watch\r\n$/],
    [{ target: '/?lag=10s' }, 400, /parameters of this path are maintenance=404/],
    [{ target: '/replica?lag=10' }, 400, /lag is a duration with a unit, such as lag=10s/],
    [{ target: '/replica?lag=1s&lag=2s' }, 400, /each once/],
    [{ target: '/primary?maintenance=200' }, 400, /maintenance=404/],
    [{ target: '/status?x' }, 400, /takes no parameters/],
    [{ method: 'POST' }, 405, /use GET, HEAD, OPTIONS/],
  ]
  for (const [request, status, text] of table) {
    const answer = await ask(up, 'classic', request)
    t.equal(answer.status, status, JSON.stringify(request))
    t.match(answer.text, text)
    t.match(answer.headers['Mysqlchk-Reason'], /^not-applicable; /)
  }
  t.equal((await ask(up, 'classic', { method: 'POST' })).headers['Allow'], 'GET, HEAD, OPTIONS')
})

t.test('a host that is not prepared for direct return says so in plain text, and passes all the same', async (t) => {
  const one = { address: '203.0.113.7', port: 3306, bytes_out: null, connections: 1 }
  const warnings = ['not prepared for direct return: 203.0.113.7:3306: 203.0.113.7 is not on lo']
  const unprepared = { direct_return: [{ ...one, ready: false, missing: ['203.0.113.7 is not on lo'] }], warnings }
  const { status, text } = await ask({ ...up, ...unprepared }, 'classic')
  t.equal(status, 200)
  t.equal(text, `MySQL is running.\r\nWarning: ${warnings[0]}\r\n`)
  t.match((await ask({ ...down, ...unprepared }, 'role')).text, /^MySQL is \*down\*\.\r\n.*\r\nWarning: not prepared/)
  t.equal((await ask({ ...up, ...unprepared }, 'percona')).text, 'Percona XtraDB Cluster Node is synced.\r\n')
  const ready = { direct_return: [{ ...one, ready: true, missing: [] }], warnings: ['host 10.0.0.1 is blocked'] }
  t.equal((await ask({ ...up, ...ready }, 'classic')).text, 'MySQL is running.\r\n')
})
