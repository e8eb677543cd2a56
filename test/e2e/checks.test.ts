// The checks against the real thing: a Galera node of MariaDB, our agent, and the classic script under xinetd. Where
// HAProxy has the same check it looks at the same server.

import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection } from 'mysql2/promise'
import t from 'tap'
import { startClassicScript } from '../lab/classic-script.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser, checkUser } from '../lab/mariadb-files.ts'
import { agentProgram } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'
import { type Side, startHaproxy, startOurs } from './sides.ts'

t.setTimeout(600_000)
const scriptPort = 9200
const agentPort = 9222

const lab = await createLab({ name: 'e2e-checks' })
t.teardown(() => lab.destroy())
const lb = await lab.addHost('lb', '198.18.0.2/24')
const db = await lab.addHost('db', '198.18.0.11/24')
const server = await startMariaDb({
  lab,
  name: 'db',
  host: db,
  galera: { address: db.address, nodes: [db.address], bootstrap: true },
  settings: { max_connections: '20', max_connect_errors: '1000000' },
})
await server.query(`CREATE TABLE ${appUser.database}.t (id INT)`)

const directory = join(lab.directory, 'db-etc')
mkdirSync(directory)
chmodSync(directory, 0o755)
const script = startClassicScript({ host: db, directory, port: scriptPort, socket: server.socket })

const passwordFile = join(directory, 'password')
const agentFile = join(directory, 'agent.yaml')
const agentForceFail = join(directory, 'agent-proxyoff')
writeFileSync(passwordFile, `${checkUser.password}\n`, { mode: 0o600 })
writeFileSync(
  agentFile,
  `listen: { address: 0.0.0.0, port: ${agentPort} }
mysql: { socket: ${server.socket}, user: ${checkUser.user}, password_file: ${passwordFile} }
check: { mode: auto, timeout: 10s, interval: 200ms, max_age: 100ms }
force_fail_file: ${agentForceFail}
`,
)
const startAgent = () => db.spawn('agent', process.execPath, [agentProgram, '--config', agentFile])
let agent = startAgent()

const appPassword = join(directory, 'app.password')
writeFileSync(appPassword, `${appUser.password}\n`, { mode: 0o600 })
const pace = { interval: '200ms', timeout: '3s', rise: 1, fall: 2 }
const login = { type: 'mysql', user: appUser.user, password_file: appPassword, ...pace }
const checks: Readonly<Record<string, object>> = {
  greeting: { type: 'mysql', ...pace },
  login: { ...login, query: 'SELECT 1' },
  table: { ...login, query: `SELECT COUNT(*) FROM ${appUser.database}.t` },
  icmp: { type: 'icmp', ...pace },
  // A shell and a client for each answer: that takes its time on a busy host.
  script: { type: 'http', port: scriptPort, ...pace, timeout: '20s' },
  agent: { type: 'http', port: agentPort, ...pace },
  all: [
    { type: 'icmp', ...pace },
    { type: 'tcp', ...pace },
    { type: 'http', port: agentPort, ...pace },
  ],
}
const names = Object.keys(checks)
const ports = new Map(names.map((name, i) => [name, 4001 + i]))
const place = { directory: lab.directory, spawn: lb.spawn }
const ours = await startOurs(
  place,
  names.map((name) => ({
    name,
    bind: `${lb.address}:${ports.get(name)}`,
    check: checks[name],
    observe: { enabled: false },
    servers: [{ name: 'db', address: `${db.address}:3306` }],
  })),
  ports,
)
const theirs = (name: string, option: string, check: string): string => `listen ${name}
  bind ${lb.address}:${(ports.get(name) ?? 0) + 100}
  option ${option}
  timeout check 20s
  server db ${db.address}:3306 check ${check} inter 200 rise 1 fall 2`
const haproxy = await startHaproxy(
  place,
  [
    theirs('greeting', 'mysql-check', ''),
    theirs('script', 'httpchk GET /', `port ${scriptPort}`),
    theirs('agent', 'httpchk GET /', `port ${agentPort}`),
  ],
  ports,
)
const inHaproxy = new Set(['greeting', 'script', 'agent'])

/** Waits until every side that has the check says so; ours for the given reason. */
const sees = async (name: string, state: 'UP' | 'DOWN', reason?: string): Promise<string> => {
  const sides: readonly Side[] = inHaproxy.has(name) ? [haproxy, ours] : [ours]
  for (const side of sides) {
    await waitFor(`${name} ${state} on ${side.name}`, async () => (await side.states(name))['db'] === state)
  }
  const last = await waitFor(`the reason ${reason} of ${name}`, async () => {
    const check = (await ours.show(name)).servers[0]?.last_check
    return reason === undefined || check?.reason === reason ? check : null
  })
  return `${last.status} ${last.reason}: ${last.text}`
}

