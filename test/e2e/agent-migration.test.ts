// The way of agent/README.md from xinetd to the agent and back, step by step, while Debian's HAProxy checks the server all the time.

import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startClassicScript } from '../lab/classic-script.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { waitFor } from '../lab/wait-for.ts'
import { startAgent } from './agent.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-agent-migration' })
t.teardown(() => lab.destroy())
const db = await lab.addHost('db1', '198.18.0.11/24')
const client = await lab.addHost('client', '198.18.0.200/24')
const server = await startMariaDb({ lab, host: db, name: 'db1' })
const classic = startClassicScript({ host: db, directory: lab.directory, port: 9222, socket: server.socket })

/** What HAProxy may be told to ask, in the words of 1.4 and in those of today. */
const forms: Readonly<Record<string, readonly string[]>> = {
  plain: ['option httpchk'],
  old: ['option httpchk GET /mysqlchk HTTP/1.0'],
  posting: ['option httpchk POST /?t=1'],
  today: ['option httpchk', 'http-check send meth GET uri / ver HTTP/1.1 hdr Host db1', 'http-check expect status 200'],
  body: ['option httpchk GET /', 'http-check expect string MySQL\\ is\\ running.'],
  words: ['option tcp-check', 'tcp-check expect string is\\ running.'],
  asking: [
    'option tcp-check',
    'tcp-check send "GET / HTTP/1.0\\r\\n\\r\\n"',
    'tcp-check expect rstring ^HTTP/1..\\ 200',
  ],
  unlike: ['option tcp-check', 'tcp-check send "status\\r\\n"', 'tcp-check expect string is\\ running.'],
}
const ports = [9222, 9223]
/** The script's end resets those that have sent something, and some of their checks fail by that. */
const compared = Object.keys(forms).flatMap((name) =>
  (name === 'plain' || name === 'words' ? ports : [9223]).map((port) => ({ name, port, proxy: `${name}-${port}` })),
)
const backends = compared.map(
  ({ name, port, proxy }) => `backend ${proxy}
  ${forms[name]?.join('\n  ')}
  server db1 ${db.address}:3306 check port ${port} inter 1s rise 1 fall 1
`,
)

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
listen mysql
  bind 127.0.0.1:3306
  option httpchk
  server db1 ${db.address}:3306 check port 9222 inter 2s fastinter 1s rise 2 fall 3
${backends.join('')}`,
)
const haproxy = client.spawn('haproxy', 'haproxy', ['-db', '-f', join(lab.directory, 'haproxy.cfg')])

/** The columns of `show stat` by name, for each proxy's server. */
const table = async (): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> => {
  const script = `import socket
s=socket.socket(socket.AF_UNIX); s.connect('${stats}'); s.sendall(b'show stat\\n')
d=b''
while True:
  c=s.recv(65536)
  if not c: break
  d+=c
print(d.decode())`
  const [head = '', ...rows] = (await client.run('python3', ['-c', script])).stdout.split('\n')
  const names = head.replace('# ', '').split(',')
  return new Map(
    rows
      .map((row) => row.split(','))
      .filter(([, server]) => server === 'db1')
      .map((cells) => [cells[0] ?? '', Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']))]),
  )
}
const seen = async (): Promise<Readonly<Record<string, string>>> => (await table()).get('mysql') ?? {}
/** How often HAProxy marked the server down. */
const timesDown = async (): Promise<string> => (await seen())['chkdown'] ?? 'unknown'
const get = async (port: number): Promise<string> =>
  (await client.run('curl', ['-sS', '--http0.9', '-i', '-m', '30', `http://${db.address}:${port}/`])).stdout
const isOurs = /^HTTP\/1\.1 200 OK\r\n[\s\S]*^Mysqlchk-Reason: ok;[\s\S]*MySQL is running\.\r\n$/m

