// Whatever servers, agents, scripts, clients and strangers say, nothing of it acts on a terminal, and no secret is told: all
// outputs of a running balancer, its syslog as rsyslogd gets it among them.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { hashPassword } from '../../balancer/config/password-file.ts'
import { createLab } from '../lab/lab.ts'
import { balancerProgram as balancer } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-words' })
t.teardown(() => lab.destroy())
const host = await lab.addHost('lb1', '198.18.0.2/24')
const place = (name: string): string => join(lab.directory, name)

/** What acts on a terminal, or turns or hides what a reader sees. */
const harmful = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u
/** A text of each who says something, with what a terminal would obey in it and around it. */
const evil = (who: string): string =>
  `\u001b]0;t\u0007${who}-\u001b[2J\u009b31m\r\nsaid\u202e\u2028\u0000\u007f<b>&${'x'.repeat(600)}`
const seen = (who: string): RegExp => new RegExp(`${who}- *\\[2J *31m *said`)

const strangers = `
const { createServer } = require('node:http'), net = require('node:net')
const evil = JSON.parse(process.argv[1])
const report = { version: 1, verdict: 'fail', reason: { code: 'force-fail', text: evil.agent }, certainty: 'hard', mode: 'ping',
  role: 'replica', writable: false, age_ms: 1, probe_ms: 1, warnings: [], facts: { [evil.agent]: evil.agent },
  agent: { host: evil.agent, version: evil.agent, uptime_s: 1 } }
createServer((request, response) => {
  response.writeHead(503, { 'content-type': 'application/json' }).end(JSON.stringify(report))
}).listen(9222)
let flaps = 0
createServer((request, response) => void response.writeHead(flaps++ % 2 ? 503 : 200).end()).listen(9226)
net.createServer((socket) => {
  socket.on('error', () => {}).end('HTTP/1.0 200 ' + evil.agent.replace(/[\\r\\n]/g, '') + '\\r\\n\\r\\n')
}).listen(9223)
net.createServer((socket) => socket.on('error', () => {}).end('down ' + evil.word + ' # ' + evil.line + '\\n')).listen(9224)
net.createServer((socket) => socket.on('error', () => {}).end(Buffer.from('ff020000ff' + '0000' + Buffer.from(evil.banner).toString('hex'), 'hex'))).listen(9225)
console.log('ready')
`
const words = {
  agent: evil('agent'),
  line: evil('line').replace(/[\r\n]/g, ''),
  word: '\u001b[1mword\u202e',
  banner: evil('banner'),
}

const secrets = {
  vrrp: 'vrRp5ecr',
  header: 'Bearer h3ader-secret',
  login: 'l0gin-secret',
  page: 'p4ge-secret',
  url: 'u4l-secret',
  guess: 'gu3ss-secret',
}
const file = (name: string, text: string): string => {
  writeFileSync(place(name), text, { mode: 0o600 })
  return place(name)
}
/** A program that says something and fails. */
const saying = (who: string): readonly string[] => [
  '/bin/sh',
  '-c',
  `printf '\\033]0;t\\007${who}-\\033[2J\\302\\23331m said\\342\\200\\256'; exit 1`,
]
const check = (type: string, port: number, more: object = {}) => ({
  type,
  port,
  interval: '200ms',
  timeout: '5s',
  ...more,
})
const listener = (name: string, port: number, more: object) => ({
  name,
  bind: `198.18.0.2:${port}`,
  servers: [{ name: 'db1', address: '127.0.0.1:9222' }],
  ...more,
})
const passwordFile = file('login', `${secrets.login}\n`)
const configuration = {
  router_id: 'lb1',
  vrrp: {
    instances: [
      {
        name: 'V',
        interface: 'eth0',
        virtual_router_id: 1,
        virtual_addresses: ['198.18.0.100/24'],
        authentication: { type: 'pass', password: secrets.vrrp },
        notify: { any: saying('notifier') },
      },
    ],
    webhooks: [
      {
        url: `http://127.0.0.1:9/${secrets.url}`,
        header_files: { Authorization: file('header', `${secrets.header}\n`) },
        retries: 0,
      },
    ],
  },
  listeners: [
    listener('agent', 4001, { check: check('http', 9222) }),
    listener('line', 4002, {
      check: check('http', 9223),
      agent_check: { port: 9224, interval: '200ms', send: 'hello' },
    }),
    listener('flap', 4004, { check: check('http', 9226, { interval: '100ms', rise: 1, fall: 1 }) }),
    listener('banner', 4003, { check: check('mysql', 9225, { user: 'chk', password_file: passwordFile }) }),
  ],
  notify: { server: ['/bin/sh', '-c', `printenv >> ${place('told')}; ${saying('teller').at(-1)}`] },
  admin: {
    socket: place('admin.sock'),
    http: {
      bind: '198.18.0.2:8888',
      users: [{ name: 'admin', password_file: file('page', `${await hashPassword(secrets.page)}\n`) }],
    },
  },
  log: {
    ...{ level: 'trace', syslog: '127.0.0.1:514', format: 'rfc5424', facility: 'local3' },
    ...{ sessions: 'tcplog', requests: 'httplog' },
  },
}
const configFile = file('balancer.yaml', JSON.stringify(configuration))
const syslogFile = place('syslog')
const output = place('output')
const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')
const ask = async (...command: readonly string[]): Promise<string> => {
  const { stdout, stderr } = await host.run(process.execPath, [balancer, ...command, '--config', configFile])
  return stdout + stderr
}
/** The start of five programs on a host with much to do. */
const patient = { limit: 120_000 }
/** The same without the program that asks. */
const say = (command: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(place('admin.sock'), () => socket.end(`${command}\n`))
    socket.on('data', (chunk) => {
      answer += String(chunk)
    })
    socket.once('error', reject).once('end', () => resolve(answer))
  })
