// What an operator does to a running agent: reload, take out for a while, watch over it with systemd.

import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { constants } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createLab } from '../lab/lab.ts'
import { freePort, startMariaDb } from '../lab/mariadb.ts'
import { checkUser } from '../lab/mariadb-files.ts'
import { agentProgram } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'
import { dial } from './client.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'agent-operating' })
t.teardown(lab.destroy)
const { user, password } = checkUser
const db = await startMariaDb({ lab, name: 'db1' })

const file = (name: string) => join(lab.directory, name)
const secret = (name: string, text: string): string => {
  writeFileSync(file(name), text)
  chmodSync(file(name), 0o600)
  return file(name)
}
const passwordFile = secret('password', `${password}\n`)
const config = file('agent.yaml')
/** A server that answers late on a busy machine is not what is asked here; that one hangs has to be found out soon. */
const quick = 'check: { timeout: 10s, interval: 200ms, max_age: 100ms }'
const impatient = quick.replace('10s', '500ms')
const login = `mysql: { socket: ${db.socket}, client_address: none, user: ${user}, password_file: ${passwordFile} }`
/** All at once: a reload may read it at any moment. */
const write = (...lines: readonly string[]): void => {
  writeFileSync(`${config}.new`, [`force_fail_file: ${file('proxyoff')}`, ...lines, ''].join('\n'))
  renameSync(`${config}.new`, config)
}
const listen = (port: number, address = '127.0.0.1'): string => `listen: { address: ${address}, port: ${port} }`

let runs = 0
const run = (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
  runs += 1
  return lab.spawn(`agent${runs}`, process.execPath, [agentProgram, ...words, '--config', config], { env })
}
const start = async (env: Readonly<Record<string, string>> = {}) => {
  const daemon = run([], env)
  await daemon.waitForOutput(/Started, listening on/)
  return daemon
}
const finish = async (...words: readonly string[]) => {
  const command = run(words)
  const { code } = await command.exited
  return { code, output: command.lines().join('\n') }
}
const get = async (port: number, path = '/') => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { Connection: 'close' } })
  return { status: response.status, reason: response.headers.get('mysqlchk-reason'), text: await response.text() }
}
const logins = async (): Promise<readonly number[]> =>
  (await db.query(`SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '${user}'`)).map((row) =>
    Number(row['ID']),
  )