const trial = 'listen: { address: 0.0.0.0, port: 9223 }\naccess: { allow: [198.18.0.0/24] }'
const settled = 'listen: { address: 0.0.0.0, port: 9222 }\naccess: { allow: [198.18.0.0/24] }'
const agent = await startAgent(lab, db, server, trial)
const reload = async (settings: string, said: RegExp): Promise<void> => {
  const before = agent.process().lines().length
  agent.configure(settings)
  agent.process().signal('SIGHUP')
  await waitFor(`the agent to say ${said}`, () =>
    agent
      .process()
      .lines()
      .slice(before)
      .some((line) => said.test(line)),
  )
}
/** HAProxy has checked often enough to have counted to `fall`, had all of them failed. */
const untilChecked = async (): Promise<void> => {
  const asked = async (): Promise<number> => {
    const { stdout } = await db.run('curl', ['-sS', `http://${db.address}:9222/metrics`])
    return Number(/^mysqlchk_requests_total\{asked="configured",status="200"\} (\d+)$/m.exec(stdout)?.[1] ?? 0)
  }
  const before = await asked()
  await waitFor('four more checks', async () => (await asked()) >= before + 4)
}

await t.test('xinetd answers, HAProxy has the server UP', async (t) => {
  await waitFor('the server to be UP', async () => (await seen())['status'] === 'UP')
  t.match(await get(9222), /^HTTP\/1\.1 200 OK/)
})

await t.test('both say the same side by side, and the agent does not take a port that is in use', async (t) => {
  t.match(await get(9222), /^HTTP\/1\.1 200 OK[\s\S]*MySQL is running\./)
  t.match(await get(9223), isOurs)
  await server.query('SET GLOBAL read_only = ON')
  t.match(await get(9223), isOurs, 'a read-only server passes, as with the script')
  await server.query('SET GLOBAL read_only = OFF')
  await reload(settled, /Not reloaded, the old configuration stays: cannot listen on 0\.0\.0\.0:9222/)
  t.match(await get(9223), isOurs)
  t.equal(await timesDown(), '0')
})

await t.test('the port changes hands, and HAProxy never marks the server down', async (t) => {
  classic.disable(true)
  await waitFor('xinetd to leave the port', async () => (await get(9222)) === '')
  await reload(settled, /Reloaded, the new configuration is in use/)
  t.match(await get(9222), isOurs)
  await untilChecked()
  t.match(await seen(), { status: /^UP/, chkdown: '0', check_status: 'L7OK' })
})

await t.test('and so on the way back', async (t) => {
  await reload(trial, /Reloaded, the new configuration is in use/)
  classic.disable(false)
  await waitFor('xinetd to answer', async () => /MySQL is running/.test(await get(9222)))
  await waitFor('HAProxy to have a good check again', async () => {
    const now = await seen()
    return now['status'] === 'UP' && now['check_status'] === 'L7OK'
  })
  t.equal(await timesDown(), '0')
  t.ok(haproxy.isRunning())
})

const untilAllForms = async (status: RegExp): Promise<void> => {
  await waitFor(`all forms of check to be ${status}`, async () => {
    const now = await table()
    const others = compared.filter(({ proxy }) => !status.test(now.get(proxy)?.['status'] ?? ''))
    if (others.length > 0) throw new Error(others.map(({ proxy }) => proxy).join(', '))
    return true
  })
}
const timesDownByForm = async (): Promise<readonly number[]> => {
  const now = await table()
  return compared.filter(({ port }) => port === 9223).map(({ proxy }) => Number(now.get(proxy)?.['chkdown']))
}

await t.test('every form of check of HAProxy gets the same from both, up and down', async (t) => {
  await untilAllForms(/^UP/)
  const before = await timesDownByForm()
  writeFileSync(classic.forceFailFile, '')
  await agent.command('fail', 'a backup is running. 200 OK')
  await untilAllForms(/^DOWN/)
  await agent.command('pass')
  rmSync(classic.forceFailFile)
  await untilAllForms(/^UP/)
  const down = before.map((count) => count + 1)
  t.same(await timesDownByForm(), down, 'down once, with its reason')
})

