// `balancer setup` as operators use it: with flags, on a terminal, with slips; and the pair that comes of it.

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { configurationText } from '../../balancer/commands/setup/text.ts'
import { isUnconfigured, unconfiguredMark } from '../../balancer/config/load.ts'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import { startMariaDb } from '../lab/mariadb.ts'
import { appUser, checkUser } from '../lab/mariadb-files.ts'
import { agentProgram, balancerProgram as balancer } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-setup' })
t.teardown(() => lab.destroy())
const [lb1, lb2, db1, client] = [
  await lab.addHost('lb1', '198.18.0.2/24'),
  await lab.addHost('lb2', '198.18.0.3/24'),
  await lab.addHost('db1', '198.18.0.11/24'),
  await lab.addHost('client', '198.18.0.200/24'),
]
const root = fileURLToPath(new URL('../../..', import.meta.url))
const fileOf = (host: Host): string => join(lab.directory, `${host.name}.yaml`)
const setup = (host: Host, ...words: readonly string[]) => host.run(process.execPath, [balancer, 'setup', ...words])
const needed = ['--address', '198.18.0.100:3306', '--servers', 'db1=198.18.0.11']

await t.test('half answers and wrong ones are refused, each flag by its name, and nothing is written', async (t) => {
  const half = await setup(lb1, '--yes', '--output', fileOf(lb1), '--servers', 'db1=198.18.0.11')
  t.match(half, { code: 64, stderr: /^balancer: --address is missing, .*nothing was written\n$/ })
  const wrong = await setup(
    lb1,
    ...[
      '--output',
      fileOf(lb1),
      '--interface',
      'eth7',
      '--address',
      '198.18.0.300',
      '--servers',
      'db1=198.18.0.11,198.18.0.11',
    ],
    ...['--virtual-router-id', '256', '--priority', 'high', '--listen-port', '0', '--peer', '127.0.0.1'],
  )
  t.equal(wrong.code, 64)
  const lines = wrong.stderr.trimEnd().split('\n')
  t.match(lines, [
    /--interface "eth7": there is no such interface here; there are: eth0$/,
    /--address "198\.18\.0\.300": write an IP address/,
    /--listen-port "0": allowed are the whole numbers 1 to 65535$/,
    /--servers ".*": db1=198\.18\.0\.11:3306 and "198\.18\.0\.11" are the same/,
    /--peer "127\.0\.0\.1": 127\.0\.0\.1 never leaves its host/,
    /--virtual-router-id "256": allowed are the whole numbers 1 to 255$/,
    /--priority "high": allowed are the whole numbers 1 to 254$/,
  ])
  t.equal(lines.length, 7)
  const self = await setup(lb1, '--yes', '--output', fileOf(lb1), ...needed, '--peer', lb1.address)
  t.match(self, { code: 64, stderr: /--peer "198\.18\.0\.2": is this host/ })
  const secret = await setup(lb1, '--yes', '--output', fileOf(lb1), ...needed, '--vrrp-password-file', '/nowhere/vrrp')
  t.match(secret, { code: 64, stderr: /it is not there; copy it from the other host/ })
  t.match(await setup(lb1, '--colour'), { code: 64, stderr: /--colour.*; balancer setup --help lists/ })
  // A server that is the listener: what no single answer shows is found by the check of the whole file.
  const circle = await setup(lb1, '--yes', '--output', fileOf(lb1), ...needed, '--servers', 'db1=198.18.0.100:3306')
  t.match(circle, { code: 78, stderr: new RegExp(`${fileOf(lb1)}:\\d+:\\d+: listeners.*nothing was written`, 's') })
  t.notOk(existsSync(fileOf(lb1)))
})

/** An operator at a terminal. Arguments: pairs of what to wait for and what to type then, as JSON; the command. */
const typing = `
import json, os, pty, signal, sys
signal.alarm(60)
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = ''
def read():
    global seen
    try:
        part = os.read(terminal, 4096)
    except OSError:
        part = b''
    seen += part.decode()
    return part
at = 0
for wanted, typed in json.loads(sys.argv[1]):
    while wanted not in seen[at:] and read():
        pass
    at = len(seen)
    os.write(terminal, typed.encode())
while read():
    pass
print(seen, 'exit', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`
const atTerminal = (host: Host, answers: readonly (readonly [string, string])[], file: string) =>
  host.run('python3', ['-c', typing, JSON.stringify(answers), process.execPath, balancer, 'setup', '--output', file])