/** Whether an agent has a handler of its own for a signal; before its `exec` another program may have one. */
const handles = (pid: number, signal: NodeJS.Signals): boolean => {
  if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(`${process.execPath}\0${agentProgram}`)) return false
  const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
  return ((BigInt(`0x${mask}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n
}

t.test('a reload keeps the listener and its connections where they did not change, and one login', async (t) => {
  const port = await freePort()
  write(listen(port), login, quick)
  const daemon = await start()
  const client = dial(port)
  client.send('GET / HTTP/1.1\r\n\r\n')
  await client.untilText('MySQL is running.\r\n')

  write(listen(port), login, quick, 'response: { body: html }', 'log: { level: debug }')
  daemon.signal('SIGHUP')
  await daemon.waitForOutput(/Reloaded, the new configuration is in use/)
  client.send('GET / HTTP/1.1\r\n\r\n')
  await client.untilText('<html><body>MySQL is running.</body></html>')
  // It learns anew what the server shows the check user, over a login of its own.
  await waitFor('one login', async () => (await logins()).length === 1)

  write(listen(port), login, quick.replace('{', '{ query: SELECT 2, expect: "3",'))
  daemon.signal('SIGHUP')
  const unexpected = 'unexpected-result; the check query answered another value than check.expect'
  await waitFor('the new query', async () => (await get(port)).reason === unexpected)
  t.equal((await get(port)).status, 503)
  t.equal(client.ended(), 'no', 'the connection lives on')
  client.destroy()
  await daemon.stop()
})

t.test('a reload with a mistake leaves everything as it is, and says what is wrong', async (t) => {
  const port = await freePort()
  write(listen(port), login, quick)
  const daemon = await start()
  write(listen(port), login, quick, 'respnse: { body: html }', 'log: { level: loud }')
  daemon.signal('SIGHUP')
  await daemon.waitForOutput(/agent\.yaml:5:1: respnse: unknown key; did you mean response\?/)
  await daemon.waitForOutput(/agent\.yaml:6:15: log\.level: found .*allowed are/)
  await daemon.waitForOutput(/Not reloaded, the old configuration stays: it has 2 problems/)
  t.equal((await get(port)).text, 'MySQL is running.\r\n')

  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const busy = address !== null && typeof address === 'object' ? address.port : 0
  write(listen(await freePort()), login, quick, `agent_check: { address: 127.0.0.1, port: ${busy} }`)
  daemon.signal('SIGHUP')
  await daemon.waitForOutput(/Not reloaded, the old configuration stays: cannot listen on 127\.0\.0\.1:\d+: another/)
  t.equal((await get(port)).status, 200)
  taken.close()
  await daemon.stop()
})

t.test('a reload moves to another port or address', async (t) => {
  const [port, next] = [await freePort(), await freePort()]
  write(listen(port), login, quick)
  const daemon = await start()
  write(listen(next), login, quick)
  daemon.signal('SIGHUP')
  await waitFor('the new port', async () => (await get(next)).status === 200)
  await waitFor('the old port to be closed', () =>
    get(port).then(
      () => false,
      () => true,
    ),
  )

  write(listen(next, '0.0.0.0'), login, quick)
  daemon.signal('SIGHUP')
  await waitFor('two reloads', () => daemon.lines().filter((line) => line.includes('Reloaded,')).length === 2)
  t.equal((await get(next)).status, 200)
  await daemon.stop()
})

t.test(
  'a hangup while the agent starts is a reload, and a storm of them is few reloads and nothing else',
  async (t) => {
    const port = await freePort()
    write(listen(port), login, quick)
    // tap puts a loader into the environment that handles every signal.
    const words = ['-u', 'NODE_OPTIONS', process.execPath, agentProgram, '--config', config]
    const daemon = lab.spawn('hangups', 'env', words)
    // A handler is there before anything is listened on: a signal without one ends the process.
    await waitFor('the handler', () => handles(daemon.pid, 'SIGHUP'))
    daemon.signal('SIGHUP')
    await daemon.waitForOutput(/Reloaded, the new configuration is in use/)
    for (let i = 0; i < 200; i += 1) {
      write(listen(port), login, i % 2 === 0 ? quick : quick.replace('{', '{ query: SELECT 2,'))
      daemon.signal('SIGHUP')
      if (i % 20 === 0) t.equal((await get(port)).status, 200)
    }
    write(listen(port), login, quick, 'response: { body: html }')
    daemon.signal('SIGHUP')
    await waitFor('the last of them', async () => (await get(port)).text.startsWith('<html>'))
    await waitFor('one login', async () => (await logins()).length === 1)
    await daemon.stop()
  },
)

t.test(
  'a reload that asks clients for a certificate from now on does so, and one that does not any more',
  async (t) => {
    const port = await freePort()
    const openssl = async (name: string): Promise<void> => {
      const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
      const names = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1']
      const files = ['-keyout', file(`${name}.key`), '-out', file(`${name}.crt`)]
      const { code } = await lab.spawn(`openssl-${name}`, 'openssl', [...words, ...names, ...files]).exited
      t.equal(code, 0)
      chmodSync(file(`${name}.key`), 0o600)
    }
    for (const name of ['server', 'clients']) await openssl(name)
    const secure = (more = '') =>
      `listen: { address: 127.0.0.1, port: ${port}, tls: { certificate: ${file('server.crt')}, key: ${file('server.key')}${more} } }`
    let calls = 0
    const curl = async (...words: readonly string[]): Promise<string> => {
      calls += 1
      const all = ['-sS', '-m', '20', '--cacert', file('server.crt'), ...words, `https://127.0.0.1:${port}/`]
      const command = lab.spawn(`curl${calls}`, 'curl', all)
      const { code } = await command.exited
      return code === 0 ? command.lines().join('') : 'refused'
    }
    const asClient = ['--cert', file('clients.crt'), '--key', file('clients.key')]
    const reloaded = (times: number) =>
      waitFor(`reload ${times}`, () => daemon.lines().filter((line) => line.includes('Reloaded,')).length === times)

    write(secure(), login, quick)
    const daemon = await start()
    t.match(await curl(), /MySQL is running/)
    const told = (error: string) => daemon.lines().filter((line) => line.includes(`"error":"${error}`)).length
    const plain = lab.spawn('curl-plain', 'curl', ['-sS', '-m', '20', `http://127.0.0.1:${port}/`])
    t.not((await plain.exited).code, 0)
    await waitFor('the log to tell what was spoken', () => told('it speaks plain HTTP, and this port') === 1)
    t.notOk(
      daemon.lines().some((line) => line.includes('"reason":"malformed"')),
      'and that once',
    )
    write(secure(`, client_ca: ${file('clients.crt')}`), login, quick)
    daemon.signal('SIGHUP')
    await reloaded(1)
    t.equal(await curl(), 'refused', 'nobody without a certificate')
    t.match(await curl(...asClient), /MySQL is running/)
    write(secure(), login, quick)
    daemon.signal('SIGHUP')
    await reloaded(2)
    t.match(await curl(), /MySQL is running/)
    await daemon.stop()
  },
)