await t.test('everything is up, on both sides', async (t) => {
  for (const name of names) t.match(await sees(name, 'UP'), /^L[347]OK ok: /, name)
})

await t.test('the words of each check say what it saw', async (t) => {
  t.match(await sees('greeting', 'UP'), /MariaDB/)
  t.match(await sees('icmp', 'UP'), /^L3OK ok: the host answers/)
  t.match(await sees('agent', 'UP'), /the node is synced and answers/)
  t.match((await ours.show('agent')).servers, [{ role: 'primary' }])
})

await t.test('the malformed answer of the classic script counts by its status line, every time', async (t) => {
  const count = 150
  const failures: string[] = []
  for (let i = 0; i < count; i += 1) {
    const [one] = (await ours.show('script')).servers
    if (one?.status !== 'UP') failures.push(JSON.stringify(one))
    await sleep(20)
  }
  t.same(failures, [], 'it stays UP, not even UP 1/2')
  writeFileSync(script.forceFailFile, '')
  t.match(await sees('script', 'DOWN', 'http-status'), /^L7STS http-status: HTTP status 503/)
  rmSync(script.forceFailFile)
  await sees('script', 'UP')
})

await t.test('the force-fail file of the agent acts at once and its text is the reason', async (t) => {
  writeFileSync(agentForceFail, 'upgrade until 03:00\n')
  t.match(await sees('agent', 'DOWN', 'force-fail'), /^L7STS force-fail: upgrade until 03:00/)
  t.match(await sees('all', 'DOWN', 'force-fail'), /upgrade/, 'one of several checks is enough')
  rmSync(agentForceFail)
  await sees('agent', 'UP')
  await sees('all', 'UP')
})

await t.test('a full connection table (1040) has a reason of its own', async (t) => {
  // Root takes the one place more than max_connections, too: until then greetings are still given. A check that has a place
  // leaves it at any moment, so each place that becomes free is taken at once for as long as this lasts.
  const open: Awaited<ReturnType<typeof createConnection>>[] = []
  let isOver = false
  const fill = async (): Promise<void> => {
    while (!isOver) {
      try {
        open.push(await createConnection({ socketPath: server.socket, user: 'root' }))
      } catch {
        await sleep(50)
      }
    }
  }
  const filling = fill()
  try {
    t.match(await sees('greeting', 'DOWN', 'too-many-connections'), /^L7STS too-many-connections: error 1040: /)
    t.match(await sees('login', 'DOWN', 'too-many-connections'), /error 1040: /)
  } finally {
    isOver = true
    await filling
    for (const connection of open) connection.destroy()
  }
  await sees('greeting', 'UP')
  await sees('login', 'UP')
})

await t.test('a Galera node that takes no queries (1047): only a query on a table and the agent see it', async (t) => {
  await server.query('SET GLOBAL wsrep_reject_queries=ALL')
  t.match(await sees('table', 'DOWN', 'not-ready'), /^L7STS not-ready: error 1047: /)
  t.match(await sees('agent', 'DOWN', 'rejecting-queries'), /rejecting-queries/)
  await sees('greeting', 'UP')
  await server.query('SET GLOBAL wsrep_reject_queries=NONE')
  await sees('table', 'UP')
  await sees('agent', 'UP')
})

await t.test('a dead agent, a stopped server, a dead host: each in its own words', async (t) => {
  await agent.kill()
  t.match(await sees('agent', 'DOWN', 'agent-refused'), /^L4CON agent-refused: nothing listens on port 9222/)
  agent = startAgent()
  await sees('agent', 'UP')
  await server.stop()
  t.match(
    await sees('greeting', 'DOWN', 'connection-refused'),
    /^L4CON connection-refused: nothing listens on port 3306/,
  )
  t.match(await sees('all', 'DOWN'), /^L(4CON|7STS)/)
  t.match(await sees('icmp', 'UP'), /^L3OK/)
  await db.cutLink()
  t.match(await sees('icmp', 'DOWN'), /^L3(TOUT|CON)/)
  // It was down before, because of its server.
  const away = async (): Promise<boolean> =>
    /^(L4(TOUT|CON)|L7TOUT|SOCKERR)$/.test((await ours.show('agent')).servers[0]?.last_check?.status ?? '')
  t.ok(await waitFor('the agent to be away', away))
})
