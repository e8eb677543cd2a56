import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { renderPage } from '../../../balancer/admin/core/page.ts'
import { statusOf } from '../../../balancer/admin/core/status.ts'
import { bytes, duration, escapeHtml } from '../../../balancer/admin/core/text.ts'
import { startStatusPage } from '../../../balancer/admin/status-page.ts'
import { hashPassword } from '../../../balancer/config/password-file.ts'
import { balancerSchema } from '../../../balancer/config/schema.ts'
import { vrrpSchema } from '../../../balancer/config/vrrp-schema.ts'
import type { Fact, ServerHealthFact } from '../../../balancer/pool/core/facts.ts'
import { createPool } from '../../../balancer/pool/core/pool.ts'
import { describeChange } from '../../../balancer/pool/core/server-change.ts'
import { statusWord } from '../../../balancer/pool/core/server-state.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { freePort } from '../datapath/loopback.ts'
import { healthFact } from '../pool/health-fact.ts'
import { routerFact } from '../pool/router-fact.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-admin-'))
t.teardown(() => rmSync(directory, { recursive: true }))

const passwordFile = join(directory, 'status.password')

const configWith = (port: number) =>
  balancerSchema.parse({
    router_id: 'lb1',
    listeners: [
      {
        name: 'mysql',
        bind: '198.18.0.100:3306',
        servers: [
          { name: 'db1', address: '198.18.0.11:3306' },
          { name: 'db2', address: '198.18.0.12:3306' },
        ],
      },
    ],
    admin: { http: { bind: `127.0.0.1:${port}`, users: [{ name: 'admin', password_file: passwordFile }] } },
  })

const health = (server: string, up: boolean, text: string): ServerHealthFact =>
  healthFact(server, {
    up,
    lastCheck: {
      at: 2000,
      passed: up,
      status: up ? 'L7OK' : 'L7STS',
      code: up ? 200 : 503,
      durationMs: 3,
      reason: up ? 'ok' : 'not-primary',
      text,
    },
  })

const clock = { version: '0', now: 5000, startedAt: 0, iso: (moment: number) => `${moment}` }
const facts: readonly Fact[] = [health('db1', true, 'fine'), health('db2', false, '<b>cut off</b>')]
const pool = createPool(facts)

t.test('the page shows every server with its state and reason, and text of others is never markup', async (t) => {
  const page = renderPage(statusOf({ config: configWith(1), pool, ...clock, refusals: {} }), 5)
  t.match(page, /<td>db1<\/td><td><span class="up">UP<\/span>/)
  t.match(page, /<td>db2<\/td><td><span class="down">DOWN<\/span>/)
  t.match(page, 'L7STS/503 in 3 ms')
  t.match(page, 'not-primary: &lt;b&gt;cut off&lt;/b&gt;')
  t.notMatch(page, '<b>cut off')
  t.match(page, /<svg [^>]*aria-label="mysql: closed here, 1 of 2 servers up"/)
})

t.test('the page shows why a virtual router is what it is, and what its priority is made of', async (t) => {
  const vrrp = vrrpSchema.parse({
    instances: [{ name: 'VI_1', interface: 'eth0', virtual_router_id: 51, virtual_addresses: ['198.18.0.100/24'] }],
  })
  const fact = routerFact({
    state: 'fault',
    reason: 'script chk<1>: exited with status 3',
    priority: 93,
    priorityParts: [
      { of: 'configured', value: 100 },
      { of: 'script <b>', value: -7 },
    ],
  })
  const config = { ...configWith(1), vrrp }
  const page = renderPage(statusOf({ config, pool: createPool([fact]), ...clock, refusals: {} }), 5)
  t.match(page, 'FAULT</span><br><span class="dim">script chk&lt;1&gt;: exited with status 3</span>')
  t.match(page, '93<br><span class="dim">configured 100, script &lt;b&gt; -7</span>')
})