t.test('fail --for ends by itself, and the reason says when', async (t) => {
  const port = await freePort()
  write(listen(port), login, quick)
  const daemon = await start()
  t.match(await finish('fail', '--for', '1s', 'upgrade', 'to', '11.4'), {
    code: 0,
    output: /until \d{4}-\d\d-\d\dT.*Z or mysqlchk-agent pass/,
  })
  t.match(await get(port), { status: 503, reason: /^force-fail; upgrade to 11\.4 \(until 2\d{3}-.*Z\)$/ })
  await waitFor('the end of it', async () => (await get(port)).status === 200)

  writeFileSync(file('proxyoff'), 'until: tomorrow\n')
  t.match(await get(port), { status: 503, reason: 'force-fail; until: tomorrow' }, 'in doubt it stays out')
  t.equal((await finish('pass')).code, 0)
  t.equal((await get(port)).status, 200)
  await daemon.stop()
})

/** Stands where systemd listens: prints each message, and `silence` where none came for a second. */
const receive = async () => {
  const receiver = lab.spawn('receiver', 'python3', [
    '-uc',
    `import os,socket
if os.path.exists('${file('notify')}'): os.unlink('${file('notify')}')
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)
s.bind('${file('notify')}')
s.settimeout(1)
print('bound')
while True:
  try: print(s.recv(4096).decode().replace(chr(10),' '))
  except socket.timeout: print('silence')`,
  ])
  await receiver.waitForOutput(/bound/)
  return receiver
}

t.test('systemd hears of readiness, reloads, the state and the stop, and its watchdog is fed', async (t) => {
  const receiver = await receive()
  const port = await freePort()
  write(listen(port), login, quick)
  const daemon = await start({ NOTIFY_SOCKET: file('notify'), WATCHDOG_USEC: '400000' })
  await receiver.waitForOutput(/^READY=1$/)
  await receiver.waitForOutput(/^STATUS=Node is UP, ok: the check query answers$/)
  await receiver.waitForOutput(/^WATCHDOG=1$/)
  daemon.signal('SIGHUP')
  await receiver.waitForOutput(/^RELOADING=1 MONOTONIC_USEC=\d+$/)
  await waitFor('ready again', () => receiver.lines().filter((line) => line === 'READY=1').length === 2)
  await daemon.stop()
  await receiver.waitForOutput(/^STOPPING=1$/)
  t.same(
    receiver.lines().filter((line) => !/^(WATCHDOG=1|STATUS=|silence)/.test(line))[1],
    'READY=1',
    'nothing comes before it is ready',
  )
  await receiver.stop()
})

