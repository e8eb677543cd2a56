// The shipped unit of the balancer under a real systemd, with another balancer beside it that takes the address over.

import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Host } from '../lab/host.ts'
import { createLab } from '../lab/lab.ts'
import { balancerProgram as program } from '../lab/programs.ts'
import { bootSystemd } from '../lab/systemd.ts'
import { waitFor } from '../lab/wait-for.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'e2e-balancer-systemd' })
t.teardown(() => lab.destroy())
const [first, second, database] = [
  await lab.addHost('lb1', '198.18.0.2/24'),
  await lab.addHost('lb2', '198.18.0.3/24'),
  await lab.addHost('db1', '198.18.0.11/24'),
]
const checkout = fileURLToPath(new URL('../../..', import.meta.url))
const lb1 = await bootSystemd({ lab, host: first, directories: { '/opt/mysql-balancer': checkout } })
const unit = 'balancer.service'
const virtual = '198.18.0.100/24'

type More = { readonly track?: string; readonly end?: string }
const configuration = (
  host: Host,
  priority: number,
  socket: string,
  more: More = {},
): string => `router_id: ${host.name}
vrrp:
  instances:
    - name: VI_1
      interface: eth0
      virtual_router_id: 51
      version: 3
      priority: ${priority}
      advertisement_interval: 3s
      preempt: false
      virtual_addresses: [${virtual}]
${more.track ?? ''}listeners:
  - name: mysql
    bind: [198.18.0.100:3306, "${host.address}:99"]
    check: [{ type: tcp, interval: 200ms, rise: 1 }, { type: icmp, interval: 200ms, rise: 1 }]
    servers: [{ name: db1, address: 198.18.0.11:3306 }]
admin: { socket: ${socket} }
${more.end ?? ''}`
const configFile = '/etc/balancer/balancer.yaml'
/** A script as another user, which only that one passes. */
const track = `      track: { scripts: [as_nobody] }
  scripts: [{ name: as_nobody, command: [/usr/bin/test, -O, /etc/balancer/of-nobody], user: nobody }]
`
const configure = (end = ''): void =>
  writeFileSync(lb1.path(configFile), configuration(first, 101, '/run/balancer/admin.sock', { track, end }))

const show = (property: string) => lb1.property(unit, property)
const journal = async (): Promise<string> => {
  // What was said before this call may not have been written yet.
  await lb1.mustRun('journalctl', ['--sync'])
  return lb1.mustRun('journalctl', ['--no-pager', '--output=cat', `--unit=${unit}`])
}
const systemctl = async (...words: readonly string[]): Promise<void> => {
  const { code, stderr } = await lb1.run('systemctl', words)
  if (code !== 0) throw new Error(`systemctl ${words.join(' ')} ended with ${code}: ${stderr}\n${await journal()}`)
}
const holds = async (host: Host): Promise<boolean> => (await host.addresses()).includes(virtual)
const heldBy = (host: Host) => waitFor(`${host.name} to hold ${virtual}`, () => holds(host))
/** What the journal says while `action` runs, and until the unit is in this state. */
const journalOf = async (action: () => unknown, until: () => Promise<boolean>): Promise<string> => {
  const known = (await journal()).length
  await action()
  await waitFor('the unit', until)
  return (await journal()).slice(known)
}
const peerFile = join(lab.directory, 'lb2.yaml')
const peerCommand = (...words: readonly string[]) =>
  second.run(process.execPath, [program, ...words, '--config', peerFile])
const giveBack = async (): Promise<void> => {
  await waitFor('the unit to be active', async () => (await show('ActiveState')) === 'active')
  await waitFor('lb1 to stand by', async () => /VI_1 BACKUP/.test(await show('StatusText')))
  const { code, stderr } = await peerCommand('vrrp', 'VI_1', 'handover')
  if (code !== 0) throw new Error(stderr)
  await heldBy(first)
}
/** Another process, started again by systemd so many times. */
const restarted = (times: number) => async (): Promise<boolean> =>
  Number(await show('NRestarts')) === times && (await show('ActiveState')) === 'active'

