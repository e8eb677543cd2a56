import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { pino } from 'pino'
import t from 'tap'
import { statusOf } from '../../../../balancer/admin/core/model/status.ts'
import { showServers, showSessions } from '../../../../balancer/admin/core/views/show.ts'
import { bytes, duration } from '../../../../balancer/admin/core/views/text.ts'
import { createCredentials } from '../../../../balancer/admin/http/credentials.ts'
import { startStatusPage } from '../../../../balancer/admin/http/status-page.ts'
import { hashPassword, parsePasswordHash } from '../../../../balancer/config/password-file.ts'
import { balancerSchema } from '../../../../balancer/config/schema.ts'
import { vrrpSchema } from '../../../../balancer/config/vrrp-schema.ts'
import { createAccounts } from '../../../../balancer/pool/core/accounts.ts'
import type { Fact, ServerHealthFact } from '../../../../balancer/pool/core/facts.ts'
import { createPool } from '../../../../balancer/pool/core/pool.ts'
import { describeChange } from '../../../../balancer/pool/core/server-change.ts'
import { statusWord } from '../../../../balancer/pool/core/server-state.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { freePort } from '../../datapath/loopback.ts'
import { healthFact } from '../../pool/health-fact.ts'
import { routerFact } from '../../pool/router-fact.ts'
import { noOrders, rendered, sceneOf } from '../scene.ts'

t.setTimeout(180_000)
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
      by: up ? 'check' : 'push',
      ageMs: 3,
    },
    found: { by: up ? 'check' : 'push', ageMs: 3 },
    watched: up,
  })

const clock = {
  accounts: createAccounts(),
  version: '0',
  now: 5000,
  startedAt: 0,
  iso: (moment: number) => `${moment}`,
}
const facts: readonly Fact[] = [health('db1', true, 'fine'), health('db2', false, '<b>cut off</b>')]
const pool = createPool(facts)

t.test('the page shows every server with its state and reason, and text of others is never markup', async (t) => {
  const page = rendered(statusOf({ config: configWith(1), pool, ...clock, refusals: {} }))
  t.match(
    page,
    '<span class="name">db1</span><br><small>198.18.0.11:3306</small></th><td><span class="state up">UP</span>',
  )
  t.match(page, '<span class="state down">DOWN</span>')
  t.match(page, 'L7STS/503 by push')
  t.match(page, 'not-primary: &lt;b&gt;cut off&lt;/b&gt;')
  t.notMatch(page, '<b>cut off')
  t.match(page, '<div class="verdict attention">')
  t.match(page, '1 of 2 servers up')
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
  const page = rendered(statusOf({ config, pool: createPool([fact]), ...clock, refusals: {} }))
  t.match(page, /FAULT<\/span> for <time [^>]+>[^<]*<\/time>, because: script chk&lt;1&gt;: exited with status 3/)
  t.match(page, '93 <small>= configured 100, script &lt;b&gt; -7</small>')
  t.match(page, '<div class="verdict trouble">')
})

/** What a forwarder tells of `mysql` that cannot count sessions. */
const uncounted: Fact = {
  fact: 'listener',
  listener: 'mysql',
  datapath: 'kernel',
  binds: [{ address: '198.18.0.100:3306', open: false, why: 'forwarding is off on <eth1>' }],
  sessions: null,
  maximumSessions: null,
  totalSessions: null,
  panicking: false,
  ends: {},
  findings: [],
  servers: [
    {
      server: 'db1',
      sessions: null,
      maximumSessions: null,
      totalSessions: 7,
      bytesIn: 2048,
      bytesOut: null,
      connectFailures: null,
      refusedConnects: null,
      failuresInARow: null,
      detail: null,
    },
  ],
  detail: null,
}

