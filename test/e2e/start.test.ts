// Starts that cannot succeed: one clear line each, the exit code that systemd understands, and nothing left running.

import { chownSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import { processesInNamespaces } from '../lab/proc.ts'
import { balancerProgram as balancer } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-start' })
t.teardown(() => lab.destroy())
const host = await lab.addHost('lb1', '198.18.0.2/24')

const configuration = (change: (text: string) => string = (text) => text): string => {
  const file = join(lab.directory, 'balancer.yaml')
  const text = `router_id: lb1
vrrp:
  instances:
    - name: VI_1
      interface: eth0
      virtual_router_id: 51
      virtual_addresses: [198.18.0.100/24]
listeners:
  - name: mysql
    bind: 198.18.0.2:3306
    servers: [{ name: db1, address: 198.18.0.11:3306 }]
admin: { socket: ${join(lab.directory, 'admin.sock')} }
`
  writeFileSync(file, change(text))
  return file
}

const titleOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'latin1')
const isSupervisor = (pid: number): boolean => titleOf(pid).startsWith('balancer: supervisor')
const isBalancer = (pid: number): boolean => titleOf(pid).startsWith('balancer: ')

/** Runs a balancer that is expected to end by itself. */
const start = async (on: Host, file: string, ...wrapper: readonly string[]) => {
  const [command = process.execPath, ...args] = [...wrapper, process.execPath, balancer, '--config', file]
  const { code, stdout, stderr } = await on.run(command, args, { env: {} })
  const fatal = stdout
    .split('\n')
    .filter((line) => line.includes('"level":"fatal"'))
    .map((line): { msg: string } => JSON.parse(line))
  return { code, stderr, fatal: fatal.map(({ msg }) => msg), left: processesInNamespaces([on.namespace]).length }
}

t.test('a wrong configuration: every mistake, exit 78, nothing starts', async (t) => {
  const file = configuration((text) =>
    text
      .replace('eth0', '""')
      .replace('51', '551')
      .replace('.100/24', '.100/33')
      .replace('bind', 'bnid')
      .replace(':3306 }', ' }'),
  )
  const { code, stderr, fatal, left } = await start(host, file)
  t.equal(code, 78)
  t.same(fatal, [])
  t.equal(left, 0)
  const lines = stderr.trimEnd().split('\n')
  t.ok(lines.length >= 5, stderr)
  for (const line of lines) t.match(line, /^\S+balancer\.yaml:\d+:\d+: \S+: .+/)
})

t.test('the port is in use: the port, and what to do', async (t) => {
  const squatter = host.spawn('squatter', 'python3', [
    '-c',
    "import socket,time; s=socket.create_server(('198.18.0.2',3306)); print('ready',flush=True); time.sleep(60)",
  ])
  await squatter.waitForOutput(/ready/)
  const { code, fatal } = await start(host, configuration())
  await squatter.kill()
  t.equal(code, 1)
  t.match(fatal, [/^cannot listen on 198\.18\.0\.2:3306: the port is in use; .*ss -ltnp.*listeners\[0\]\.bind/])
  t.equal(processesInNamespaces([host.namespace]).length, 0)
})

