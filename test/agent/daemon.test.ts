import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { parseHealthReport } from '../../shared/health-report.ts'
import { createLab } from '../lab/lab.ts'
import { freePort, startMariaDb } from '../lab/mariadb.ts'
import { checkUser } from '../lab/mariadb-files.ts'
import { agentProgram } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'agent-daemon' })
t.teardown(lab.destroy)

const { user, password } = checkUser
const db = await startMariaDb({ lab, name: 'db1' })

const file = (name: string) => join(lab.directory, name)
writeFileSync(file('password'), `${password}\n`)
chmodSync(file('password'), 0o600)

let runs = 0
/** A server that answers late on a busy machine is none that hangs, unless that is what is asked. */
const configure = (port: number, more = '', timeout = '10s'): string => {
  runs += 1
  const path = file(`agent${runs}.yaml`)
  writeFileSync(
    path,
    `listen: { address: 127.0.0.1, port: ${port} }
mysql: { socket: ${db.socket}, client_address: none, user: ${user}, password_file: ${file('password')} }
check: { timeout: ${timeout}, interval: 200ms, max_age: 100ms }
force_fail_file: ${file('proxyoff')}
lasting_force_fail_file: ${file('lasting')}
${more}`,
  )
  return path
}
/** Runs a command of the agent to its end. */
const agent = async (...args: readonly string[]) => {
  runs += 1
  const started = lab.spawn(`agent${runs}`, process.execPath, [agentProgram, ...args])
  const { code } = await started.exited
  return { code, output: () => started.lines().join('\n') }
}
const start = async (config: string) => {
  runs += 1
  const daemon = lab.spawn(`agent${runs}`, process.execPath, [agentProgram, 'run', '--config', config])
  await daemon.waitForOutput(/Started, listening on/)
  return daemon
}
const get = async (port: number, path = '/') => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { Connection: 'close' } })
  return { status: response.status, reason: response.headers.get('mysqlchk-reason'), text: await response.text() }
}

t.test('the daemon follows its server down and up, and says so once each', async (t) => {
  const port = await freePort()
  const daemon = await start(configure(port))
  t.same(await get(port), { status: 200, reason: 'ok; the check query answers', text: 'MySQL is running.\r\n' })
  await db.stop()
  // A check while the server ends finds its connection closed; the next one finds no server.
  await waitFor('no server', async () => /^connection-refused; connect ENOENT/.test((await get(port)).reason ?? ''))
  const down = await get(port)
  t.equal(down.status, 503)
  t.match(down.text, /^MySQL is \*down\*\.\r\nconnection-refused: connect ENOENT .*Is the server up\?.*\r\n$/)
  await db.start()
  await waitFor('200', async () => (await get(port)).status === 200)

  const changes = () =>
    daemon.lines().flatMap((line) => line.match(/Node is (UP|DOWN, reason: connection-refused)/)?.[1] ?? [])
  await waitFor('the last line', () => changes().length >= 3)
  t.same(changes(), ['UP', 'DOWN, reason: connection-refused', 'UP'])
  t.match(parseHealthReport((await get(port, '/status')).text), {
    ok: true,
    report: { verdict: 'pass', mode: 'ping', role: 'primary', writable: true },
  })
  t.notMatch(daemon.lines().join('\n'), password)
  t.same(await daemon.stop(), { code: 0, signal: null })
  t.match(daemon.lines().at(-1), /"msg":"Stopped"/)
  await waitFor('no connection left', async () => {
    const rows = await db.query(`SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '${user}'`)
    return rows.length === 0
  })
})

t.test('a hung server is answered 503 and heals without a restart of the agent', async (t) => {
  const port = await freePort()
  const daemon = await start(configure(port, '', '500ms'))
  await waitFor('200', async () => (await get(port)).status === 200)
  db.process().signal('SIGSTOP')
  await waitFor('503', async () => (await get(port)).status === 503)
  await waitFor('the timeout', async () => /^timeout; no answer within 500 ms/.test((await get(port)).reason ?? ''))
  t.equal((await get(port, '/liveness')).status, 200)
  db.process().signal('SIGCONT')
  await waitFor('200', async () => (await get(port)).status === 200)
  db.process().signal('SIGSTOP')
  await waitFor('503', async () => (await get(port)).status === 503)
  daemon.signal('SIGINT')
  t.same(await daemon.exited, { code: 0, signal: null })
  t.match(daemon.lines().at(-1), /"msg":"Stopped"/, 'a stop is not taken for a failure of the server')
  db.process().signal('SIGCONT')
})

