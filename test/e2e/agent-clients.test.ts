// The agent's clients: Debian's HAProxy with httpchk and with agent-check, curl over TLS, and thousands that only hold on.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import type { LabProcess } from '../lab/lab-process.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { checkUser } from '../lab/mariadb-files.ts'
import { waitFor } from '../lab/wait-for.ts'
import { type Agent, startAgent } from './agent.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-agent-clients' })
t.teardown(() => lab.destroy())
const db = await lab.addHost('db1', '198.18.0.11/24')
const client = await lab.addHost('client', '198.18.0.200/24')
const server = await startMariaDb({
  lab,
  host: db,
  name: 'db1',
  settings: { max_connections: '20', extra_port: '3307' },
})
for (const from of ['localhost', '127.0.0.1']) {
  await server.query(`CREATE DATABASE IF NOT EXISTS mysqlchk`)
  await server.query(`GRANT SELECT, INSERT, UPDATE ON mysqlchk.* TO '${checkUser.user}'@'${from}'`)
}
await server.query('CREATE TABLE mysqlchk.heartbeat (node VARCHAR(255) PRIMARY KEY, beat_at TIMESTAMP(6) NOT NULL)')
const quick = 'timeout: 10s, interval: 200ms, max_age: 100ms'
const agentCheck = (more = '') => `agent_check: { port: 9223${more} }`
const agent = await startAgent(lab, db, server, `check: { ${quick} }\n${agentCheck(', weight: headroom')}`)

let reloads = 0
const reconfigure = async (...lines: readonly string[]): Promise<void> => {
  agent.configure(lines.join('\n'))
  agent.process().signal('SIGHUP')
  reloads += 1
  await waitFor(
    `reload ${reloads}`,
    () =>
      agent
        .process()
        .lines()
        .filter((line) => /Reloaded,/.test(line)).length === reloads,
  )
}

const stats = join(lab.directory, 'haproxy.sock')
writeFileSync(
  join(lab.directory, 'haproxy.cfg'),
  `global
  maxconn 200
  stats socket ${stats} mode 600 level admin
defaults
  mode tcp
  timeout connect 1s
  timeout client 5s
  timeout server 5s
  timeout check 10s
backend http
  option httpchk
  server db1 ${db.address}:3306 check port 9222 inter 200ms rise 1 fall 2
backend drained
  option httpchk GET /?maintenance=404
  http-check disable-on-404
  server db1 ${db.address}:3306 check port 9222 inter 200ms rise 1 fall 2
backend agent
  server db1 ${db.address}:3306 weight 100 agent-check agent-port 9223 agent-inter 200ms
frontend unused
  bind 127.0.0.1:13306
  default_backend http
`,
)
const haproxy = client.spawn('haproxy', 'haproxy', ['-db', '-f', join(lab.directory, 'haproxy.cfg')])
/** Status and weight of a backend's server, as HAProxy shows them. */
const seen = async (backend: string): Promise<string> => {
  const script = `import socket
s=socket.socket(socket.AF_UNIX); s.connect('${stats}'); s.sendall(b'show stat\\n')
d=b''
while True:
  c=s.recv(65536)
  if not c: break
  d+=c
print(d.decode())`
  const { stdout } = await client.run('python3', ['-c', script])
  const row =
    stdout
      .split('\n')
      .find((line) => line.startsWith(`${backend},db1,`))
      ?.split(',') ?? []
  return `${row[17]} ${row[18]}`
}
const untilSeen = (backend: string, what: RegExp): Promise<unknown> =>
  waitFor(`${what} in ${backend}`, async () => {
    const now = await seen(backend)
    if (!what.test(now)) throw new Error(`it is ${now}`)
    return true
  })

/** What HAProxy shows for a server in use that has an agent-check and no health check. */
const isIn = /^(UP|no check) /

await t.test('HAProxy takes the answers of httpchk and of agent-check', async (t) => {
  await untilSeen('http', /^UP /)
  await untilSeen('drained', /^UP /)
  await untilSeen('agent', /^no check (8|9)\d$/)
  t.ok(haproxy.isRunning())
})