t.test('haproxy and keepalived still run: check names both, and the balancer says so when it starts', async (t) => {
  const haproxy = join(lab.directory, 'haproxy.cfg')
  writeFileSync(
    haproxy,
    'defaults\n  timeout connect 1s\n  timeout client 1s\n  timeout server 1s\nlisten a\n  bind 198.18.0.2:3306\n',
  )
  const keepalived = join(lab.directory, 'keepalived.conf')
  writeFileSync(
    keepalived,
    'vrrp_instance VI_9 {\n  priority 10\n  virtual_ipaddress {\n    198.18.0.101\n  }\n  interface eth0\n  virtual_router_id 51\n}\n',
  )
  const first = host.spawn('haproxy', 'haproxy', ['-f', haproxy, '-db'])
  const pidFile = join(lab.directory, 'keepalived.pid')
  const second = host.spawn('keepalived', 'keepalived', [
    '-n',
    '-l',
    '-f',
    keepalived,
    '-p',
    pidFile,
    '-r',
    `${pidFile}.vrrp`,
  ])
  await second.waitForOutput(/VI_9/)
  const check = () => host.run(process.execPath, [balancer, 'check', '--config', configuration()])
  await waitFor('haproxy to listen', async () => (await check()).stderr.includes('haproxy'))
  const { code, stderr } = await check()
  t.equal(code, 0, 'the file is valid')
  t.match(
    stderr,
    /^warning: VI_1: keepalived \(process \d+\) runs on this host with virtual_router_id 51 on eth0 too: .*$/m,
  )
  t.match(
    stderr,
    /^warning: listeners\[0\]\.bind: 198\.18\.0\.2:3306 is in use: haproxy \(process \d+\) listens at .*$/m,
  )
  t.equal(stderr.match(/keepalived \(process/g)?.length, 1, 'once')
  const { stdout } = await host.run(process.execPath, [balancer, '--config', configuration()], { env: {} })
  t.match(stdout, /keepalived \(process \d+\) runs on this host with virtual_router_id 51/)
  t.match(
    stdout,
    /the port is in use; find the program with: ss -ltnp 'sport = :3306' \(.*haproxy runs here, process \d+/,
  )
  await first.stop()

  // What is found while it runs stands where people look.
  const rules = 'table inet filter { chain input { type filter hook input priority 0; meta l4proto 112 drop; }; }'
  await host.run('nft', [rules])
  const file = configuration((text) => `${text}log: { syslog: '198.18.0.2:5514' }\n`)
  const running = host.spawn('balancer', process.execPath, [balancer, '--config', file], {
    env: { RUNTIME_DIRECTORY: lab.directory },
  })
  const show = async (...words: readonly string[]): Promise<string> =>
    (await host.run(process.execPath, [balancer, 'show', ...words, '--config', file])).stdout
  const dropping = /VI_1: chain input of the table inet filter drops the advertisements of other balancers/
  await waitFor('the rule to be told', async () => dropping.test(await show('status')))
  t.match(await show('status'), /^✖ VRRP instance VI_1: keepalived \(process \d+\) runs on this host/m)
  t.match(await show('vrrp'), dropping)
  const unheard = /^! The syslog receiver 198\.18\.0\.2:5514 does not take lines of the log \(ECONNREFUSED\)/m
  // It is the second datagram that is refused.
  for (const order of ['drain', 'ready']) {
    await host.run(process.execPath, [balancer, 'server', 'mysql/db1', order, '--config', file])
  }
  await waitFor('the receiver of syslog to be told', async () => unheard.test(await show('status')))
  t.equal(running.lines().filter((line) => line.includes('keepalived (process')).length, 1, 'the log says it once')
  await running.stop()
  await host.run('nft', ['flush', 'ruleset'])
  await second.stop()
})

t.test('the interface is missing: its instance waits in FAULT, and the rest runs', async (t) => {
  const file = configuration((text) => text.replace('eth0', 'eth7'))
  const running = host.spawn('balancer', process.execPath, [balancer, '--config', file])
  await running.waitForOutput(/there is no interface eth7.*Entering FAULT STATE/)
  await running.waitForOutput(/198\.18\.0\.2:3306/)
  t.match(await running.stop(), { code: 0 })
})

t.test('an instance that waits for its address to be free still waits when its process is another one', async (t) => {
  const shown = '198.18.0.100/24'
  await host.run('ip', ['address', 'add', shown, 'dev', 'eth0'])
  const running = host.spawn('balancer', process.execPath, [balancer, '--config', configuration()])
  const isThere = async () => (await host.run('ip', ['address', 'show', 'dev', 'eth0'])).stdout.split(shown)[1] ?? ''
  const waits = () => running.lines().filter((line) => /is on eth0 already.*Entering FAULT STATE/.test(line)).length
  await waitFor('it to wait', () => waits() === 1)
  const started = running.lines().findLast((line) => line.includes('Process vrrp started')) ?? '{}'
  process.kill(JSON.parse(started).childPid, 'SIGKILL')
  await waitFor('the other process to wait', () => waits() === 2)
  t.match(await isThere(), /valid_lft forever/)
  await host.run('ip', ['address', 'del', shown, 'dev', 'eth0'])
  await running.waitForOutput(/Entering MASTER STATE/)
  t.match(await running.stop(), { code: 0 })
})

t.test('no capability: which one, and what to do', async (t) => {
  const { code, fatal, left } = await start(
    host,
    configuration(),
    'setpriv',
    '--bounding-set',
    '-net_raw,-net_admin',
    '--inh-caps',
    '-net_raw,-net_admin',
  )
  t.equal(code, 1)
  t.match(fatal, [/^VRRP needs .*; start it as root, .*: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW$/])
  t.equal(left, 0)
})

/** What every thread of a process may do: its capabilities, what it can ever get, and whether it may get more. */
const rightsOf = (pid: number): readonly string[] => {
  const threads = readdirSync(`/proc/${pid}/task`)
  if (threads.length < 5) throw new Error(`${pid} has only ${threads.length} threads`)
  const rights = threads.map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
    return [...status.matchAll(/^(?:Cap(?:Prm|Eff|Bnd|Amb)|NoNewPrivs):\s*(\w+)$/gm)]
      .map(([, value]) => value)
      .join(' ')
  })
  return [...new Set(rights)]
}
const bare = '0000000000000000'
const two = '0000000000002400'
const withChown = '0000000000002401'

