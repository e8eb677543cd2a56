import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import { type Expectation, judgeAnswer, readLeniently } from '../../../balancer/health/core/http-answer.ts'
import { judgeGreeting } from '../../../balancer/health/core/mysql-packet.ts'
import { failed, passed } from '../../../balancer/health/core/result.ts'
import { firstCheckAt, intervalFor, type Pace } from '../../../balancer/health/core/schedule.ts'

/** ESC, C1, bidi and line ends: what a server could do to the terminal of whoever asks for it. */
const evil = 'a\u001b[2Jb\r\nc\u009bd\u202ee'

const usual: Expectation = {
  status: [[200, 399]],
  bodyContains: undefined,
  bodyMatches: undefined,
  drainOn404: false,
  weightFromReport: false,
}

t.test('answers as real servers and scripts give them, read by the status line', async (t) => {
  const table = [
    ['HTTP/1.1 200 OK\r\n\r\n', 200, ''],
    ['HTTP/1.0 503 Service Unavailable\r\nContent-Length: 4\r\n\r\ndown', 503, 'down'],
    [
      'HTTP/1.1 200 OK\r\n\nContent-Type: Content-Type: text/plain\r\n\n\r\n\nMySQL is running.\r\n\n',
      200,
      'MySQL is running.\r\n\n',
    ],
    ['HTTP/1.1 503 Service Unavailable\n\nMySQL is *down*.', 503, 'MySQL is *down*.'],
    ['HTTP/1.1 200\r\n', 200, ''],
  ] as const
  for (const [text, status, body] of table) t.match(readLeniently(text), { status, body }, JSON.stringify(text))
  for (const text of [
    '',
    'HTTP/1.1 200 OK',
    'HTTP/2 200 OK\r\n',
    'SSH-2.0\r\n',
    'HTTP/1.1 20 OK\r\n',
    ' HTTP/1.1 200 OK\r\n',
  ]) {
    t.equal(readLeniently(text), undefined, JSON.stringify(text))
  }
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 300 }),
      (text) => readLeniently(text) === undefined || text.startsWith('HTTP/1.'),
    ),
  )
})

t.test('what is expected of an answer', async (t) => {
  const judge = (status: number, body: string, change: Partial<Expectation> = {}) =>
    judgeAnswer({ status, body, contentType: 'text/plain' }, { ...usual, ...change })
  t.match(judge(200, ''), { passed: true, status: 'L7OK', code: 200 })
  t.match(judge(404, ''), { passed: false, status: 'L7STS', code: 404 })
  t.match(judge(404, '', { drainOn404: true }), { passed: true, drain: true, status: 'L7OKC' })
  t.match(judge(503, '', { drainOn404: true }), { passed: false, drain: false })
  t.match(
    judge(503, '', {
      status: [
        [200, 299],
        [503, 503],
      ],
    }),
    { passed: true },
  )
  t.match(judge(200, 'MySQL is running.', { bodyContains: 'running' }), { passed: true })
  t.match(judge(200, 'MySQL is *down*.', { bodyContains: 'running' }), { passed: false, status: 'L7RSP' })
  t.match(judge(200, 'synced 3', { bodyMatches: /synced \d/ }), { passed: true })
  t.match(judge(200, 'joining', { bodyMatches: /synced \d/ }), { passed: false, reason: 'unexpected-body' })
})

const packet = (...payload: number[]): Uint8Array => Uint8Array.from([payload.length, 0, 0, 0, ...payload])
const ascii = (text: string): number[] => [...text].map((letter) => letter.charCodeAt(0))
const error = (code: number, text: string): Uint8Array => packet(0xff, code & 255, code >> 8, ...ascii(text))

