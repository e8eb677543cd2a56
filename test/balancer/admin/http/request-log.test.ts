// The log of requests to the status page: HAProxy's httplog, which HAProxy itself says of the same requests to its own page.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type ClientRequest, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { statusOf } from '../../../../balancer/admin/core/model/status.ts'
import { startStatusPage } from '../../../../balancer/admin/http/status-page.ts'
import { hashPassword } from '../../../../balancer/config/password-file.ts'
import { balancerSchema } from '../../../../balancer/config/schema.ts'
import { httplogLine, type RequestRecord, requestMembers } from '../../../../balancer/core/request-record.ts'
import { calendarOf } from '../../../../balancer/os/clock.ts'
import { createAccounts } from '../../../../balancer/pool/core/accounts.ts'
import { createPool } from '../../../../balancer/pool/core/pool.ts'
import { createRequestLog } from '../../../../balancer/session-log.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { freePort } from '../../datapath/loopback.ts'
import { noOrders, sceneOf } from '../scene.ts'

t.setTimeout(300_000)
const directory = mkdtempSync(join(tmpdir(), 'request-log-'))
t.teardown(() => rmSync(directory, { recursive: true }))

const record: RequestRecord = {
  client: { address: '10.0.1.2', port: 33_317 },
  acceptedAt: 0,
  user: 'admin',
  asked: { method: 'GET', url: '/status;csv', version: '1.1' },
  status: 200,
  bytes: 2750,
  total: 109.4,
  end: 'answered',
  sessions: 3,
}
const at = { year: 2009, month: 2, day: 6, hour: 12, minute: 14, second: 14, millisecond: 655 }
const lineFor = (url: string): string =>
  httplogLine({ ...record, asked: { method: 'GET', url, version: '1.1' } }, at).replace(/^.* 0\/0 /, '')

t.test('a line has the fields of httplog in their order', async (t) => {
  t.equal(
    httplogLine(record, at),
    '10.0.1.2:33317 [06/Feb/2009:12:14:14.655] stats stats/<STATS> 0/0/0/0/109 200 2750 - - LR-- 3/3/0/0/0 0/0 {admin} "GET /status;csv HTTP/1.1"',
  )
  t.equal(
    httplogLine({ ...record, user: null, status: null, bytes: 0, end: 'broken-off' }, at),
    '10.0.1.2:33317 [06/Feb/2009:12:14:14.655] stats stats/<STATS> 0/0/0/-1/109 -1 0 - - CD-- 3/3/0/0/0 0/0 {} "GET /status;csv HTTP/1.1"',
  )
  t.equal(
    httplogLine({ ...record, asked: null, status: 408, bytes: 69, end: 'slow' }, at),
    '10.0.1.2:33317 [06/Feb/2009:12:14:14.655] stats stats/<NOSRV> -1/-1/-1/-1/109 408 69 - - cR-- 3/3/0/0/0 0/0 "<BADREQ>"',
  )
  t.same(requestMembers(record, 'then'), {
    client: '10.0.1.2:33317',
    at: 'then',
    user: 'admin',
    method: 'GET',
    url: '/status;csv',
    version: '1.1',
    status: 200,
    bytes: 2750,
    total_ms: 109,
    end: 'answered',
    state: 'LR--',
    sessions: 3,
  })
})

t.test('what a stranger asks for ends neither the line nor its field, and is cut', async (t) => {
  t.equal(lineFor('/a"#\u001b[2J\r\n\u007fä\u202e'), '{admin} "GET /a#22#23#1B[2J#0D#0A#7F#C3#A4#E2#80#AE HTTP/1.1"')
  t.equal(lineFor('/{a|b}\\^~`'), '{admin} "GET /{a|b}\\^~` HTTP/1.1"')
  t.equal(lineFor(`/${'x'.repeat(9000)}`).length, '{admin} ""'.length + 1024)
})

t.test('no password and no token of a URL is told', async (t) => {
  for (const [url, shown] of [
    ['http://admin:s3cret@lb1/status?names=haproxy', 'http://***@lb1/status?names=haproxy'],
    ['http://admin:s3/cr?et@lb1/status', 'http://***@lb1/status'],
    ['//admin:s3cret@lb1/', '//***@lb1/'],
    [
      '/status?token=s3cret&answer=1;Password=s3cret&x=2&api_key=s3cret',
      '/status?token=***&answer=1;Password=***&x=2&api_key=***',
    ],
    ['/status?pass%77ord=s3cret&names=haproxy,keepalived', '/status?pass%77ord=***&names=haproxy,keepalived'],
    ['/status?names=haproxy', '/status?names=haproxy'],
  ] as const) {
    t.equal(lineFor(url), `{admin} "GET ${shown} HTTP/1.1"`)
    t.equal(requestMembers({ ...record, asked: { method: 'GET', url, version: '1.1' } }, 'then')['url'], shown)
  }
})

t.test('it is off unless wanted, and beyond a hundred lines a second it only counts', async (t) => {
  const warned: string[] = []
  const lines: { readonly text: string; readonly fields: object; readonly plain: string }[] = []
  const log = createRequestLog(pino({}, { write: (line: string) => void warned.push(line) }), (line) =>
    lines.push(line),
  )
  log('off', () => record)
  t.same(lines, [])
  log('json', () => record)
  t.match(lines, [{ text: 'Request to the status page: 200, answered', fields: { request: { user: 'admin' } } }])
  t.match(JSON.parse(lines[0]?.plain ?? ''), { client: '10.0.1.2:33317', url: '/status;csv' })
  for (let i = 0; i < 1000; i += 1) log('httplog', () => record)
  t.ok(lines.length >= 100 && lines.length < 1001, `${lines.length}`)
  // The timer of the log keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  await waitFor('the rest to be told', () => warned.some((line) => /more requests came to the status page/.test(line)))
  clearInterval(alive)
})