await t.test('other checkers get the same from both, and compare says so', async (t) => {
  const programs: readonly (readonly [string, (port: number) => readonly string[]])[] = [
    ['curl', (port) => ['-sS', '--http0.9', '-m', '30', `http://${db.address}:${port}/`]],
    ['curl', (port) => ['-sS', '--http0.9', '-m', '30', '-X', 'POST', '-d', 'x', `http://${db.address}:${port}/x?y`]],
    ['wget', (port) => ['-q', '-O', '-', '-t', '1', '-T', '30', `http://${db.address}:${port}/`]],
    ['bash', (port) => ['-c', `exec 3<>/dev/tcp/${db.address}/${port}; cat <&3`]],
    [
      'python3',
      (port) => [
        '-c',
        `import socket
s=socket.create_connection(('${db.address}',${port})); s.shutdown(socket.SHUT_WR)
d=b''
while c:=s.recv(999): d+=c
print(d.decode())`,
      ],
    ],
  ]
  for (const [program, words] of programs) {
    for (const port of ports) {
      const { stdout } = await client.run(program, words(port))
      t.match(stdout, /MySQL is running\./, `${program} ${words(port).join(' ')}`)
    }
  }
  // As keepalived's HTTP_GET asks, by the program that comes with it. The script resets it before the end.
  const keepalived = await client.run('genhash', ['-s', db.address, '-p', '9223', '-u', '/', '-v'])
  t.match(keepalived.stdout, /HTTP\/1\.1 200 OK/)
  const told = await agent.command('compare', '--script', join(lab.directory, 'mysqlchk'))
  t.equal(told.code, 0, told.output)
  t.match(told.output, /^OPTIONS \/ HTTP\/1\.0\S* +200 MySQL is running\..* +200 MySQL is running\.$/m)
})

await t.test('nc and the plugins of Nagios get the same from both, up and down', async (t) => {
  const plugins = '/usr/lib/nagios/plugins'
  /** The exit code, and what it prints where the node is up and where it is down. */
  type Expected = { readonly up: readonly [number, RegExp]; readonly down: readonly [number, RegExp] }
  const heard: Expected = { up: [0, /^MySQL is running\.\r$/m], down: [0, /^MySQL is \*down\*\.\r$/m] }
  const status: Expected = { up: [0, /^HTTP OK: HTTP\/1\.1 200 OK /], down: [2, /^HTTP CRITICAL: HTTP\/1\.1 503 /] }
  const words: Expected = { up: [0, /^TCP OK /], down: [1, /^TCP WARNING - Unexpected response/] }
  const at = (port: number): readonly string[] => ['-H', db.address, '-p', String(port)]
  const programs: readonly (readonly [string, (port: number) => readonly string[], Expected, string?])[] = [
    ['nc', (port) => ['-d', '-w', '30', db.address, String(port)], heard],
    ['nc', (port) => ['-N', '-w', '30', db.address, String(port)], heard],
    ['nc', (port) => ['-w', '30', db.address, String(port)], heard, 'GET / HTTP/1.0\r\n\r\n'],
    [`${plugins}/check_http`, (port) => [...at(port), '-u', '/'], status],
    [`${plugins}/check_http`, (port) => [...at(port), '-u', '/', '-s', 'MySQL is running.'], status],
    [`${plugins}/check_tcp`, (port) => [...at(port), '-t', '30', '-e', 'MySQL is running.', '-A', '-M', 'warn'], words],
  ]
  for (const state of ['up', 'down'] as const) {
    if (state === 'down') {
      writeFileSync(classic.forceFailFile, '')
      await agent.command('fail', 'a backup is running. 200 OK')
    }
    for (const [program, given, expected, input = ''] of programs) {
      for (const port of ports) {
        const title = `${state}: ${program} ${given(port).join(' ')}`
        const [wanted, text] = expected[state]
        const asks = async (): Promise<boolean> => {
          const { code, stdout } = await client.run(program, given(port), { input })
          if (code === wanted && text.test(stdout)) return true
          throw new Error(`${code}: ${stdout}`)
        }
        // The script's end resets those that have sent something, and may take its answer from them.
        t.ok(port === 9222 ? await waitFor(title, asks) : await asks(), title)
      }
    }
  }
  rmSync(classic.forceFailFile)
  await agent.command('pass')
})