await t.test('systemctl start returns when the balancer serves, and status says it in a sentence', async (t) => {
  const server = "require('node:net').createServer((s)=>s.on('error',()=>{}).end('db1\\n')).listen(3306,'198.18.0.11')"
  database.spawn('server', process.execPath, ['-e', server])
  mkdirSync(lb1.path('/etc/balancer'))
  writeFileSync(lb1.path('/etc/balancer/of-nobody'), '')
  chownSync(lb1.path('/etc/balancer/of-nobody'), 65_534, 65_534)
  writeFileSync(
    lb1.path('/usr/sbin/balancer'),
    `#!/bin/sh\nexec /usr/bin/node /opt/mysql-balancer/${relative(checkout, program)} "$@"\n`,
    {
      mode: 0o755,
    },
  )
  await lb1.mustRun('cp', ['/opt/mysql-balancer/packaging/balancer/balancer.service', '/etc/systemd/system/'])
  const { stdout, stderr } = await lb1.run('systemd-analyze', ['verify', '--man=no', `/etc/systemd/system/${unit}`])
  t.notMatch(stdout + stderr, unit, 'systemd understands every line of the unit')
  configure()
  await systemctl('daemon-reload')
  await systemctl('enable', '--now', unit)
  t.match(await journal(), /Balancer is running/)
  t.match(await journal(), /The vrrp process runs with SCHED_RR/)
  await heldBy(first)
  const sentence = 'VI_1 MASTER; mysql: 1 of 1 servers take sessions'
  await waitFor('the sentence', async () => {
    const shown = await show('StatusText')
    if (shown !== sentence) throw new Error(`${shown}: ${(await lb1.run('balancer', ['show', '--json'])).stdout}`)
    return true
  })
  const { stdout: greeting } = await second.run('bash', ['-c', 'exec 3<>/dev/tcp/198.18.0.100/3306; head -n 1 <&3'])
  t.equal(greeting, 'db1\n')
  writeFileSync(peerFile, configuration(second, 100, join(lab.directory, 'lb2.sock')))
  await second.spawn('balancer', process.execPath, [program, '--config', peerFile]).waitForOutput(/Balancer is running/)
  const children = (await lb1.mustRun('pgrep', ['--parent', await show('MainPID')])).trim().split('\n')
  const rights = await Promise.all(
    children.map(async (pid) => {
      const status = await lb1.mustRun('cat', [`/proc/${pid}/status`])
      const [, bound] = /^CapBnd:\s*(\w+)/m.exec(status) ?? []
      return `${await lb1.mustRun('cat', [`/proc/${pid}/cmdline`])} ${bound}`.replaceAll('\0', '')
    }),
  )
  t.same(rights.sort(), [
    'balancer: director 0000000000002401',
    'balancer: proxy 0000000000002400',
    'balancer: vrrp 00000000008035e1',
  ])
  const exposure = (await lb1.mustRun('systemd-analyze', ['security', unit])).match(/exposure level .*: (\d+\.\d)/)
  t.ok(Number(exposure?.[1]) <= 3.7, `systemd's figure for what it could do is ${exposure?.[1]} of 10`)
})

await t.test('a reload applies a good file, and a bad one fails it and says where', async (t) => {
  const pid = await show('MainPID')
  configure('log: { level: debug }')
  await systemctl('reload', unit)
  configure('lgo: { level: info }')
  const said = await journalOf(
    async () => t.not((await lb1.run('systemctl', ['reload', unit])).code, 0),
    async () => (await show('ActiveState')) === 'active',
  )
  t.match(said, /balancer\.yaml:20:1: lgo: unknown key; did you mean log\?/)
  t.match(await lb1.mustRun('systemctl', ['--no-pager', 'status', unit]), /lgo: unknown key/)
  t.same([await show('MainPID'), await show('ActiveState')], [pid, 'active'])
  t.ok(await holds(first))
  configure()
  await systemctl('reload', unit)
})