const httplog =
  /^127\.0\.0\.1:\d+ \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] (stats) stats\/(\S+) (-?\d+\/-?\d+\/-?\d+)\/-?\d+\/\d+ (-?\d+) (\d+) - - (\S{4}) \d+\/\d+(\/0\/0\/0 0\/0) (?:\{(\S*)\} )?"(.*)"$/
/** Of a line all but what differs from one moment or one page to another: client, date, connections, how many bytes. */
const wordsOf = (line: string): string => {
  const [, name, server, times, status, bytes, state, counts, user, what] = httplog.exec(line) ?? []
  return `${name} ${server} ${times} ${status} ${Number(bytes) > 0 ? 'bytes' : 'none'} ${state} ${counts} ${user} ${what}`
}

t.test('HAProxy says the same of the same requests', async (t) => {
  const [ours, theirs] = [await freePort(), await freePort()]
  const passwordFile = join(directory, 'password')
  writeFileSync(passwordFile, await hashPassword('right'), { mode: 0o600 })
  const config = balancerSchema.parse({
    router_id: 'lb1',
    listeners: [{ name: 'mysql', bind: '198.18.0.100:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] }],
    admin: { http: { bind: `127.0.0.1:${ours}`, users: [{ name: 'admin', password_file: passwordFile }] } },
  })
  const moment = { now: 0, startedAt: 0, iso: (then: number) => `${then}` }
  const status = statusOf({
    ...{ config, pool: createPool([]), accounts: createAccounts(), version: '0', refusals: {} },
    ...moment,
  })
  const lines: string[] = []
  const page = await startStatusPage({
    http: config.admin.http,
    scene: () => sceneOf(status),
    run: noOrders,
    log: pino({ level: 'silent' }),
    logRequest: (make) => {
      const one = make()
      lines.push(httplogLine(one, calendarOf(one.acceptedAt)))
    },
  })
  t.teardown(() => page.stop())
  const file = join(directory, 'haproxy.cfg')
  writeFileSync(
    file,
    `global
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  # Who only looks whether it listens is none of the requests.
  option dontlognull
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen stats
  bind 127.0.0.1:${theirs}
  stats enable
  stats uri /status
  stats auth admin:right
  http-request capture http_auth_user len 64
`,
  )
  const haproxy = spawn('haproxy', ['-f', file, '-db'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => haproxy.kill('SIGKILL'))
  let said = ''
  haproxy.stdout.on('data', (chunk) => {
    said += String(chunk)
  })
  await waitFor('HAProxy to listen', async () => {
    const probe = connect(theirs, '127.0.0.1')
    const isOpen = await new Promise((resolve) => probe.once('connect', () => resolve(true)).once('error', resolve))
    probe.resetAndDestroy()
    return isOpen === true
  })
  const finished = (sent: ClientRequest): Promise<number> =>
    new Promise((resolve, reject) => {
      sent.once('error', reject).once('response', (answer) => {
        answer.resume().once('end', () => resolve(answer.statusCode ?? 0))
      })
      sent.end()
    })
  /** Sends the same to both; what both say of it. */
  const both = async (what: string, send: (port: number) => Promise<unknown>): Promise<readonly [string, string]> => {
    const [before, theirsBefore] = [lines.length, said.split('\n').length]
    await Promise.all([send(ours), send(theirs)])
    await waitFor(`lines of ${what}`, () => lines.length > before && said.split('\n').length > theirsBefore)
    t.match(lines.at(-1), httplog, what)
    return [wordsOf(lines.at(-1) ?? ''), wordsOf(said.split('\n').at(-2) ?? '')]
  }
  const ask = (path: string, auth: string | undefined, method = 'GET') =>
    both(`${method} ${path}`, (port) =>
      finished(
        request({ host: '127.0.0.1', port, path, method, agent: false, ...(auth === undefined ? {} : { auth }) }),
      ),
    )
  const raw = (text: string) =>
    both(text, async (port) => {
      const socket = connect(port, '127.0.0.1')
      socket.write(text)
      await new Promise((resolve) => socket.resume().once('close', resolve))
    })

  for (const path of ['/status', '/status;csv', '/status?a=|{b}[~^]`\\']) {
    const [we, they] = await ask(path, 'admin:right')
    t.equal(we, they)
    t.match(we, `LR-- /0/0/0 0/0 admin GET ${path} HTTP/1.1`)
  }
  t.equal(...(await ask('/status', 'admin:right', 'HEAD')))
  // It says 400 of an answer that is 401 for everybody else, and sees no answer in it.
  const asRefused = (line: string): string => line.replace('0/0/0 400', '0/0/0 401')
  for (const auth of ['admin:wrong', undefined]) {
    const [we, they] = await ask('/status', auth)
    t.equal(we, asRefused(they))
    t.match(we, ` 401 bytes LR-- /0/0/0 0/0 ${auth === undefined ? '' : 'admin'} GET /status HTTP/1.1`)
  }
  // A name that is none may be a password in the wrong field.
  const [we] = await ask('/status', 'hunter2:x')
  t.match(we, ' 401 bytes LR-- /0/0/0 0/0  GET /status HTTP/1.1')
  const [malformed, theirMalformed] = await raw('GET /\u0001 HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal(malformed.replace('400 bytes', '400 none'), theirMalformed.replace('400 bytes', '400 none'))
  t.match(malformed, 'stats <NOSRV> -1/-1/-1 400 bytes PR-- /0/0/0 0/0 undefined <BADREQ>')
})