t.test('a number that is not known is a dash for people and null for programs', async (t) => {
  const draining: Fact = {
    fact: 'draining',
    worker: 4711,
    version: '0',
    since: 1000,
    until: 9000,
    isOver: false,
    listeners: [{ listener: 'mysql', sessions: 2, servers: [{ server: 'db1', sessions: 2 }] }],
  }
  const statusWith = (...more: readonly Fact[]) => {
    const accounts = createAccounts()
    for (const fact of more) accounts.hear(fact, clock.now)
    return statusOf({ config: configWith(1), pool: createPool([...facts, ...more]), ...clock, accounts, refusals: {} })
  }
  const status = statusWith(uncounted)
  t.match(status.listeners[0], {
    datapath: 'userspace',
    sessions: null,
    queued: null,
    servers: [{ sessions: null, total_sessions: 7, bytes_in: 2048, bytes_out: null, retries: null }],
  })
  t.equal(statusWith(uncounted, draining).listeners[0]?.sessions, null, 'two and an unknown number')
  const page = rendered(status)
  t.match(page, '198.18.0.100:3306 forwarding is off on &lt;eth1&gt;')
  const cells = ['', '', '-', '-', '-', '7', '-', '-', '-', '', '2.0 KiB', '-', '-'].map((cell) => `<td>${cell}</td>`)
  t.match(page, cells.join(''))
  t.notMatch(page.slice(0, page.indexOf('<script>')), 'null')
  const shown = showSessions(status, false)
  t.match(shown, /^mysql +- +- +4000 +- +-$/m)
  t.match(shown, /^mysql\/db1 +- +- +- +7 +2\.0 KiB +-$/m)
  t.match(showServers(status, false), /^mysql\/db1 +UP +\S+ +1 +- /m)
  t.match(JSON.parse(showSessions(status, true)), [{ sessions: null, servers: [{ bytes_out: null }, {}] }])
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
})

t.test('the log line of a change reads as in HAProxy', async (t) => {
  const before = health('db1', true, 'fine')
  const fact = health('db1', false, 'cut off')
  t.equal(
    describeChange(createPool([fact]), before, fact)?.text,
    'Server mysql/db1 is DOWN, reason: Layer7 wrong status, code: 503, info: "not-primary: cut off", check duration: 3ms, found by: push, news: 3ms old. 0 active and 0 backup servers left. 0 sessions active. Listener mysql has no server available!',
  )
  t.equal(describeChange(createPool([before]), before, before), undefined, 'no change, no line')
})

