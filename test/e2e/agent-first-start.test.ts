// The shipped units and the shipped agent.yaml on a host where nobody has set anything up yet, under a real systemd.

import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkUser } from '../lab/mariadb-files.ts'
import { waitFor } from '../lab/wait-for.ts'
import { bootAgentHost, checkout, checkoutInside, unit } from './agent-host.ts'

t.setTimeout(600_000)
const { lab, host, server, db1, journal, systemctl } = await bootAgentHost('e2e-agent-first-start')
t.teardown(() => lab.destroy())
for (const from of ['localhost', '127.0.0.1']) await server.query(`DROP USER '${checkUser.user}'@'${from}'`)

const instance = 'mysqlchk-agent@3307.service'
const etc = (name: string): string => db1.path(join('/etc/mysqlchk-agent', name))
const shipped = (name: string): string => join(checkout, 'packaging/agent', name)
const statusOf = (of = unit) => db1.property(of, 'StatusText')
const untilStatus = (wanted: string, of = unit): Promise<boolean> =>
  waitFor(`the status "${wanted}"`, async () => {
    const seen = await statusOf(of)
    if (seen === wanted) return true
    throw new Error(`it is "${seen}"`)
  })
const ask = async (port = 9222): Promise<string> =>
  (await host.run('curl', ['-sS', '-m', '30', `http://${host.address}:${port}/`])).stdout
const up = 'MySQL is running.\r\n'

// As the package does it.
mkdirSync(etc(''))
copyFileSync(shipped('agent.yaml'), etc('agent.yaml'))
for (const name of ['mysqlchk-agent.service', 'mysqlchk-agent@.service']) {
  copyFileSync(shipped(name), db1.path(join('/etc/systemd/system', name)))
}
const launcher = `#!/bin/sh\nexec node ${checkoutInside}/dist/agent/main.js "$@"\n`
writeFileSync(db1.path('/usr/bin/mysqlchk-agent'), launcher, { mode: 0o755 })
await systemctl('daemon-reload')

const xinetdFile = `service mysqlchk
{
  type = UNLISTED
  socket_type = stream
  protocol = tcp
  port = 9222
  wait = no
  user = root
  server = /bin/echo
  server_args = the script
}
`
const sentence = 'no check user is set up; run as root: mysqlchk-agent setup-user --apply'
const taken =
  'cannot listen on 0.0.0.0:9222: /etc/xinetd.d/mysqlchk gives that port to xinetd. Write disable = yes there, then: systemctl reload xinetd'

await t.test('a start beside xinetd: active, says who has the port, and listens when xinetd has left it', async (t) => {
  mkdirSync(db1.path('/etc/xinetd.d'))
  writeFileSync(db1.path('/etc/xinetd.d/mysqlchk'), xinetdFile)
  const conf = join(lab.directory, 'xinetd.conf')
  writeFileSync(conf, xinetdFile)
  const xinetd = host.spawn('xinetd', 'xinetd', ['-dontfork', '-f', conf])
  await waitFor(
    'xinetd',
    async () =>
      (await host.run('curl', ['-sS', '--http0.9', `http://${host.address}:9222/`])).stdout === 'the script\n',
  )

  await systemctl('enable', '--now', unit)
  t.equal(await db1.property(unit, 'ActiveState'), 'active')
  t.ok(await untilStatus(`${taken}. Node is DOWN, not-set-up: ${sentence}`))
  await systemctl('reload', unit)
  await waitFor('the reload', async () => /Reloaded, the new configuration is in use/.test(await journal()))
  const said = await journal()
  t.equal(said.split('The agent waits for the port').length, 2, 'told once, however often it was tried')
  t.match(said, /Started, waiting for 0\.0\.0\.0:9222/)

  await xinetd.stop(5000)
  t.ok(await waitFor('the agent on the port', async () => /is \*down\*/.test(await ask())))
  t.ok(await untilStatus(`Node is DOWN, not-set-up: ${sentence}`))
  t.match(await journal(), /The port is free: listening there now/)
})

await t.test('without a check user it is active, and says everywhere in one sentence what to do', async (t) => {
  t.equal(await ask(), `MySQL is *down*.\r\nnot-set-up: ${sentence}. More of it: man mysqlchk-agent, FIRST START.\r\n`)
  t.ok(await untilStatus(`Node is DOWN, not-set-up: ${sentence}`))
  t.equal(await db1.property(unit, 'NRestarts'), '0')
  const byHand = await db1.run('mysqlchk-agent', ['once'])
  t.equal(byHand.code, 78)
  t.match(byHand.stderr, `/etc/mysqlchk-agent/password does not exist; create it, or correct the path; ${sentence}`)
})