t.test('the first packet of a server: a greeting, or an error with a reason of its own', async (t) => {
  t.match(judgeGreeting(packet(10, ...ascii('11.4.2-MariaDB'), 0, 1, 2, 3)), {
    passed: true,
    status: 'L7OK',
    text: '11.4.2-MariaDB',
  })
  const errors = [
    [1040, 'too-many-connections', false],
    [1047, 'not-ready', true],
    [1129, 'host-blocked', false],
    [1130, 'host-refused', false],
    [9999, 'mysql-error', false],
  ] as const
  for (const [code, reason, hard] of errors) {
    const text = `error ${code}: ${reason.replaceAll('-', ' ')}`
    for (const said of ['secret', '#08S01secret']) {
      t.match(judgeGreeting(error(code, said)), { passed: false, hard, reason, code, text }, 'not in its own words')
    }
  }
  t.match(judgeGreeting(packet(9, 1, 2, 3)), { passed: false, status: 'L7RSP' })
  t.match(judgeGreeting(Uint8Array.from(ascii('HTTP/1.1 400 Bad Request'))), { passed: false, status: 'L7RSP' })
})

t.test('a packet is judged when it is complete, and no bytes at all break the reader', async (t) => {
  const whole = packet(10, ...ascii('11.4.2-MariaDB'), 0, 1, 2, 3)
  for (let length = 0; length < whole.length; length += 1) t.equal(judgeGreeting(whole.subarray(0, length)), undefined)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const judged = judgeGreeting(bytes)
      return judged === undefined || typeof judged.passed === 'boolean'
    }),
  )
})

t.test('the pace: fast while one changes, slow while all are down, else the interval', async (t) => {
  const pace: Pace = { interval: millis(2000), fast_interval: millis(500), down_interval: millis(10_000) }
  t.equal(intervalFor(pace, ['up', 'changing']), 500)
  t.equal(intervalFor(pace, ['down', 'down']), 10_000)
  t.equal(intervalFor(pace, ['up', 'down']), 2000)
  t.equal(intervalFor(pace, []), 2000)
  const plain: Pace = { interval: millis(2000) }
  for (const stand of ['up', 'changing', 'down'] as const) t.equal(intervalFor(plain, [stand]), 2000)
})

t.test('the first checks come at once but not together', async (t) => {
  const first = (index: number, servers: number) => firstCheckAt(millis(0), millis(1000), index, servers)
  t.equal(first(0, 3), 0)
  t.equal(first(2, 3), 4)
  t.equal(first(199, 200), 398)
  t.ok(first(999, 1000) < 1000, 'all within one interval')
})

const told = {
  version: 1,
  verdict: 'pass',
  reason: { code: 'ok', text: 'fine' },
  certainty: 'soft',
  mode: 'ping',
  role: 'primary',
  writable: true,
  lag_s: null,
  connections_free_percent: 62.5,
  age_ms: 1,
  probe_ms: 1,
  facts: {},
  agent: { host: 'db1', version: '0.1.0', uptime_s: 1 },
}

t.test('the connections that a report tells to be free are the weight, where that is asked for', async (t) => {
  const body = JSON.stringify(told)
  const percent = (weightFromReport: boolean) =>
    judgeAnswer({ status: 200, body, contentType: 'application/json' }, { ...usual, weightFromReport }).percent
  t.equal(percent(true), 62.5)
  t.equal(percent(false), null)
})

t.test('whatever a server says comes without control characters, bounded', async (t) => {
  t.equal(passed('L7OK', evil).text, 'a [2Jb c d e')
  t.equal(failed('L7STS', 'x', evil).text, 'a [2Jb c d e')
  t.equal(passed('L7OK', 'x'.repeat(5000)).text.length, 1024)
})

t.test('who can serve for want of others passes as a last resort, and no one else', async (t) => {
  const said = { ...told, verdict: 'fail', reason: { code: 'donor', text: 'a transfer' }, certainty: 'soft' }
  const judged = (report: object, status = 503) =>
    judgeAnswer({ status, body: JSON.stringify(report), contentType: 'application/json' }, usual)
  t.match(judged({ ...said, last_resort: true }), { passed: true, lastResort: true, status: 'L7OKC', reason: 'donor' })
  t.match(judged(said), { passed: false, lastResort: false, status: 'L7STS', reason: 'donor' })
  t.match(judged({ ...said, verdict: 'pass', last_resort: true }), { passed: false })
})
