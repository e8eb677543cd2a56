// The shipped unit under a real systemd, set up with the commands of agent/README.md.

import { cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseHealthReport } from '../../shared/health-report.ts'
import { checkUser } from '../lab/mariadb-files.ts'
import { standInFile, standInScript, standInService } from '../lab/stand-in-script.ts'
import { waitFor } from '../lab/wait-for.ts'
import { bootAgentHost, checkout, unit } from './agent-host.ts'

t.setTimeout(600_000)
const { lab, host, server, db1, journal, systemctl } = await bootAgentHost('e2e-agent-systemd')
t.teardown(() => lab.destroy())
await server.query(`CREATE USER '${checkUser.user}'@'${host.address}' IDENTIFIED BY '${checkUser.password}'`)
const show = (property: string) => db1.property(unit, property)
const logged = (pattern: RegExp) => waitFor(`${pattern} in the journal`, async () => pattern.test(await journal()))

const agentFile = db1.path('/etc/mysqlchk-agent/agent.yaml')
const configure = (port: number, more = ''): void =>
  writeFileSync(
    agentFile,
    `listen: { port: ${port} }
mysql: { socket: /run/mysqld/mysqld.sock, user: ${checkUser.user}, password_credential: password }
check: { timeout: 5s, interval: 200ms, max_age: 100ms }
${more}
`,
  )
/** One request: the status, and the reason of the answer. */
const ask = async (port: number, path = '/'): Promise<string> => {
  const { stdout } = await host.run('curl', ['-sS', '-i', '-m', '30', `http://${host.address}:${port}${path}`])
  const status = stdout.match(/^HTTP\/1\.1 (\d+)/)?.[1] ?? 'no answer'
  const reason = stdout.match(/^Mysqlchk-Reason: (.*)\r$/im)?.[1]
  return reason === undefined ? status : `${status} ${reason}`
}
const healthy = '200 ok; the check query answers'
const xinetd = (isDisabled: boolean): void =>
  writeFileSync(db1.path('/etc/xinetd.d/mysqlchk'), standInService(isDisabled))
/** A fault for the tests: on SIGUSR2 the agent's deadlines never come. In the manager's environment, not in the unit. */
const fault = "process.on('SIGUSR2',()=>{globalThis.setTimeout=()=>({unref(){}})})"