await t.test('on a terminal it asks, and asks again for what is wrong', async (t) => {
  const { stdout } = await atTerminal(
    lb1,
    [
      ['[eth0]: ', '\r'],
      ['clients connect to, such', '198.18.0.400\r'],
      ['write an IP address', '198.18.0.100\r'],
      ['Port that clients', '3306\r'],
      ['Database servers', 'db1=198.18.0.11\r'],
      // What is typed before it is asked for is not lost.
      ['other balancer host', '198.18.0.3\rfirst\r\r'],
      ['Priority', '\r'],
      ['status page', 'yes\r'],
      ['Password: ', 'open-sesame\r'],
    ],
    fileOf(lb1),
  )
  t.match(stdout, /exit 0\n$/)
  const text = readFileSync(fileOf(lb1), 'utf8')
  t.match(text, /^router_id: first$/m)
  t.match(text, /users: \[\{ name: admin, password_file: .*\/status\.password \}\]/)
  t.match(readFileSync(join(lab.directory, 'status.password'), 'utf8'), /^scrypt\$/)
  t.notMatch(stdout, /sesame/)
  t.equal(statSync(fileOf(lb1)).mode & 0o777, 0o640)
  for (const key of ['\u0003', '\u0004']) {
    const left = await atTerminal(
      lb2,
      [
        ['[eth0]: ', 'eth0\r'],
        ['clients connect to, such', key],
      ],
      fileOf(lb2),
    )
    t.match(left.stdout, /no more answers; nothing was written\s+exit 64/)
  }
  t.notOk(existsSync(fileOf(lb2)))
})

let other = ''
await t.test('a file that is there is not overwritten; with --force it is kept beside', async (t) => {
  writeFileSync(fileOf(lb1), '# mine\n')
  const again = ['--yes', '--output', fileOf(lb1), ...needed, '--peer', lb2.address]
  t.match(await setup(lb1, ...again), { code: 1, stderr: /is there already; --force replaces it/ })
  t.equal(readFileSync(fileOf(lb1), 'utf8'), '# mine\n')
  const secret = join(lab.directory, 'vrrp.password')
  const forced = await setup(lb1, ...again, '--force', '--new-vrrp-password-file', secret)
  t.match(forced, { code: 0, stderr: '' })
  t.equal(readFileSync(`${fileOf(lb1)}.bak`, 'utf8'), '# mine\n')
  t.match(readFileSync(secret, 'utf8'), /^\w{8}\n$/)
  t.equal(statSync(secret).mode & 0o777, 0o600)
  t.notOk(forced.stdout.includes(readFileSync(secret, 'utf8').trim()), 'the password is not shown')
  other = forced.stdout.match(/^\s*(balancer setup --yes .*)$/m)?.[1] ?? ''
  t.match(other, /--priority 100 --peer 198\.18\.0\.2 --vrrp-password-file/)
})

await t.test('the two printed commands make a pair whose address answers with a database', async (t) => {
  const shell = `balancer() { ${process.execPath} ${balancer} "$@"; }; ${other.replaceAll(fileOf(lb1), fileOf(lb2))}`
  const { code, stdout, stderr } = await lb2.run('sh', ['-c', shell])
  t.same([code, stderr], [0, ''])
  t.match(stdout, /On the other host \(198\.18\.0\.2\)[\s\S]*--priority 101 --peer 198\.18\.0\.3/, 'and back again')
  const server = await startMariaDb({ lab, host: db1, name: 'db1' })
  const agentFile = join(lab.directory, 'agent.yaml')
  const login = `mysql: { socket: ${server.socket}, user: ${checkUser.user}, password: ${checkUser.password} }`
  writeFileSync(agentFile, `${login}\nforce_fail_file: ${join(lab.directory, 'proxyoff')}\n`, { mode: 0o600 })
  db1.spawn('agent', process.execPath, [agentProgram, '--config', agentFile])
  for (const host of [lb1, lb2]) {
    // Both hosts have one /run here.
    const text = readFileSync(fileOf(host), 'utf8')
    writeFileSync(fileOf(host), text.replace('/run/balancer/admin.sock', join(lab.directory, `${host.name}.sock`)))
    await host.spawn('balancer', process.execPath, [balancer, '--config', fileOf(host)]).waitForOutput(/is running/)
  }
  const words = ['--connect-timeout=2', '-h198.18.0.100', `-u${appUser.user}`, '-N', '-e', 'SELECT @@hostname']
  const asked = () => client.run('mariadb', words, { env: { MYSQL_PWD: appUser.password } })
  const answer = await waitFor('an answer', async () => (await asked()).stdout.trim())
  t.equal(answer, 'db1')
  const isHeldBy = async (host: Host) => (await host.addresses()).includes('198.18.0.100/24')
  t.ok(await waitFor('the first alone to hold it', async () => (await isHeldBy(lb1)) && !(await isHeldBy(lb2))))
})