t.test('many requests at once share one probe', async (t) => {
  const port = await freePort()
  const daemon = await start(configure(port))
  const count = async () => Number((await db.query("SHOW GLOBAL STATUS LIKE 'Com_select'"))[0]?.['Value'])
  const before = await count()
  const answers = await Promise.all(Array.from({ length: 60 }, () => get(port)))
  const probes = (await count()) - before
  t.ok(answers.every(({ status }) => status === 200))
  t.ok(probes < answers.length / 2, `${probes} probes for ${answers.length} requests`)
  await daemon.stop()
})

t.test('fail takes the node out at the next request, pass brings it back', async (t) => {
  const port = await freePort()
  const config = configure(port)
  const daemon = await start(config)
  const failed = await agent('fail', '--config', config, 'disk', 'is', 'replaced')
  t.equal(failed.code, 0)
  t.match(failed.output(), `Created ${file('proxyoff')}.`)
  t.equal(readFileSync(file('proxyoff'), 'utf8'), 'disk is replaced\n')
  t.match(await get(port), { status: 503, reason: 'force-fail; disk is replaced' })
  t.equal((await get(port, '/?maintenance=404')).status, 404)
  await daemon.waitForOutput(/Node is DOWN, reason: force-fail: disk is replaced/)

  const passed = await agent('pass', '--config', config)
  t.equal(passed.code, 0)
  t.match(passed.output(), `Removed ${file('proxyoff')}.`)
  t.notOk(existsSync(file('proxyoff')))
  t.equal((await get(port)).status, 200)
  t.match((await agent('pass', '--config', config)).output(), /There was no /)
  t.match((await agent('fail', '--lasting', '--config', config, 'new disk')).output(), `Created ${file('lasting')}.`)
  t.match(await get(port), { status: 503, reason: 'force-fail; new disk' })
  t.match((await agent('pass', '--config', config)).output(), `Removed ${file('lasting')}.`)
  t.equal((await get(port)).status, 200)
  writeFileSync(file('proxyoff'), '')
  t.match(await get(port), { status: 503, reason: `force-fail; ${file('proxyoff')} exists` })
  await agent('pass', '--config', config)
  await daemon.stop()
})

t.test('once prints the answer and tells by its exit status', async (t) => {
  const config = configure(await freePort())
  const up = await agent('once', '--config', config)
  t.equal(up.code, 0)
  t.match(up.output(), /^HTTP\/1\.1 200 OK\n[\s\S]*Mysqlchk-Reason: ok; [\s\S]*\n\nMySQL is running\.$/)
  const json = await agent('once', '--json', '--config', config)
  t.match(parseHealthReport(json.output()), { ok: true, report: { verdict: 'pass' } })

  t.match(await agent('check', '--login', '--config', config), { code: 0 })
  writeFileSync(file('wrong'), 'not the password')
  chmodSync(file('wrong'), 0o600)
  const other = configure(await freePort())
  writeFileSync(other, readFileSync(other, 'utf8').replace(file('password'), file('wrong')))
  const denied = await agent('once', '--config', other)
  t.equal(denied.code, 1)
  t.match(denied.output(), /^HTTP\/1\.1 503 [\s\S]*access-denied: error 1045: .*Compare its grants/)
  t.notMatch(denied.output(), 'not the password')
  const login = await agent('check', '--login', '--config', other)
  t.equal(login.code, 1)
  t.match(login.output(), /is valid[\s\S]*The login does not work: access-denied: error 1045: .*The server said: /)
})

t.test('what the daemon cannot start with is one clear line', async (t) => {
  const port = await freePort()
  const taken = await new Promise<Server>((resolve) => {
    const server = createServer().listen(port, '127.0.0.1', () => resolve(server))
  })
  const busy = await agent('--config', configure(port))
  t.equal(busy.code, 1)
  t.match(busy.output(), `mysqlchk-agent: cannot listen on 127.0.0.1:${port}: another program has that port.`)
  taken.close()

  const elsewhere = configure(port)
  writeFileSync(elsewhere, readFileSync(elsewhere, 'utf8').replace('address: 127.0.0.1', 'address: 198.18.255.254'))
  const foreign = await agent('--config', elsewhere)
  t.equal(foreign.code, 1)
  t.match(foreign.output(), /cannot listen on 198\.18\.255\.254:\d+: this host does not have that address\./)

  const bad = await agent('run', '--config', configure(port, 'check: {}\nrespnse: {}'))
  t.equal(bad.code, 78)
  t.match(bad.output(), /agent\d+\.yaml:6:1: \(YAML\): Map keys must be unique/)
  t.equal((await agent('rnu')).code, 64)
})