await t.test('the commands of agent/README.md set a database host up', async (t) => {
  const readme = readFileSync(new URL('../../../agent/README.md', import.meta.url), 'utf8')
  const commands = readme.match(/ as a service[^`]*`[\s\S]*?```\n([\s\S]*?)```/m)?.[1] ?? ''
  t.match(commands, /mysqlchk-agent\.service/)
  for (const file of ['xinetd.conf', 'default/xinetd', 'init.d/xinetd', 'protocols', 'services']) {
    if (existsSync(`/etc/${file}`)) cpSync(`/etc/${file}`, db1.path(`/etc/${file}`))
  }
  mkdirSync(db1.path('/etc/xinetd.d'))
  mkdirSync(db1.path('/usr/local/bin'), { recursive: true })
  writeFileSync(db1.path(standInFile), standInScript, { mode: 0o755 })
  xinetd(false)
  await db1.mustRun('sh', ['-e', '-c', commands], { input: `${checkUser.password}\n` })
  const { stdout, stderr } = await db1.run('systemd-analyze', ['verify', '--man=no', `/etc/systemd/system/${unit}`])
  t.notMatch(stdout + stderr, unit, 'systemd understands every line of the unit')
  const password = statSync(db1.path('/etc/mysqlchk-agent/password'))
  t.same([password.uid, password.mode & 0o777], [0, 0o600], 'root alone reads the password')
  configure(9223)
  t.match(await db1.mustRun('mysqlchk-agent', ['check']), /the configuration is valid/)
  await systemctl('start', 'xinetd')
  t.ok(await waitFor('xinetd to answer', async () => (await ask(9222)) === '200'))
})

await t.test('enable --now returns when the agent answers, and systemctl shows the state', async (t) => {
  t.equal(await ask(9223), 'no answer')
  await systemctl('set-environment', `NODE_OPTIONS=--import=data:text/javascript,${fault}`)
  await systemctl('enable', '--now', 'mysqlchk-agent')
  t.equal(await ask(9223), healthy, 'the first request after the start')
  t.equal(await show('UnitFileState'), 'enabled')
  t.equal(await show('ActiveState'), 'active')
  const text = 'Node is UP, ok: the check query answers'
  t.ok(await waitFor('the status text', async () => (await show('StatusText')) === text))
})

await t.test('it runs as a user of its own without any right', async (t) => {
  const pid = await show('MainPID')
  const status = await db1.mustRun('cat', [`/proc/${pid}/status`])
  const uid = Number(status.match(/^Uid:\s(\d+)/m)?.[1])
  t.ok(uid >= 61184 && uid <= 65519, `${uid} is a dynamic user`)
  t.notMatch(readFileSync(db1.path('/etc/passwd'), 'utf8'), /^mysqlchk:/m)
  t.match(status, /^CapEff:\s0+$/m)
  t.match(status, /^CapBnd:\s0+$/m)
  t.match(status, /^NoNewPrivs:\s1$/m)
  t.match(status, /^Seccomp:\s2$/m)
  t.match(await db1.mustRun('cat', [`/proc/${pid}/mountinfo`]), /^\S+ \S+ \S+ \/ \/ ro[, ]/m, 'it can write nowhere')
  const exposure = (await db1.mustRun('systemd-analyze', ['security', unit])).match(/exposure level .*: (\d+\.\d)/)
  t.ok(Number(exposure?.[1]) <= 2, `systemd's figure for what it could do is ${exposure?.[1]} of 10`)
})

await t.test('under its unit it logs in where clients come in, and sees when they do not', async (t) => {
  const seen = async (): Promise<unknown> => {
    const { stdout } = await host.run('curl', ['-sS', `http://${host.address}:9223/status`])
    const report = parseHealthReport(stdout)
    return report.ok ? report.report.facts['client_address'] : report.reason
  }
  const place = `${host.address}:3306`
  t.equal(await seen(), `${place} lets the check user in`)
  const rule =
    'table inet closed { chain input { type filter hook input priority 0; tcp dport 3306 reject with tcp reset; }; }'
  await host.run('nft', [rule])
  const refused = `503 closed-to-clients; ${place}: connect ECONNREFUSED`
  t.ok(await waitFor('a closed door', async () => (await ask(9223)).startsWith(refused)))
  await host.run('nft', ['delete table inet closed'])
  t.ok(await waitFor('an open door', async () => (await ask(9223)) === healthy))
  t.equal(await seen(), `${place} lets the check user in`)
})

await t.test('fail and pass of root are seen at once, whatever the umask, and outlast a restart', async (t) => {
  const command = 'umask 077 && mysqlchk-agent fail --for 1h "upgrade to 11.4"'
  t.match(await db1.mustRun('sh', ['-c', command]), /^Created \/dev\/shm\/proxyoff\./)
  t.match(await ask(9223), /^503 force-fail; upgrade to 11\.4 \(until 2\d{3}-.*Z\)$/)
  await systemctl('restart', unit)
  t.match(await ask(9223), /^503 force-fail; upgrade to 11\.4/)
  t.match(await db1.mustRun('mysqlchk-agent', ['pass']), /^Removed /)
  t.notOk(existsSync(db1.path('/dev/shm/proxyoff')))
  t.equal(await ask(9223), healthy)
})

await t.test('the port changes hands with xinetd by systemctl reload, in the steps of agent/README.md', async (t) => {
  const pid = await show('MainPID')
  configure(9222)
  await systemctl('reload', unit)
  await logged(/Not reloaded, the old configuration stays: cannot listen on 0\.0\.0\.0:9222/)
  t.same([await ask(9222), await ask(9223)], ['200', healthy], 'both answer')

  xinetd(true)
  await systemctl('reload', 'xinetd')
  await waitFor('xinetd to leave the port', async () => (await ask(9222)) === 'no answer')
  await systemctl('reload', unit)
  t.ok(await waitFor('the agent on port 9222', async () => (await ask(9222)) === healthy))
  t.equal(await ask(9223), 'no answer')

  configure(9222, 'respnse: {}')
  await systemctl('reload', unit)
  await logged(/unknown key; did you mean response\?/)
  t.ok(await waitFor('the reload to be over', async () => (await show('ActiveState')) === 'active'))
  t.equal(await ask(9222), healthy, 'a mistake changes nothing')
  t.equal(await show('MainPID'), pid, 'it is the same process')
  configure(9222)
})

const fedAt = async (): Promise<number> => Number(await show('WatchdogTimestampMonotonic'))
/** Waits until systemd has started the unit once more, and answers with the journal since. */
const restarted = async (times: number): Promise<string> => {
  const known = (await journal()).length
  await waitFor('the restart', async () => Number(await show('NRestarts')) === times)
  await waitFor('the unit to be active', async () => (await show('ActiveState')) === 'active')
  return (await journal()).slice(known)
}
const killedByWatchdog = /Watchdog timeout[\s\S]*code=(killed|dumped), status=6\/ABRT/

await t.test('the watchdog is fed while probes end, and ends a process that does not turn', async (t) => {
  const before = await fedAt()
  t.ok(await waitFor('the watchdog to be fed', async () => (await fedAt()) > before))
  t.equal(await show('NRestarts'), '0')
  const pid = await show('MainPID')
  await systemctl('kill', '--signal=STOP', unit)
  t.match(await restarted(1), killedByWatchdog)
  t.not(await show('MainPID'), pid)
  t.equal(await ask(9222), healthy)
})

await t.test('the watchdog ends a process whose probes hang, though its loop turns', async (t) => {
  await systemctl('kill', '--signal=USR2', unit)
  server.process().stall()
  const restart = restarted(2)
  t.match(await ask(9222, '/liveness'), /^200/)
  t.match(await restart, killedByWatchdog)
  t.ok(
    await waitFor('the new one to tell of the server that hangs', async () => /^503 timeout; /.test(await ask(9222))),
  )
  server.process().resume()
  t.ok(await waitFor('the server to answer', async () => (await ask(9222)) === healthy))
})

await t.test(
  'the unit of direct return has one right, and leaves the address alone unless an operator stops it',
  async (t) => {
    const [name, address] = ['mysqlchk-agent-direct-return', '198.18.0.100']
    cpSync(join(checkout, `packaging/agent/${name}.service`), db1.path(`/etc/systemd/system/${name}.service`))
    // This host cannot write below /proc/sys.
    await host.run('sysctl', ['-qw', 'net.ipv4.conf.eth0.arp_ignore=1', 'net.ipv4.conf.eth0.arp_announce=2'])
    configure(9222, `direct_return: [{ address: ${address}, port: 3366 }]`)
    await systemctl('daemon-reload')
    await systemctl('reload-or-restart', unit)
    const told = async () => {
      const { stdout } = await host.run('curl', ['-sS', `http://${host.address}:9222/status`])
      const parsed = parseHealthReport(stdout)
      return parsed.ok ? parsed.report.direct_return?.[0] : undefined
    }
    t.ok(
      await waitFor('the advice', async () =>
        (await told())?.missing[0]?.includes(`run systemctl enable --now ${name}`),
      ),
    )
    t.match(
      (await host.run('curl', ['-sS', `http://${host.address}:9222/`])).stdout,
      /^MySQL is running\.\r\nWarning: not prepared/,
    )

    const stream = host.spawn('stream', 'curl', ['-sSN', `http://${host.address}:9222/watch`])
    await stream.waitForOutput(/"ready":false/)
    await systemctl('enable', '--now', name)
    t.ok(await stream.waitForOutput(/"ready":true/), 'who watches hears of it')
    await stream.stop()
    t.ok(await waitFor('the agent to tell it', async () => (await told())?.ready))
    t.match(await db1.property(name, 'StatusText'), `Prepared: ${address} port 3366`)
    const process = await db1.mustRun('cat', [`/proc/${await db1.property(name, 'MainPID')}/status`])
    t.match(process, /^CapEff:\s0+1000$/m, 'CAP_NET_ADMIN alone')
    t.match(process, /^CapBnd:\s0+1000$/m)
    t.ok((await told())?.connections)

    const monitor = host.spawn('monitor', 'ip', ['monitor', 'address'])
    const rules = async () => (await host.run('nft', ['list', 'tables'])).stdout
    const before = await db1.property(name, 'MainPID')
    await systemctl('restart', name)
    await systemctl('reload', name)
    const restarted = await db1.property(name, 'MainPID')
    t.not(restarted, before)
    await systemctl('kill', '--signal=KILL', name)
    await waitFor('another process', async () => {
      const now = await db1.property(name, 'MainPID')
      return !['0', restarted].includes(now) && (await db1.property(name, 'ActiveState')) === 'active'
    })
    t.ok((await told())?.ready)
    t.match(await journal(name), /Stopped, everything stays in place \(restart\)/)
    t.notMatch(monitor.lines().join('\n'), address, 'the address has not left for a moment')
    t.match(await rules(), /direct_return/)

    await systemctl('disable', '--now', name)
    t.match(await journal(name), /Stopped, this host is as it was/)
    t.ok(
      await waitFor('the address to go', () => monitor.lines().some((line) => /^Deleted .*198\.18\.0\.100/.test(line))),
    )
    t.notMatch(await rules(), /direct_return/)
    t.match(await waitFor('the agent to notice', async () => (await told())?.missing[0]), /nothing is prepared here/)
    configure(9222)
  },
)

await t.test('a stop is clean', async (t) => {
  await systemctl('stop', unit)
  t.match(await journal(), /"Stopping on SIGTERM"[\s\S]*"Stopped"[\s\S]*Deactivated successfully/)
  t.same([await show('ActiveState'), await show('Result'), await show('ExecMainStatus')], ['inactive', 'success', '0'])
  t.equal(await ask(9222), 'no answer')
})

await t.test('a start with a wrong configuration fails once and for all, and says why', async (t) => {
  configure(9222, 'respnse: {}')
  t.not((await db1.run('systemctl', ['start', unit])).code, 0)
  t.same(
    [await show('ActiveState'), await show('SubState'), await show('ExecMainStatus'), await show('NRestarts')],
    ['failed', 'failed', '78', '0'],
  )
  t.match(await journal(), /\/etc\/mysqlchk-agent\/agent\.yaml:4:1: respnse: unknown key; did you mean response\?/)
  configure(9222)
  await systemctl('start', unit)
  t.equal(await ask(9222), healthy)
})