t.test('status words are those of HAProxy', async (t) => {
  const words = [0, 1, 2, 3, 4].map((value) =>
    statusWord({ ...health('db1', value >= 2, ''), health: { value, rise: 2, fall: 3 } }),
  )
  t.same(words, ['DOWN', 'DOWN 1/2', 'UP 1/3', 'UP 2/3', 'UP'])
  t.equal(statusWord(undefined), 'DOWN')
})

t.test('numbers are written for people', async (t) => {
  t.same([0, 999, 61_000, 3_600_000, 90_061_000].map(duration), ['0ms', '999ms', '1m1s', '1h', '1d1h'])
  t.same([0, 1023, 1536, 5 * 1024 ** 3].map(bytes), ['0 B', '1023 B', '1.5 KiB', '5.0 GiB'])
  t.equal(escapeHtml(`<a href="x">'&'</a>`), '&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;')
})

t.test('the log line of a change reads as in HAProxy', async (t) => {
  const before = health('db1', true, 'fine')
  const fact = health('db1', false, 'cut off')
  t.equal(
    describeChange(createPool([fact]), before, fact)?.text,
    'Server mysql/db1 is DOWN, reason: Layer7 wrong status, code: 503, info: "not-primary: cut off", check duration: 3ms. 0 active and 0 backup servers left. 0 sessions active. Listener mysql has no server available!',
  )
  t.equal(describeChange(createPool([before]), before, before), undefined, 'no change, no line')
})

t.test('over HTTP', async (t) => {
  writeFileSync(passwordFile, await hashPassword('correct horse'), { mode: 0o600 })
  const port = await freePort()
  const page = await startStatusPage({
    http: configWith(port).admin.http,
    status: (refusals) => statusOf({ config: configWith(port), pool, ...clock, refusals }),
    log: pino({ level: 'silent' }),
  })
  t.teardown(() => page?.stop())
  const get = (path: string, login?: string, method = 'GET') =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: login === undefined ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` },
    })
  const right = 'admin:correct horse'

  t.test('nobody sees anything without the right password', async (t) => {
    for (const login of [undefined, 'admin:wrong', 'admin:', 'root:correct horse', 'admin']) {
      const answer = await get('/status', login)
      t.equal(answer.status, 401, `${login}`)
      t.match(answer.headers.get('www-authenticate'), /^Basic realm="balancer"/)
      t.notMatch(await answer.text(), /db1/)
    }
  })

  t.test('the page and its JSON are served to the right one, again and again', async (t) => {
    for (let i = 0; i < 3; i += 1) t.match(await (await get('/status', right)).text(), /<td>db1<\/td>/)
    const json = await (await get('/status/json', right)).json()
    t.match(json, {
      router_id: 'lb1',
      listeners: [
        {
          name: 'mysql',
          servers_up: 1,
          servers: [
            { name: 'db1', status: 'UP' },
            { name: 'db2', status: 'DOWN' },
          ],
        },
      ],
    })
    t.match(json, { status_page: { refused: { 'wrong-password': 3, 'no-password': 2 } } })
  })

  t.test('other paths and methods are refused with a hint, HEAD has no body', async (t) => {
    const lost = await get('/', right)
    t.equal(lost.status, 404)
    t.match(await lost.text(), '/status/json')
    const post = await get('/status', right, 'POST')
    t.equal(post.status, 405)
    t.equal(post.headers.get('allow'), 'GET, HEAD')
    const head = await get('/status', right, 'HEAD')
    t.equal(head.status, 200)
    t.equal(await head.text(), '')
  })

  t.test('scripts, frames and foreign styles are forbidden to the browser', async (t) => {
    const policy = (await get('/status', right)).headers.get('content-security-policy') ?? ''
    t.match(policy, /default-src 'none'; style-src 'sha256-[^']+'; frame-ancestors 'none'/)
  })

  t.test('a malformed request is answered with 400, counted, and changes nothing', async (t) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.write('NONSENSE\r\n\r\n')
    await waitFor('an answer', () => text !== '')
    t.match(text, /^HTTP\/1.1 400 /)
    t.match(await (await get('/status/json', right)).json(), { status_page: { refused: { malformed: 1 } } })
  })
})