t.test(
  'director and proxy keep CAP_NET_RAW and CAP_NET_BIND_SERVICE on each thread, the director CAP_CHOWN where it is given it',
  async (t) => {
    const nobody = 65_534
    const own = join(lab.directory, 'nobody')
    mkdirSync(own)
    chownSync(own, nobody, nobody)
    const given = '+net_admin,+net_raw,+net_bind_service,+setpcap'
    const asNobody = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', `--inh-caps=${given}`]
    const starts = [
      { wrapper: [], socket: 'admin.sock', director: withChown, ambient: bare },
      { wrapper: [...asNobody, `--ambient-caps=${given}`], socket: 'nobody/admin.sock', director: two, ambient: two },
    ]
    for (const { wrapper, socket, director, ambient } of starts) {
      const scripts = '  scripts: [{ name: s, command: [/bin/true], user: daemon }]\nlisteners:'
      const file = configuration((text) =>
        text.replace('admin.sock', socket).replace('198.18.0.2:3306', '198.18.0.2:306').replace('listeners:', scripts),
      )
      const [command = process.execPath, ...args] = [...wrapper, process.execPath, balancer, '--config', file]
      const running = host.spawn('confined', command, args)
      await running.waitForOutput(/Balancer is running/)
      const pidOf = (role: string): number => {
        const line = running.lines().find((one) => one.includes(`Process ${role} started`)) ?? '{}'
        return JSON.parse(line).childPid
      }
      for (const [role, own] of Object.entries({ director, proxy: two })) {
        t.same(rightsOf(pidOf(role)), [`${own} ${own} ${own} ${ambient} 1`], `${role} ${socket}`)
      }
      const status = readFileSync(`/proc/${pidOf('vrrp')}/status`, 'utf8')
      t.ok(
        (Number.parseInt(/^CapEff:\s*(\w+)/m.exec(status)?.[1] ?? '', 16) & 0x1000) !== 0,
        'vrrp changes the network',
      )
      const complaint = /Scripts cannot run as daemon: CAP_SETUID and CAP_SETGID and CAP_KILL missing/
      t.equal(
        running.lines().some((line) => complaint.test(line)),
        ambient === two,
        'what scripts lack is said',
      )
      t.match(await running.stop(), { code: 0 })
    }
  },
)

t.test('a full disk for the log costs lines and nothing else: it runs, and it stops', async (t) => {
  const admin = join(lab.directory, 'admin.sock')
  const command = `exec ${process.execPath} ${balancer} --config ${configuration()} >/dev/full`
  const running = host.spawn('balancer', 'sh', ['-c', command])
  const asked = () => host.run(process.execPath, [balancer, 'show', 'servers', '--json', '--config', configuration()])
  await waitFor(`the balancer to answer at ${admin}`, async () => (await asked()).code === 0)
  t.same(await running.stop(), { code: 0, signal: null })
  t.equal(processesInNamespaces([host.namespace]).length, 0)
})