t.test('the watchdog is fed while probes end, however they end, and not while one hangs for good', async (t) => {
  const receiver = await receive()
  const heard = (pattern: RegExp, since: number): boolean =>
    receiver
      .lines()
      .slice(since)
      .some((line) => pattern.test(line))
  const port = await freePort()
  write(listen(port), login, impatient)
  // The fault: after SIGUSR2 no deadline comes, so that a probe of a server that hangs does not end.
  const fault = "const s=setTimeout;process.on('SIGUSR2',()=>{globalThis.setTimeout=()=>s(()=>0,1e9).unref()})"
  const daemon = await start({
    NOTIFY_SOCKET: file('notify'),
    WATCHDOG_USEC: '400000',
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(fault)}`,
  })
  await receiver.waitForOutput(/^WATCHDOG=1$/)

  db.process().stall()
  await waitFor('the timeout', async () => /^timeout;/.test((await get(port)).reason ?? ''))
  // More than three times interval and timeout: with probes that hang it would be silent now.
  const fed = (): number => receiver.lines().filter((line) => line === 'WATCHDOG=1').length
  const before = fed()
  await waitFor('feeding to go on', () => fed() > before + 12)
  db.process().resume()
  await waitFor('the node to be up', async () => (await get(port)).status === 200)

  daemon.signal('SIGUSR2')
  db.process().stall()
  const hungSince = receiver.lines().length
  await waitFor('three seconds without feeding', () =>
    receiver
      .lines()
      .slice(-3)
      .every((line) => line === 'silence'),
  )
  t.equal((await get(port, '/liveness')).status, 200, 'the loop turns')
  t.ok(heard(/^WATCHDOG=1$/, hungSince), 'a hang that is short is none')

  const silentSince = receiver.lines().length
  db.process().resume()
  // Without deadlines no probe is scheduled either: where none was in flight at the fault, a request starts one.
  const asked = get(port)
  t.ok(await waitFor('feeding when the probe has ended', () => heard(/^WATCHDOG=1$/, silentSince)))
  t.equal((await asked).status, 200)
  await daemon.stop()
  await receiver.stop()
})

t.test('an option file and a systemd credential log in, and no secret is ever shown', async (t) => {
  const port = await freePort()
  secret(
    'my.cnf',
    `[client]\nsocket = ${db.socket}\nuser = ${user}\npassword = "${password}" # ours\n[mysqld]\nuser=mysql\n`,
  )
  write(listen(port), `mysql: { option_file: ${file('my.cnf')}, client_address: none }`, quick)
  const byOptions = await finish('once')
  t.match(byOptions, { code: 0, output: /^HTTP\/1\.1 200 OK/ })

  write(
    listen(port),
    `mysql: { socket: ${db.socket}, client_address: none, user: ${user}, password_credential: mysql }`,
    quick,
  )
  t.match(await finish('once'), {
    code: 78,
    output: /password_credential: systemd hands credentials to its service only/,
  })
  t.match(await finish('check'), { code: 0, output: /warning: systemd hands/ }, 'a check by hand cannot see it')
  mkdirSync(file('credentials'))
  writeFileSync(join(file('credentials'), 'mysql'), `${password}\n`, { mode: 0o400 })
  const daemon = await start({ CREDENTIALS_DIRECTORY: file('credentials') })
  t.equal((await get(port)).status, 200)
  await daemon.stop()
  t.notMatch(daemon.lines().join('\n') + byOptions.output, password)
})

t.test('once answers as every path would', async (t) => {
  write(listen(await freePort()), login, quick)
  t.match(await finish('once', '--path', '/primary'), { code: 0, output: /^HTTP\/1\.1 200 OK/ })
  t.match(await finish('once', '--path', '/galera'), { code: 1, output: /Mysqlchk-Reason: not-applicable/ })
  t.match(await finish('once', '--path', '/metrics'), { code: 0, output: /^mysqlchk_up 1$/m })
  t.match(await finish('once', '--path', '/nothing'), { code: 0, output: /^HTTP\/1\.1 200 OK/ }, 'as the scripts do')
  t.match(await finish('once', '--json', '--path', '/ndb'), { code: 1, output: /"code": "not-applicable"/ })
  write(listen(await freePort()), login, quick, 'response: { compatibility: false }')
  t.match(await finish('once', '--path', '/nothing'), { code: 1, output: /^HTTP\/1\.1 404 Not Found/ })
})

t.test('once tells of what is unwise, and a reader that leaves early is no failure', async (t) => {
  write(listen(await freePort()), login, quick)
  chmodSync(passwordFile, 0o644)
  t.match(await finish('once'), { code: 0, output: /warning: everybody on this host can read .*; run: chmod o= / })
  chmodSync(passwordFile, 0o600)
  const line = `${process.execPath} ${agentProgram} check --config ${config} | true; exit \${PIPESTATUS[0]}`
  t.same(await lab.spawn('early', 'bash', ['-c', line]).exited, { code: 0, signal: null })
})