await t.test('reexec names another main process, and the rest of this file is about that one', async (t) => {
  const pid = await show('MainPID')
  const told = await lb1.mustRun('/usr/sbin/balancer', ['reexec'])
  t.match(told, /runs in place of .*\nNo session is left in the old one\./)
  t.ok(await waitFor('another main process', async () => (await show('MainPID')) !== pid))
  await waitFor('the old one to be gone', async () => (await lb1.run('kill', ['-0', pid])).code !== 0)
  t.same([await show('ActiveState'), await show('NRestarts')], ['active', '0'])
  t.ok(await holds(first))
})

await t.test('a supervisor that stands still is killed by the watchdog, and the address moves meanwhile', async (t) => {
  const fedAt = async (): Promise<number> => Number(await show('WatchdogTimestampMonotonic'))
  const before = await fedAt()
  t.ok(await waitFor('the watchdog to be fed', async () => (await fedAt()) > before))
  t.equal(await show('NRestarts'), '0')
  const pid = await show('MainPID')
  const said = await journalOf(() => lb1.mustRun('kill', ['-STOP', pid]), restarted(1))
  t.match(said, /Watchdog timeout/)
  t.not(await show('MainPID'), pid)
  await heldBy(second)
  t.notOk(await holds(first))
  await giveBack()
})

await t.test(
  'kill -9 of the supervisor: the address is gone, the other router is told, and it starts again',
  async (t) => {
    const pid = await show('MainPID')
    await journalOf(() => lb1.mustRun('kill', ['-KILL', pid]), restarted(2))
    await heldBy(second)
    t.notOk(await holds(first))
    await giveBack()
  },
)

await t.test('kill -9 of all of it: what is left is released before it starts again', async (t) => {
  const said = await journalOf(() => systemctl('kill', '--signal=KILL', unit), restarted(3))
  t.match(said, /released: address 198\.18\.0\.100\/24 on eth0/)
  t.match(said, /released: \(VI_1\) sent 0 priority/)
  await heldBy(second)
  t.notOk(await holds(first))
  await giveBack()
})

await t.test('a stop hands over and leaves nothing, and says nothing of a release', async (t) => {
  const said = await journalOf(
    () => systemctl('stop', unit),
    async () => (await show('ActiveState')) === 'inactive',
  )
  t.match(said, /Balancer stopped[\s\S]*Deactivated successfully/)
  t.notMatch(said, /release/)
  await heldBy(second)
  t.notOk(await holds(first))
  t.same([await show('Result'), await show('ExecMainStatus')], ['success', '0'])
  t.equal((await first.run('nft', ['list', 'tables'])).stdout, '')
  t.notOk((await lb1.run('ls', ['/run/balancer'])).code === 0, 'its directory is gone')
})

await t.test('a start with a wrong configuration fails once and for all, and says why', async (t) => {
  configure('lgo: {}')
  t.not((await lb1.run('systemctl', ['start', unit])).code, 0)
  t.same(
    [await show('ActiveState'), await show('SubState'), await show('ExecMainStatus'), await show('NRestarts')],
    ['failed', 'failed', '78', '0'],
  )
  t.match(await journal(), /balancer\.yaml:20:1: lgo: unknown key/)
})

await t.test('the file of the package starts nothing, and systemctl status says what to do', async (t) => {
  writeFileSync(lb1.path(configFile), readFileSync(join(checkout, 'packaging/balancer/balancer.yaml')))
  t.not((await lb1.run('systemctl', ['start', unit])).code, 0)
  t.same([await show('ActiveState'), await show('ExecMainStatus'), await show('NRestarts')], ['failed', '78', '0'])
  const { stdout } = await lb1.run('systemctl', ['--no-pager', '--full', 'status', unit])
  t.match(
    stdout,
    /Status: "Not started: \/etc\/balancer\/balancer\.yaml: this balancer is not configured yet; run: balancer setup/,
  )
})