await t.test('an IPv6 address makes a pair that speaks IPv6, with its printed command too', async (t) => {
  for (const [i, host] of [lb1, lb2].entries()) {
    await host.run('ip', ['address', 'add', `2001:2::${i + 2}/64`, 'dev', 'eth0', 'nodad'])
  }
  const fileBeside = (host: Host): string => fileOf(host).replace('.yaml', '-6.yaml')
  const words = ['--yes', '--output', fileBeside(lb1), '--servers', 'db1=2001:2::11,db2=[2001:2:0::12]:3307']
  const address = ['--address', '2001:2::100/64:3306', '--virtual-router-id', '60']
  const passwords = ['--peer', '2001:2::3', '--new-vrrp-password-file', join(lab.directory, 'vrrp6')]
  t.match(await setup(lb1, ...words, ...address, ...passwords), { code: 64, stderr: /no passwords for IPv6/ })
  t.match(await setup(lb1, ...words, ...address, '--peer', lb2.address), { code: 64, stderr: /write its IPv6 address/ })
  const made = await setup(lb1, ...words, ...address, '--peer', '2001:2::3')
  t.match(made, { code: 0, stderr: '' })
  t.match(parse(readFileSync(fileBeside(lb1), 'utf8')), {
    vrrp: {
      instances: [
        {
          version: 3,
          virtual_addresses: ['2001:2::100/64'],
          unicast: { source: '2001:2::2', peers: ['2001:2::3'] },
        },
      ],
    },
    listeners: [
      {
        bind: '[2001:2::100]:3306',
        servers: [{ address: '[2001:2::11]:3306' }, { address: '[2001:2::12]:3307' }],
      },
    ],
  })
  t.match(made.stdout, "curl 'http://[2001:2::11]:9222/'")
  const printed = made.stdout.match(/^\s*(balancer setup --yes .*)$/m)?.[1] ?? ''
  const shell = `balancer() { ${process.execPath} ${balancer} "$@"; }; ${printed.replaceAll(fileBeside(lb1), fileBeside(lb2))}`
  const there = await lb2.run('sh', ['-c', shell])
  t.match(there, { code: 0, stderr: '', stdout: /--peer 2001:2::3/ }, 'and back again')
})

await t.test('another pair on the network: its id is not suggested, and a warning names who has it', async (t) => {
  const third = await lab.addHost('lb3', '198.18.0.4/24')
  const multicast = fileOf(lb1).replace('lb1', 'lb0')
  const { code } = await setup(lb1, '--yes', '--output', multicast, ...needed, '--virtual-router-id', '51')
  t.equal(code, 0)
  const speaker = await lab.addHost('lb4', '198.18.0.5/24')
  const text = readFileSync(multicast, 'utf8').replaceAll('198.18.0.100', '198.18.0.101')
  writeFileSync(multicast, text.replace('/run/balancer/admin.sock', join(lab.directory, 'lb4.sock')))
  await speaker.spawn('balancer', process.execPath, [balancer, '--config', multicast]).waitForOutput(/MASTER STATE/)
  const suggested = await setup(third, '--yes', '--output', fileOf(third), ...needed)
  t.match(suggested, { code: 0, stderr: '' })
  t.match(readFileSync(fileOf(third), 'utf8'), /virtual_router_id: 52 /)
  const insisted = await setup(
    third,
    '--yes',
    '--force',
    '--output',
    fileOf(third),
    ...needed,
    '--virtual-router-id',
    '51',
  )
  t.match(insisted.stderr, /warning: 198\.18\.0\.5 uses virtual router id 51 on eth0; .*--virtual-router-id 52/)
})

await t.test('the file of the package is what setup writes, with a mark; nothing starts with it', async (t) => {
  const shipped = readFileSync(join(root, 'packaging/balancer/balancer.yaml'), 'utf8')
  const answers = {
    ...{ interface: 'eth0', address: { address: '192.0.2.100', prefixLength: 24, port: 3306 }, port: 3306 },
    servers: ['db1', 'db2'].map((name, i) => ({ name, address: { address: `192.0.2.${11 + i}`, port: 3306 } })),
    ...{ peer: '192.0.2.3', own: '192.0.2.2', routerId: 'lb1', virtualRouterId: 51, priority: 101 },
    ...{ vrrpPasswordFile: null, statusPasswordFile: null },
  }
  t.equal(shipped, configurationText(answers, [unconfiguredMark]))
  // Names that the kernel takes, and YAML for a number, a boolean or a comment.
  for (const name of ['7', '1e3', 'no', '#2']) {
    const text = configurationText({ ...answers, interface: name }, [])
    t.match(parse(text), { vrrp: { instances: [{ interface: name }] } })
  }
  t.ok(isUnconfigured(shipped))
  const file = join(lab.directory, 'shipped.yaml')
  writeFileSync(file, shipped)
  for (const word of ['run', 'check']) {
    const { code, stderr } = await lb1.run(process.execPath, [balancer, word, '--config', file])
    t.equal(code, 78)
    t.match(stderr, /^\S+shipped\.yaml: this balancer is not configured yet; run: balancer setup .*\n$/)
  }
  writeFileSync(file, shipped.replace(/^# NOT CONFIGURED.*\n/, '').replaceAll('192.0.2.', '198.18.0.'))
  t.match(await lb1.run(process.execPath, [balancer, 'check', '--config', file]), { code: 0 })
  writeFileSync(file, shipped)
  t.match(await setup(lb1, '--yes', '--output', file, ...needed), { code: 0 }, 'setup replaces it without --force')
  t.equal(readFileSync(`${file}.bak`, 'utf8'), shipped)
})