await t.test('setup-user --apply makes the user, and the running agent takes the password', async (t) => {
  const said = await db1.mustRun('mysqlchk-agent', ['setup-user', '--apply'])
  t.match(said, /Wrote \/etc\/mysqlchk-agent\/password, for root alone: a password made at random\./)
  t.match(said, /The login works at \/run\/mysqld\/mysqld\.sock and at 198\.18\.0\.11:3306, where clients come in\./)
  t.match(said, /Restarted mysqlchk-agent\.service: it has the password now\./)
  t.same([statSync(etc('password')).mode & 0o777, statSync(etc('password')).uid], [0o600, 0])
  t.ok(await waitFor('the node to be up', async () => (await ask()) === up))
  t.ok(await untilStatus('Node is UP, ok: the check query answers'))
  t.notMatch((await journal()) + said, readFileSync(etc('password'), 'utf8').trim(), 'the password is shown nowhere')

  const pid = await db1.property(unit, 'MainPID')
  t.match(await db1.mustRun('mysqlchk-agent', ['setup-user', '--apply']), /there already[\s\S]*has the password\./)
  t.equal(await db1.property(unit, 'MainPID'), pid, 'once more changes nothing')
  // By hand, on a host that may have no time for a probe at once.
  const untilSaid = (words: readonly string[], pattern: RegExp): Promise<boolean> =>
    waitFor(`${words.join(' ')} to say ${pattern}`, async () =>
      pattern.test((await db1.run('mysqlchk-agent', words)).stdout),
    )
  t.ok(await untilSaid(['check', '--login'], /The login works\. The node is up/))
  t.ok(await untilSaid(['once'], /^HTTP\/1\.1 200/))
})

await t.test(
  'a start with a file that is missing, empty or wrong fails once, and systemctl status says why',
  async (t) => {
    const whole = readFileSync(etc('agent.yaml'), 'utf8')
    const cases: readonly (readonly [string | null, string])[] = [
      [null, 'agent.yaml:1:1: (file): /etc/mysqlchk-agent/agent.yaml does not exist; create it, or correct the path'],
      ['', 'agent.yaml:1:1: (YAML): the file says nothing; write {} where the defaults are all that is wanted'],
      ['respnse: {}\nmysql: { port: 1 }\n', 'agent.yaml:1:1: respnse: unknown key; did you mean response?'],
    ]
    for (const [text, wanted] of cases) {
      if (text === null) rmSync(etc('agent.yaml'))
      else writeFileSync(etc('agent.yaml'), text)
      t.not((await db1.run('systemctl', ['restart', unit])).code, 0)
      const properties = ['ActiveState', 'ExecMainStatus', 'NRestarts']
      t.same(await Promise.all(properties.map((name) => db1.property(unit, name))), ['failed', '78', '0'], wanted)
      t.match(await statusOf(), `Not started: /etc/mysqlchk-agent/${wanted}`)
      t.match(
        (await db1.run('systemctl', ['status', unit])).stdout,
        `Status: "Not started: /etc/mysqlchk-agent/${wanted}`,
      )
    }
    t.match(await statusOf(), /\(2 problems; mysqlchk-agent check lists them\)$/)
    writeFileSync(etc('agent.yaml'), whole)
    await systemctl('start', unit)
    t.equal(await ask(), up)
  },
)

await t.test('a second agent on the host is set up in the same way, and one that is killed comes back', async (t) => {
  const own = 'listen: { port: 9307 }\nforce_fail_file: /dev/shm/proxyoff-3307\n'
  writeFileSync(etc('3307.yaml'), `${own}mysql: { user: chk3307, password_credential: password }\n`)
  await systemctl('enable', '--now', instance)
  t.match(await ask(9307), `${sentence} --config /etc/mysqlchk-agent/3307.yaml`)
  const words = ['setup-user', '--apply', '--config', '/etc/mysqlchk-agent/3307.yaml']
  t.match(await db1.mustRun('mysqlchk-agent', words), `Restarted ${instance}`)
  t.equal(statSync(etc('3307.password')).mode & 0o777, 0o600)
  t.ok(await waitFor('the second agent', async () => (await ask(9307)) === up))
  for (const [one, port] of [
    [unit, 9222],
    [instance, 9307],
  ] as const) {
    await systemctl('kill', '--signal=KILL', one)
    await waitFor('the restart', async () => (await db1.property(one, 'NRestarts')) === '1')
    t.ok(await waitFor('the answer', async () => (await ask(port)) === up))
  }
})