await t.test('a force-fail is down, drain or 404 to HAProxy, as each of them asked', async (t) => {
  const out = async (): Promise<void> => {
    await agent.command('fail', 'new', 'disk')
  }
  const back = async (): Promise<void> => {
    await agent.command('pass')
    await untilSeen('agent', isIn)
  }
  await out()
  await untilSeen('http', /^DOWN /)
  await untilSeen('drained', /^NOLB /)
  await untilSeen('agent', /^DOWN /)
  await back()
  await reconfigure(`check: { ${quick} }`, agentCheck(', on_force_fail: drain'))
  await out()
  await untilSeen('agent', /^DRAIN /)
  await back()
  await reconfigure(`check: { ${quick} }`, agentCheck(', on_force_fail: maint'))
  await out()
  await untilSeen('agent', /^MAINT/)
  await back()
  for (const backend of ['http', 'drained']) await untilSeen(backend, /^UP /)
  t.equal(await agent.ask('/'), '200 ok')
  const { stdout } = await db.run('curl', ['-sS', 'http://127.0.0.1:9222/metrics'])
  for (const word of ['up', 'down', 'drain', 'maint']) {
    t.match(stdout, new RegExp(`^mysqlchk_requests_total{asked="agent-check",status="${word}"} [1-9]`, 'm'))
  }
})