t.test('a reader of the log that has stopped costs lines and nothing else: it runs, and it stops', async (t) => {
  // The pipe is full from the first line on.
  const command = `(head -c 65536 /dev/zero; ${process.execPath} ${balancer} --config ${configuration()}; echo "code $?" >&2)`
  const piped = host.spawn('stuck', 'bash', ['-c', `${command} | sleep 300`])
  const asked = () => host.run(process.execPath, [balancer, 'show', 'vrrp', '--json', '--config', configuration()])
  await waitFor('the balancer to answer', async () => (await asked()).code === 0)
  const supervisor = processesInNamespaces([host.namespace]).find(({ pid }) => isSupervisor(pid))
  t.ok(supervisor)
  if (supervisor !== undefined) process.kill(supervisor.pid, 'SIGTERM')
  await piped.waitForOutput(/^code 0$/)
  await piped.stop()
})

t.test('a reader of the log that is gone does not spoil the exit code', async (t) => {
  const command = `${process.execPath} ${balancer} --config ${configuration()}`
  const piped = host.spawn('piped', 'bash', ['-c', `${command} | head -n 1; echo "code \${PIPESTATUS[0]}"`])
  const [, pid] = await piped.waitForOutput(/"pid":(\d+)/)
  await waitFor('all its processes', () => processesInNamespaces([host.namespace]).length >= 5)
  process.kill(Number(pid), 'SIGTERM')
  await piped.exited
  t.equal(piped.lines().at(-1), 'code 0')
})

/** The program in a folder of its own, where it can be changed. */
const installedAt = (name: string): string => {
  const folder = join(lab.directory, name)
  const dist = fileURLToPath(new URL('../..', import.meta.url))
  for (const part of ['balancer', 'shared']) cpSync(join(dist, part), join(folder, part), { recursive: true })
  symlinkSync(join(dist, '../node_modules'), join(folder, 'node_modules'))
  cpSync(join(dist, '../package.json'), join(folder, 'package.json'))
  return folder
}

const upgrades = [
  {
    file: 'version.js',
    from: /version = '[^']*'/,
    to: "version = '99.0.0'",
    said: /is of version 99\.0\.0, its supervisor/,
  },
  {
    file: 'supervisor/messages.js',
    from: /^( +)resume,$/m,
    to: '$1resumption: resume,',
    said: /does not understand its supervisor/,
  },
] as const
for (const { file, from, to, said } of upgrades) {
  t.test(`a program that is changed under a running one (${file}) shows no secret and makes room`, async (t) => {
    const folder = installedAt(file.replace('/', '-'))
    const program = join(folder, 'balancer', file)
    const config = configuration((text) =>
      text.replace(
        'virtual_router_id: 51',
        'virtual_router_id: 51\n      authentication: { type: pass, password: hunter2 }',
      ),
    )
    const command = [join(folder, 'balancer/main.js'), '--config', config]
    const running = host.spawn('upgraded', process.execPath, command)
    await running.waitForOutput(/Balancer is running/)
    const text = readFileSync(program, 'utf8')
    t.match(text, from)
    writeFileSync(program, text.replace(from, to))
    const [, pid] = await running.waitForOutput(/"child":"director","childPid":(\d+)/)
    process.kill(Number(pid), 'SIGKILL')
    t.match(await running.exited, { code: 1 })
    const lines = running.lines().join('\n')
    t.match(lines, said, 'the child says why it cannot begin')
    t.match(lines, /The program on disk was changed while this one, version [\d.]+, runs/)
    t.notMatch(lines, /hunter2/)
    t.same(
      processesInNamespaces([host.namespace]).filter(({ pid }) => isBalancer(pid)),
      [],
    )
  })
}

t.test('a start that fails leaves no address behind', async (t) => {
  t.same(await host.addresses(), ['198.18.0.2/24'])
})