t.test('over HTTP', async (t) => {
  writeFileSync(passwordFile, await hashPassword('correct horse'), { mode: 0o600 })
  const port = await freePort()
  const page = await startStatusPage({
    http: configWith(port).admin.http,
    scene: (refusals) => sceneOf(statusOf({ config: configWith(port), pool, ...clock, refusals })),
    run: noOrders,
    log: pino({ level: 'silent' }),
  })
  t.teardown(() => page.stop())
  const get = (path: string, login?: string, method = 'GET') =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: login === undefined ? {} : { authorization: `Basic ${Buffer.from(login).toString('base64')}` },
    })
  const right = 'admin:correct horse'

  t.test('nobody sees anything without the right password', async (t) => {
    for (const login of [undefined, 'admin:wrong', 'admin:', 'root:correct horse', 'admin', 'admin:correct horse\0']) {
      const answer = await get('/status', login)
      t.equal(answer.status, 401, `${login}`)
      t.match(answer.headers.get('www-authenticate'), /^Basic realm="balancer"/)
      t.notMatch(await answer.text(), /db1/)
    }
  })

  t.test('the page and its JSON are served to the right one, again and again', async (t) => {
    for (let i = 0; i < 3; i += 1) t.match(await (await get('/status', right)).text(), '>db1</span>')
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
    t.match(json, { status_page: { refused: { 'wrong-password': 4, 'no-password': 2 } } })
  })

  t.test('documents are compressed for those who take it', async (t) => {
    const raw = (encoding: string): Promise<{ coding: string | undefined; vary: string | undefined; body: Buffer }> =>
      new Promise((resolve, reject) => {
        const headers = { authorization: `Basic ${Buffer.from(right).toString('base64')}`, 'accept-encoding': encoding }
        request({ port, host: '127.0.0.1', path: '/status', headers }, async (answer) => {
          const chunks: Buffer[] = await answer.toArray()
          const { 'content-encoding': coding, vary } = answer.headers
          resolve({ coding, vary, body: Buffer.concat(chunks) })
        })
          .on('error', reject)
          .end()
      })
    for (const encoding of ['', 'br', 'gzip;q=0', 'br, gzip; q=0.0, *', 'xgzip']) {
      const { coding, vary, body } = await raw(encoding)
      t.same([coding, vary], [undefined, 'accept-encoding'], encoding)
      t.match(body.toString(), /^<!doctype html>[\s\S]*<\/html>\n$/)
    }
    for (const encoding of ['gzip', 'deflate, gzip;q=0.5', 'GZIP ; q=1', 'br,gzip,zstd']) {
      const { coding, body } = await raw(encoding)
      t.equal(coding, 'gzip', encoding)
      t.match(gunzipSync(body).toString(), /^<!doctype html>[\s\S]*<\/html>\n$/)
    }
  })

  t.test('other paths and methods are refused with a hint, HEAD has no body', async (t) => {
    const lost = await get('/', right)
    t.equal(lost.status, 404)
    t.match(await lost.text(), '/status/json')
    const put = await get('/status/json', right, 'POST')
    t.equal(put.status, 405)
    t.equal(put.headers.get('allow'), 'GET, HEAD')
    const whole = connect(port, '127.0.0.1', () => {
      const login = `Authorization: Basic ${Buffer.from(right).toString('base64')}`
      whole.write(`GET http://lb1.test:8888/status/json HTTP/1.1\r\n${login}\r\n\r\n`)
    })
    t.match(String(await once(whole, 'data')), /^HTTP\/1\.1 200 /, 'a whole URL is the same request')
    whole.destroy()
    const head = await get('/status', right, 'HEAD')
    t.equal(head.status, 200)
    t.equal(await head.text(), '')
  })

  t.test('frames and all styles and scripts but those of the page are forbidden to the browser', async (t) => {
    const answer = await get('/status', right)
    const policy = answer.headers.get('content-security-policy') ?? ''
    t.match(
      policy,
      /default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; img-src data:; connect-src 'self'/,
    )
    t.match(policy, "form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
    const page = await answer.text()
    for (const [element, directive] of [
      ['style', 'style-src'],
      ['script', 'script-src'],
    ] as const) {
      const [, text = ''] = new RegExp(`<${element}>([^]*?)</${element}>`).exec(page) ?? []
      const hash = createHash('sha256').update(text).digest('base64')
      t.ok(text.length > 100 && policy.includes(`${directive} 'sha256-${hash}'`), element)
    }
    t.notMatch(page, /<[^<]* (style|on\w+)="/, 'what the policy would forbid')
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

t.test('strangers at the door', async (t) => {
  writeFileSync(passwordFile, await hashPassword('correct horse'), { mode: 0o600 })
  const port = await freePort()
  const lines: string[] = []
  const page = await startStatusPage({
    http: configWith(port).admin.http,
    scene: (refusals) => sceneOf(statusOf({ config: configWith(port), pool, ...clock, refusals })),
    run: noOrders,
    log: pino({ level: 'warn' }, { write: (line) => void lines.push(line) }),
  })
  t.teardown(() => page.stop())
  const get = (login: string, localAddress = '127.0.0.1') =>
    new Promise<number>((resolve, reject) => {
      const headers = { authorization: `Basic ${Buffer.from(login).toString('base64')}` }
      request({ port, host: '127.0.0.1', path: '/status', localAddress, headers, agent: false }, (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
        .on('error', reject)
        .end()
    })
  const right = 'admin:correct horse'

  t.test('who only holds connections, with requests half sent, locks nobody out', async (t) => {
    const half = await Promise.all(
      Array.from({ length: 300 }, async (_, i) => {
        const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.1.${1 + (i % 20)}` })
        socket.on('error', () => {})
        await once(socket, 'connect')
        socket.write('GET /status HTTP/1.1\r\n')
        return socket
      }),
    )
    t.teardown(() => {
      for (const socket of half) socket.destroy()
    })
    t.equal(await get(right), 200, 'from elsewhere')
    t.equal(await get(right, '127.0.1.1'), 200, 'from where they come from')
  })

  t.test('a wrong password is told in the log: who, for which name, and at a bounded rate', async (t) => {
    const name = `ro\nt\u001b[31m${'x'.repeat(100)}`
    t.equal(await get(`${name}:secret word`, '127.0.2.1'), 401)
    for (let i = 0; i < 5; i += 1) t.equal(await get('root:secret word', '127.0.2.1'), 401)
    const told = lines.filter((line) => line.includes('wrong password'))
    t.equal(told.length, 1)
    t.match(JSON.parse(told[0] ?? '{}'), { source: '127.0.2.1', user: /^ro t \[31mx{1,64}…$/ })
    t.notMatch(told.join(), 'secret word')
  })

  t.test('who guesses is slowed down, others and those who are known are not', async (t) => {
    const answers: number[] = []
    // On a slow host tries come back while they are made.
    while (answers.at(-1) !== 503 && answers.length < 60) answers.push(await get('admin:guess', '127.0.3.1'))
    t.same([...new Set(answers.slice(0, 10)), answers.at(-1)], [401, 503])
    t.equal(await get(right, '127.0.3.1'), 200, 'a password that was right before')
    t.equal(await get('admin:guess', '127.0.3.2'), 401)
  })
})

t.test(
  'who asks ahead gets one answer after another, of one look at the state, and is let go where it is too much',
  async (t) => {
    writeFileSync(passwordFile, await hashPassword('one'), { mode: 0o600 })
    const port = await freePort()
    const config = configWith(port)
    let [looks, pipelined] = [0, 0]
    const page = await startStatusPage({
      http: config.admin.http,
      scene: (refusals) => {
        looks += 1
        pipelined = refusals['pipelined'] ?? 0
        return sceneOf(statusOf({ config, pool, ...clock, refusals }))
      },
      run: noOrders,
      log: pino({ level: 'silent' }),
    })
    t.teardown(page.stop)
    const authorization = `Basic ${Buffer.from('admin:one').toString('base64')}`
    const asks = (path: string): string =>
      `GET ${path} HTTP/1.1\r\nHost: lb1\r\nAuthorization: ${authorization}\r\n\r\n`
    const send = (text: string) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text))
      t.teardown(() => socket.destroy())
      let told = ''
      let isOver = false
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        told += chunk
      })
      socket.on('close', () => {
        isOver = true
      })
      return { told: () => told, isOver: () => isOver }
    }
    const some = send(['/healthz', '/nowhere', '/status/json', '/status;csv', '/healthz'].map(asks).join(''))
    await waitFor('five answers', () => some.told().split('HTTP/1.1 ').length === 6 && some.told().endsWith('ok\n'))
    const order = ['200 OK', '404 Not Found', 'application/json', 'pxname,svname'].map((words) =>
      some.told().indexOf(words),
    )
    t.same(
      order,
      order.toSorted((a, b) => a - b),
    )
    t.notOk(order.includes(-1))
    t.ok(looks < 5, `${looks} looks for five answers`)

    const many = send(asks('/healthz').repeat(500))
    await waitFor('the connection to end', many.isOver)
    t.ok(many.told().split('HTTP/1.1 ').length < 500)
    await waitFor('it to be counted', async () => {
      await fetch(`http://127.0.0.1:${port}/healthz`).then((answer) => answer.text())
      return pipelined === 1
    })
  },
)

t.test('a name that nobody has costs as much work as one that somebody has', async (t) => {
  const credentials = createCredentials()
  const hash = parsePasswordHash(await hashPassword('right'))
  if (hash === undefined) throw new Error('no hash')
  credentials.setUsers(new Map([['admin', hash]]))
  const verify = async (login: string): Promise<string> =>
    (await credentials.verify(`Basic ${Buffer.from(login).toString('base64')}`, 'here')).verdict
  // One is worked at for each source: the second finds it busy.
  t.same(await Promise.all(['nobody:a', 'nobody:b'].map(verify)), ['wrong', 'busy'])
  t.same(await Promise.all(['admin:a', 'admin:b'].map(verify)), ['wrong', 'busy'])
  t.same(await Promise.all(['admin:right', 'admin:right'].map(verify)), ['granted', 'granted'], 'a browser asks twice')
  t.equal(await verify('constructor:a'), 'wrong')
  credentials.setUsers(new Map())
  t.equal(await verify('admin:right'), 'wrong', 'users that are gone')
})

t.test('a password that was not looked at, among too many, is in the log too', async (t) => {
  writeFileSync(passwordFile, await hashPassword('one'), { mode: 0o600 })
  const port = await freePort()
  const config = configWith(port)
  const lines: string[] = []
  const page = await startStatusPage({
    http: config.admin.http,
    scene: (refusals) => sceneOf(statusOf({ config, pool, ...clock, refusals })),
    run: noOrders,
    log: pino({}, { write: (line: string) => void lines.push(line) }),
  })
  t.teardown(page.stop)
  const guess = async (word: string): Promise<number> => {
    const authorization = `Basic ${Buffer.from(`admin:${word}`).toString('base64')}`
    return (await fetch(`http://127.0.0.1:${port}/status`, { headers: { authorization } })).status
  }
  t.same((await Promise.all(['a', 'b'].map(guess))).sort(), [401, 503])
  t.match(
    lines.join(''),
    /too many logins, so that the password was not looked at, from 127\.0\.0\.1 for user \\"admin\\"/,
  )
})

t.test('a reload opens, moves and closes the page, and what cannot be opened changes nothing', async (t) => {
  writeFileSync(passwordFile, await hashPassword('one'), { mode: 0o600 })
  const [first, second] = [await freePort(), await freePort()]
  const config = configWith(first)
  const page = await startStatusPage({
    http: undefined,
    scene: (refusals) => sceneOf(statusOf({ config, pool, ...clock, refusals })),
    run: noOrders,
    log: pino({ level: 'silent' }),
  })
  t.teardown(() => page.stop())
  const status = async (port: number, path: string, password: string): Promise<number> => {
    const authorization = `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`
    return (await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization } })).status
  }
  await t.rejects(status(first, '/status', 'one'))
  ;(await page.prepare(config.admin.http)).apply()
  t.equal(await status(first, '/status', 'one'), 200)

  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(second, '127.0.0.1', resolve))
  await t.rejects(page.prepare(configWith(second).admin.http), { name: 'FailedStart', message: /the port is in use/ })
  taken.close()
  t.equal(await status(first, '/status', 'one'), 200)

  writeFileSync(passwordFile, await hashPassword('two'), { mode: 0o600 })
  const http = configWith(second).admin.http
  if (http === undefined) throw new Error('no page')
  const users = [{ name: 'admin', password_file: passwordFile, role: 'viewer' as const, print: 'another' }]
  ;(await page.prepare({ ...http, path: '/other', users })).apply()
  await t.rejects(status(first, '/status', 'one'))
  t.equal(await status(second, '/other', 'one'), 401)
  t.equal(await status(second, '/other', 'two'), 200)
  t.equal(await status(second, '/status', 'two'), 404)
  ;(await page.prepare(undefined)).apply()
  await t.rejects(status(second, '/other', 'two'))
})