await t.test('a dead server is down with the reason, and the line of agent-check is one line', async (t) => {
  await server.kill9()
  await untilSeen('agent', /^DOWN /)
  const { stdout } = await client.run('bash', ['-c', `exec 3<>/dev/tcp/${db.address}/9223; cat <&3`])
  t.match(stdout, /^down #connection-refused: connect (ENOENT|ECONNREFUSED) [^\n]*\n$/)
  await server.start()
  await untilSeen('agent', isIn)
})

await t.test(
  'a server that is killed again and again is refused each time, and leaves no connection behind',
  async (t) => {
    for (let i = 0; i < 3; i += 1) {
      await server.kill9()
      await agent.until('/', '503 connection-refused')
      await server.start()
      await agent.until('/', '200 ok')
    }
    const logins = `SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '${checkUser.user}'`
    await waitFor('one connection', async () => (await server.query(logins)).length === 1)
    t.ok(agent.process().isRunning())
  },
)

await t.test(
  'a wrong password is told apart and never shown, and a peer that is not allowed is in the log',
  async (t) => {
    const wrong = 'not-the-password'
    await reconfigure(
      `check: { ${quick} }`,
      `mysql: { socket: ${server.socket}, user: ${checkUser.user}, password: ${wrong} }`,
    )
    await agent.until('/', '503 access-denied')
    await reconfigure(`check: { ${quick} }`, `access: { deny: [${client.address}] }`)
    await agent.until('/', '200 ok')
    t.not((await client.run('curl', ['-sS', '-m', '5', `http://${db.address}:9222/`])).code, 0)
    await agent.process().waitForOutput(new RegExp(`"source":"${client.address}".*Client refused, reason: not-allowed`))
    t.notMatch(agent.process().lines().join('\n'), wrong)
    await reconfigure(`check: { ${quick} }`, agentCheck())
    await untilSeen('http', /^UP /)
  },
)

await t.test('a full connection table is told apart, and the extra port looks behind it', async (t) => {
  await agent.process().stop()
  const holders: LabProcess[] = []
  const hold = (): void => {
    const login = ['--no-defaults', '-S', server.socket, '-uapp', '-plab-app-password', '-e', 'SELECT SLEEP(120)']
    holders.push(db.spawn(`holder${holders.length}`, 'mariadb', login))
  }
  for (let i = 0; i < 21; i += 1) hold()
  // The look itself takes a place, which one of them may have needed.
  await waitFor('a full table', async () => {
    const isFull = (await agent.command('once')).output.includes('too-many-connections')
    if (!isFull) hold()
    return isFull
  })
  const late = await startAgent(lab, db, server, `check: { ${quick} }`)
  t.equal(await late.ask('/'), '503 too-many-connections')
  t.match(await late.report(), { certainty: 'soft' })
  const mysql = `mysql: { socket: ${server.socket}, extra_port: 3307, user: ${checkUser.user}, password: ${checkUser.password} }`
  late.configure(`check: { ${quick} }\n${mysql}`)
  late.process().signal('SIGHUP')
  await waitFor('a look through the extra port', async () => 'usual_port' in (await late.report()).facts)
  t.equal(await late.ask('/'), '503 too-many-connections', 'nobody else gets in')
  const behind = { usual_port: /extra port: error 1040/, read_only: 'OFF' }
  t.match(await late.report(), { mode: 'ping', connections_free_percent: 0, facts: behind })
  await Promise.all(holders.map((holder) => holder.stop()))
  await late.process().stop()
  // The server does not notice that those who slept have gone.
  await server.kill9()
  await server.start()
})

/** Clients that hold connections until none is left, also when those that looked have gone. */
const fill = async (seenBy: Agent, name: string): Promise<readonly LabProcess[]> => {
  const holders: LabProcess[] = []
  let inRow = 0
  const look = async (): Promise<boolean> => {
    const isFull = (await seenBy.ask('/')) === '503 too-many-connections'
    inRow = isFull ? inRow + 1 : 0
    const login = ['--no-defaults', '-S', server.socket, '-uapp', '-plab-app-password', '-e', 'SELECT SLEEP(120)']
    if (!isFull) holders.push(db.spawn(`${name}${holders.length}`, 'mariadb', login))
    return inRow === 5
  }
  await waitFor('a full table', look, { interval: 120 })
  return holders
}

await t.test('an old connection does not hide what a new login meets', async (t) => {
  const own = await startAgent(lab, db, server, `check: { ${quick}, login_interval: 0s }`)
  t.equal(await own.ask('/'), '200 ok')
  await server.query(`ALTER USER '${checkUser.user}'@'localhost' ACCOUNT LOCK`)
  await own.until('/', '503 access-denied')
  t.match((await own.report()).reason.text, 'error 4151: the account is locked')
  await server.query(`ALTER USER '${checkUser.user}'@'localhost' ACCOUNT UNLOCK`)
  await own.until('/', '200 ok')
  await own.process().stop()

  // With a login that is kept, the counters tell of a full table.
  const kept = await startAgent(lab, db, server, `check: { ${quick}, login_interval: 1h }`)
  t.equal(await kept.ask('/'), '200 ok')
  await server.query('SET GLOBAL max_connections = 10')
  const crowd = await fill(kept, 'crowd')
  t.match((await kept.report()).reason.text, /^all 10 connections are taken$/)
  await Promise.all(crowd.map((holder) => holder.stop()))
  await kept.process().stop()
  await server.kill9()
  await server.start()
})

await t.test('a user that may take the reserved connection is named, and leaves it to others', async (t) => {
  await server.query(`GRANT CONNECTION ADMIN ON *.* TO '${checkUser.user}'@'localhost'`)
  const privileged = await startAgent(lab, db, server, `check: { ${quick}, login_interval: 0s }`)
  t.equal(await privileged.ask('/'), '200 ok')
  t.match((await privileged.report()).facts, { check_user: /reserved for administrators/ })
  await server.query('SET GLOBAL max_connections = 10')
  const crowd = await fill(privileged, 'throng')
  // Root's own connections take a moment to go.
  for (let i = 0; i < 5; i += 1) {
    await waitFor('root to get in', async () => (await server.query('SELECT 1')).length === 1)
    t.equal(await privileged.ask('/'), '503 too-many-connections')
  }
  await Promise.all(crowd.map((holder) => holder.stop()))
  await privileged.process().stop()
  await server.query(`REVOKE CONNECTION ADMIN ON *.* FROM '${checkUser.user}'@'localhost'`)
  await server.kill9()
  await server.start()
})

await t.test('a server that clients cannot reach fails, whatever its socket says', async (t) => {
  const own = await startAgent(lab, db, server, `check: { ${quick}, login_interval: 0s }`)
  const optionFile = join(lab.directory, 'db1', 'my.cnf')
  const options = readFileSync(optionFile, 'utf8')
  const restart = async (...settings: readonly string[]): Promise<void> => {
    await server.kill9()
    writeFileSync(optionFile, `${options}${settings.map((one) => `${one}\n`).join('')}`)
    await server.start()
  }
  const table: readonly [string, RegExp][] = [
    ['skip_networking = ON', /^skip_networking is ON$/],
    ['bind_address = 127.0.0.1', /^bind_address is an address of this host alone$/],
    ['skip_grant_tables = ON', /skip-grant-tables/],
  ]
  for (const [setting, text] of table) {
    await restart(setting)
    await own.until('/', '503 closed-to-clients')
    t.match((await own.report()).reason.text, text)
    t.equal((await own.report()).certainty, 'hard')
  }
  const refused = async (): Promise<number> =>
    Number((await server.query("SHOW GLOBAL STATUS LIKE 'Access_denied_errors'"))[0]?.['Value'])
  await restart('port = 3310')
  await own.until('/', '200 ok')
  const before = await refused()
  for (let i = 0; i < 20; i += 1) await own.ask('/')
  t.ok((await refused()) - before <= 3, 'what is not allowed is not asked again and again')
  const mysql = (address: string) =>
    `mysql: { socket: ${server.socket}, client_address: '${address}', user: ${checkUser.user}, password: ${checkUser.password} }`
  own.configure(`check: { ${quick}, login_interval: 0s }\n${mysql(`${db.address}:3306`)}`)
  own.process().signal('SIGHUP')
  await own.until('/', '503 closed-to-clients')
  t.match((await own.report()).reason.text, `${db.address}:3306: connect ECONNREFUSED`)
  own.configure(`check: { ${quick}, login_interval: 0s }\n${mysql('none')}`)
  own.process().signal('SIGHUP')
  await own.until('/', '200 ok')
  await own.process().stop()
  await restart()
})

await t.test('a server that takes no writes is found by the heartbeat, a full disk by its share', async (t) => {
  const heartbeat = 'heartbeat: { table: mysqlchk.heartbeat, interval: 100ms }'
  const beating = await startAgent(lab, db, server, `check: { ${quick}, ${heartbeat} }`)
  t.equal(await beating.ask('/'), '200 ok')
  t.match(await server.query('SELECT node FROM mysqlchk.heartbeat'), [{ node: 'db1' }])
  await server.query('RENAME TABLE mysqlchk.heartbeat TO mysqlchk.elsewhere')
  await beating.until('/', '503 write-failed')
  await server.query('RENAME TABLE mysqlchk.elsewhere TO mysqlchk.heartbeat')
  await beating.until('/', '200 ok')
  beating.configure(`check: { ${quick}, disk: { min_free: 99.999% } }`)
  beating.process().signal('SIGHUP')
  await beating.until('/', '503 disk-full')
  t.match((await beating.report()).reason.text, /% of the disk of .*data.* is free/)
  await beating.process().stop()
})

await t.test('TLS asks for a certificate of its authority, and 5,000 idle connections keep nobody out', async (t) => {
  const file = (name: string) => join(lab.directory, name)
  const openssl = async (...words: readonly string[]) =>
    t.equal((await db.run('openssl', words)).code, 0, words.join(' '))
  const request = ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  for (const name of ['server', 'clients']) {
    const names = name === 'server' ? ['-addext', `subjectAltName=IP:${db.address}`] : []
    await openssl(
      ...request,
      '-x509',
      '-subj',
      `/CN=${name}`,
      ...names,
      '-keyout',
      file(`${name}.key`),
      '-out',
      file(`${name}.crt`),
    )
  }
  await openssl(...request, '-subj', '/CN=lb1', '-keyout', file('lb1.key'), '-out', file('lb1.csr'))
  const sign = ['-CA', file('clients.crt'), '-CAkey', file('clients.key'), '-CAcreateserial', '-days', '2']
  await openssl('x509', '-req', '-in', file('lb1.csr'), ...sign, '-out', file('lb1.crt'))
  const tls = `tls: { certificate: ${file('server.crt')}, key: ${file('server.key')}, client_ca: ${file('clients.crt')} }`
  const secure = await startAgent(
    lab,
    db,
    server,
    `listen: { address: 0.0.0.0, port: 9222, ${tls} }\ncheck: { ${quick} }`,
  )
  const curl = (...words: readonly string[]) =>
    client.run('curl', ['-sS', '-m', '10', '--cacert', file('server.crt'), ...words, `https://${db.address}:9222/`])
  t.equal((await curl('--cert', file('lb1.crt'), '--key', file('lb1.key'))).stdout, 'MySQL is running.\r\n')
  t.not((await curl()).code, 0, 'nobody without a certificate')
  t.not((await client.run('curl', ['-sS', '-m', '10', `http://${db.address}:9222/`])).code, 0)
  await secure.process().stop()

  const crowded = await startAgent(
    lab,
    db,
    server,
    `access: { max_connections: 6000, max_connections_per_source: 6000 }`,
  )
  const crowd = client.spawn('crowd', 'python3', [
    '-uc',
    `import socket,time
held=[socket.create_connection(('${db.address}',9222)) for _ in range(5000)]
print('holding',len(held))
time.sleep(60)`,
  ])
  await crowd.waitForOutput(/holding 5000/)
  t.equal(await crowded.ask('/'), '200 ok')
  await crowd.kill()
  await crowded.process().stop()

  // The defaults, and a crowd from many addresses: all places are taken, and a check still gets one.
  const crowdedOut = await startAgent(lab, db, server, 'log: { level: info }')
  for (let i = 0; i < 10; i += 1) await client.run('ip', ['address', 'add', `198.18.0.${210 + i}/24`, 'dev', 'eth0'])
  const many = client.spawn('many', 'python3', [
    '-uc',
    `import socket,time
held=[]
for i in range(5000):
  s=socket.socket(); s.bind(('198.18.0.%d'%(210+i%10),0)); s.connect(('${db.address}',9222)); held.append(s)
print('holding',len(held))
time.sleep(60)`,
  ])
  await many.waitForOutput(/holding 5000/)
  t.equal(await crowdedOut.ask('/'), '200 ok')
  t.match(
    (await db.run('curl', ['-sS', 'http://127.0.0.1:9222/metrics'])).stdout,
    /^mysqlchk_refused_total\{reason="[a-z-]+"\} \d+$/m,
  )
  await many.kill()
})