const get = async (login: string, path: string): Promise<string> =>
  (await host.run('curl', ['-s', '-u', login, '--globoff', `http://198.18.0.2:8888${path}`])).stdout

// It must not be rsyslogd that makes the lines harmless.
const rsyslog = file(
  'rsyslog.conf',
  `global(parser.escapeControlCharactersOnReceive="off")
module(load="imudp")
input(type="imudp" address="127.0.0.1" port="514")
template(name="t" type="string" string="%syslogfacility-text% %syslogseverity-text% %programname% %msgid%:%msg%\\n")
action(type="omfile" file="${syslogFile}" template="t")
`,
)
host.spawn('rsyslogd', 'rsyslogd', ['-n', '-f', rsyslog, '-i', place('rsyslog.pid')])
await waitFor('rsyslogd', () => existsSync(place('rsyslog.pid')))
const others = host.spawn('strangers', process.execPath, ['-e', strangers, JSON.stringify(words)])
await others.waitForOutput(/ready/)
const begun = performance.now()
const running = host.spawn('balancer', 'sh', [
  '-c',
  'exec "$@" >"$0"',
  output,
  process.execPath,
  balancer,
  '--config',
  configFile,
])
const everything: string[] = []

await t.test('what others say is there in every output, and none of it acts', async (t) => {
  await waitFor(
    'all to have said something',
    async () => {
      const servers = await say('show servers')
      return [seen('agent'), seen('line')].every((pattern) => pattern.test(servers))
    },
    patient,
  )
  await waitFor('scripts to have said something', () =>
    ['notifier', 'teller'].every((who) => seen(who).test(read(output))),
  )
  await waitFor('a notification script to hear of the server of an agent', () =>
    /^BALANCER_NAME=agent\/db1$/m.test(read(place('told'))),
  )
  t.match(read(place('told')), /^BALANCER_REASON=force-fail: .*agent- \[2J/m)
  // Strangers at the page, at the runtime socket and at the network.
  await get(`ro\u001b[2Jot\u202e:${secrets.guess}`, '/status')
  await get(`admin:${secrets.guess}`, '/status')
  for (const shown of ['status', 'servers', 'sessions', 'events', 'vrrp']) {
    everything.push(await say(`show ${shown}`), await say(`show ${shown} --json`))
  }
  everything.push(
    await get(`admin:${secrets.page}`, '/status'),
    await get(`admin:${secrets.page}`, '/status/json'),
    await say('show \u001b[2J servers'),
    await say('server \u001b[2Jnowhere/db1 drain'),
    await say('vrrp \u009b31mnobody maint'),
    await ask('show', 'servers'),
    await ask('notify', '--test'),
  )
  await waitFor('the words in syslog', () => ['agent', 'line'].every((who) => seen(who).test(read(syslogFile))))
  t.match(read(syslogFile), /^local3 \w+ balancer director: ?Server agent\/db1 is DOWN, reason: .*agent-/m)
  t.match(
    read(syslogFile),
    /^local3 warning balancer director: ?Status page: wrong password from \S+ for user "ro \[2Jot"$/m,
  )
  await get(`admin:${secrets.page}`, `/healthz?token=${secrets.guess}&x="a"`)
  const asked =
    /^local3 info balancer request: ?198\.18\.0\.2:\d+ \[.*\] stats stats\/<STATS> 0\/0\/0\/0\/\d+ (\d+) \d+ - - LR-- \d+\/\d+\/0\/0\/0 0\/0 (.*)$/gm
  const requests = () => [...read(syslogFile).matchAll(asked)].map(([, status, what]) => `${status} ${what}`)
  await waitFor('the requests in syslog', () => requests().some((line) => line.includes('healthz')))
  t.same(requests(), [
    '401 {} "GET /status HTTP/1.1"',
    '401 {admin} "GET /status HTTP/1.1"',
    '200 {admin} "GET /status HTTP/1.1"',
    '200 {admin} "GET /status/json HTTP/1.1"',
    '503 {} "GET /healthz?token=***&x=#22a#22 HTTP/1.1"',
  ])
  // As an operator's monitoring asks; no server is up.
  const plugin = async (...words: readonly string[]): Promise<string> => {
    const { code, stdout } = await host.run('/usr/lib/nagios/plugins/check_http', [
      '-H',
      '198.18.0.2',
      '-p',
      '8888',
      ...words,
    ])
    everything.push(stdout)
    return `${code} ${stdout}`
  }
  t.match(await plugin('-u', '/healthz'), /^2 HTTP CRITICAL: HTTP\/1\.1 503 /)
  t.match(await plugin('-u', '/status'), /^1 HTTP WARNING: HTTP\/1\.1 401 /)
  t.match(await plugin('-u', '/status', '-a', `admin:${secrets.page}`, '-s', '>db1<'), /^0 HTTP OK: HTTP\/1\.1 200 OK /)
  everything.push(read(output), read(syslogFile), read(place('told')))
  for (const [i, text] of everything.entries()) {
    t.ok(text.length > 0, `output ${i}`)
    t.notMatch(text, harmful, `output ${i}`)
  }
  t.equal(everything.filter((text) => /agent-/.test(text)).length >= 7, true, 'it was shown')
})

await t.test('a server that flaps has twenty lines in ten seconds, and one that counts the rest', async (t) => {
  const flaps = () =>
    read(output)
      .split('\n')
      .filter((line) => line.includes('Server flap/db1 is'))
  const rest = /"suppressed":\d+.*\(the last of \d+ more\)/
  await waitFor('the rest', () => flaps().some((line) => rest.test(line)))
  // On a busy host it may have had ten seconds with fewer before.
  t.ok(flaps().findIndex((line) => rest.test(line)) >= 20)
  const shown = (await say('show events')).split('\n').filter((line) => line.includes('Server flap/db1 is')).length
  const windows = Math.ceil((performance.now() - begun) / 10_000) + 1
  t.ok(shown <= 21 * windows, `${shown} events in ${windows} times ten seconds`)
})

await t.test('a reload moves and ends syslog, and refuses a receiver that cannot be', async (t) => {
  const reload = async (log: object): Promise<string> => {
    writeFileSync(configFile, JSON.stringify({ ...configuration, log }))
    return ask('reload')
  }
  t.match(await reload({ level: 'info', syslog: 'localhost:514' }), /log\.syslog: found "localhost:514"; write 127/)
  const before = read(syslogFile).split('\n').length
  await waitFor('the refusal in syslog', () => /Reload of \S+ refused/.test(read(syslogFile)))
  t.ok(read(syslogFile).split('\n').length >= before, 'it goes on as it was')
  t.equal(
    await reload({ level: 'info', syslog: place('nowhere') }),
    'log: changed level, syslog, format, facility, sessions, requests\n',
  )
  await say('server agent/db1 maint')
  const missing = /"process":"director".*does not take lines of the log .ENOENT.; they are here/
  await waitFor('the receiver to be missed', () => missing.test(read(output)))
  t.equal(await reload({ level: 'info' }), 'log: changed syslog\n')
  everything.push(read(output))
})

await t.test('no secret is in any output, at any level of the log', async (t) => {
  const { code } = await running.stop()
  t.equal(code, 0)
  everything.push(read(output), read(syslogFile))
  const all = everything.join('\n')
  t.match(all, /http:\/\/127\.0\.0\.1:9 failed/, 'the webhook was tried')
  for (const [name, secret] of Object.entries(secrets)) t.notOk(all.includes(secret), name)
})
