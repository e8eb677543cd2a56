import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { listenerSchema } from '../../../../balancer/config/listener-schema.ts'
import { vrrpSchema } from '../../../../balancer/config/vrrp-schema.ts'
import { monotonicNow } from '../../../../balancer/os/clock.ts'
import type { NetworkInterface } from '../../../../balancer/os/netlink.ts'
import { type Outcome, refused } from '../../../../balancer/os/outcome.ts'
import { matches } from '../../../../balancer/os/process-table.ts'
import type { Standing } from '../../../../balancer/vrrp/core/tracking.ts'
import { createTracking, type TrackingConfig } from '../../../../balancer/vrrp/tracking/tracking.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { quietLog } from '../quiet-log.ts'

t.setTimeout(120_000)
const directory = mkdtempSync(join(tmpdir(), 'tracking-'))
chmodSync(directory, 0o755)
t.teardown(() => rmSync(directory, { recursive: true }))

const program = (name: string, text: string): string => {
  const file = join(directory, name)
  writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return file
}

type Input = {
  readonly track: object
  readonly shared?: object
  readonly group?: boolean
  readonly listeners?: object[]
}

const configOf = ({ track, shared = {}, group = false, listeners = [] }: Input): TrackingConfig => {
  const instance = (name: string, id: number, tracked: object) => ({
    name,
    interface: 'eth0',
    virtual_router_id: id,
    virtual_addresses: [`198.18.0.${100 + id}/24`],
    track: tracked,
  })
  return {
    vrrp: vrrpSchema.parse({
      instances: [instance('V', 1, track), ...(group ? [instance('W', 2, { serving: false })] : [])],
      sync_groups: group ? [{ name: 'G', instances: ['V', 'W'] }] : [],
      ...shared,
    }),
    listeners: listeners.map((listener) => listenerSchema.parse(listener)),
  }
}

const noInterface = { findInterface: async () => refused('ENODEV', 'none') }

const start = (input: Input, netlink: Parameters<typeof createTracking>[0]['netlink'] = noInterface) => {
  const { log, messages } = quietLog()
  const changes: (readonly [string, Standing])[] = []
  const tracking = createTracking({
    config: configOf(input),
    netlink,
    log,
    onChange: (instance, standing) => changes.push([instance, standing]),
  })
  return { tracking, messages, changes }
}

const isAlive = (file: string): boolean => {
  const id = Number(readFileSync(file, 'utf8'))
  return id > 0 && existsSync(`/proc/${id}`) && !/\) Z /.test(readFileSync(`/proc/${id}/stat`, 'utf8'))
}

t.test("a script succeeds and fails, and each change is told at once with keepalived's words", async (t) => {
  const flag = join(directory, 'flag')
  const chk = { name: 'chk', command: [program('flagged', `test -e ${flag} || exit 3`)], interval: '100ms', weight: -7 }
  const { tracking, messages, changes } = start({
    track: { serving: false, scripts: ['chk'] },
    shared: { scripts: [chk] },
  })
  t.match(tracking.standing('V'), { priority: 100, fault: null, parts: [{ of: 'configured', value: 100 }] })
  await waitFor('a failure', () => tracking.standing('V').priority === 93)
  t.match(changes, [['V', { priority: 93, parts: [{}, { of: 'script chk', value: -7 }], fault: null }]])
  writeFileSync(flag, '')
  await waitFor('success', () => tracking.standing('V').priority === 100)
  t.same(messages(), ['VRRP_Script(chk) failed (exited with status 3)', 'VRRP_Script(chk) succeeded'])
  await tracking.stop()
})

t.test('what cannot be started, what dies of a signal and what runs as nobody at all is a failure', async (t) => {
  const scripts = [
    { name: 'missing', command: ['/nowhere/chk'] },
    { name: 'killed', command: [program('killed', 'kill -9 $$')] },
    { name: 'nobody', command: ['/bin/true'], user: 'no-such-user' },
    {
      name: 'other',
      command: [program('other', 'test "$(id -un)" = nobody -a "$HOME" = /nonexistent')],
      user: 'nobody',
    },
  ]
  const { tracking, messages } = start({
    track: { serving: false, scripts: scripts.map(({ name }) => name) },
    shared: { scripts },
  })
  await waitFor('all results', () => messages().length >= scripts.length)
  const { fault } = tracking.standing('V')
  t.match(fault, /script missing: could not be started: ENOENT/)
  t.match(fault, /script killed: killed by signal SIGKILL/)
  t.match(fault, /script nobody: could not be started: there is no user no-such-user/)
  t.notMatch(fault, /other/)
  await tracking.stop()
})

t.test('a script that hangs is killed with its children, and never runs twice at once', async (t) => {
  const child = join(directory, 'child')
  const lock = join(directory, 'lock')
  const twice = join(directory, 'twice')
  const text = `trap '' TERM
test -e ${lock} && touch ${twice}
touch ${lock}
sleep 1000 &
echo $! > ${child}
rm ${lock}
wait; sleep 1000`
  const chk = { name: 'chk', command: [program('hanging', text)], interval: '100ms', timeout: '300ms', fall: 2 }
  const { tracking } = start({ track: { serving: false, scripts: ['chk'] }, shared: { scripts: [chk] } })
  await waitFor('fault', () => tracking.standing('V').fault)
  t.equal(tracking.standing('V').fault, 'script chk: timed out after 300 ms')
  await tracking.stop()
  await waitFor('no child to be left', () => !isAlive(child))
  t.notOk(existsSync(twice))
})

t.test('stopping kills what runs', async (t) => {
  const child = join(directory, 'stopped-child')
  const chk = { name: 'chk', command: [program('endless', `echo $$ > ${child}; sleep 1000`)], timeout: '10m' }
  const { tracking } = start({ track: { serving: false, scripts: ['chk'] }, shared: { scripts: [chk] } })
  await waitFor('it to run', () => existsSync(child) && readFileSync(child, 'utf8').length > 1)
  await tracking.stop()
  t.notOk(isAlive(child))
})

t.test('a reload keeps a script that stays, also with another weight, and starts a changed one anew', async (t) => {
  const runs = join(directory, 'runs')
  const command = [program('counting', `echo >> ${runs}; exit 1`)]
  const chk = { name: 'chk', command, interval: '1h', weight: -2 }
  const count = (): number => (existsSync(runs) ? readFileSync(runs, 'utf8').length : 0)
  const track = { serving: false, scripts: ['chk'] }
  const { tracking, changes } = start({ track, shared: { scripts: [chk] } })
  await waitFor('a failure', () => tracking.standing('V').priority === 98)
  tracking.reconfigure(configOf({ track, shared: { scripts: [{ ...chk, weight: -9 }] } }))
  t.match(changes.at(-1), ['V', { priority: 91 }])
  t.equal(count(), 1)
  tracking.reconfigure(configOf({ track, shared: { scripts: [{ ...chk, command: [...command, 'x'] }] } }))
  t.equal(tracking.standing('V').priority, 100, 'another script, of which nothing is known')
  await waitFor('a failure', () => tracking.standing('V').priority === 98)
  t.equal(count(), 2)
  await tracking.stop()
})

t.test('the number in a file times its weight counts; weight 0 makes anything but 0 a fault', async (t) => {
  const file = join(directory, 'number')
  const shared = { track_files: [{ name: 'f', path: file, weight: 2 }] }
  const { tracking, messages } = start({ track: { serving: false, files: ['f'] }, shared })
  await waitFor('a look', () => messages().length > 0)
  t.match(tracking.standing('V'), { priority: 100, fault: null }, 'no file is 0')
  writeFileSync(file, '-10\n')
  await waitFor('the number', () => tracking.standing('V').priority === 80)
  writeFileSync(`${file}.new`, '5')
  renameSync(`${file}.new`, file)
  await waitFor('the replaced file', () => tracking.standing('V').priority === 110)
  tracking.reconfigure(configOf({ track: { serving: false, files: [{ file: 'f', weight: 0 }] }, shared }))
  t.match(tracking.standing('V'), { priority: 100, fault: 'file f: its number is 5' })
  writeFileSync(file, `nonsense ${'x'.repeat(100_000)}`)
  await waitFor('recovery', () => tracking.standing('V').fault === null)
  unlinkSync(file)
  await waitFor('another look', () => messages().at(-1) === 'Track_file(f) there is no file')
  await tracking.stop()
})

t.test('a process is missed as soon as fewer than the quorum run', async (t) => {
  const spawned: ChildProcess[] = []
  const run = () => {
    const child = spawn('/bin/sleep', ['98765'], { stdio: 'ignore' })
    spawned.push(child)
    return child
  }
  t.teardown(() => {
    for (const child of spawned) child.kill('SIGKILL')
  })
  const first = run()
  const second = run()
  await Promise.all([once(first, 'spawn'), once(second, 'spawn')])
  const shared = { track_processes: [{ name: 'p', process: 'sleep 98765', quorum: 2 }] }
  const { tracking, messages } = start({ track: { serving: false, processes: ['p'] }, shared })
  await waitFor('both', () => messages().includes('Track_process(p) quorum gained (2 of 2)'))
  first.kill('SIGKILL')
  await waitFor('a loss', () => tracking.standing('V').fault === 'process p: 1 of 2 run')
  run()
  await waitFor('recovery', () => tracking.standing('V').fault === null)
  await tracking.stop()
})

t.test('a process is known by its name, its program or the beginning of its command line', async (t) => {
  const argv = ['/usr/sbin/haproxy', '-Ws', '-f', '/etc/haproxy.cfg']
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['haproxy', 'haproxy', true],
    ['haproxy', 'renamed', true],
    ['/usr/sbin/haproxy', 'renamed', true],
    ['/usr/sbin/haproxy -Ws', 'x', true],
    ['/usr/sbin/haproxy -W', 'x', false],
    ['haproxy -Ws -f', 'x', true],
    ['proxy', 'haproxy', false],
    ['a-name-longer-than-the-kernel-keeps', 'a-name-longer-t', true],
  ]
  for (const [pattern, name, expected] of cases) t.equal(matches(pattern, name, argv), expected, pattern)
})

t.test('an interface fails without a link, without the addresses it had, and when it is gone', async (t) => {
  const held = (address: string) => ({
    address,
    prefixLength: 24,
    interfaceIndex: 2,
    isPermanent: true,
    isTentative: false,
  })
  let seen: Outcome<NetworkInterface> = refused('ENODEV', 'none')
  const show = (isUp: boolean, addresses: readonly string[]): void => {
    seen = { ok: true, value: { name: 'eth1', index: 2, mac: [], isUp, addresses: addresses.map(held) } }
    tracking.networkChanged()
  }
  const { tracking } = start({ track: { serving: false, interfaces: ['eth1'] } }, { findInterface: async () => seen })
  const fault = (expected: string | null) => waitFor(String(expected), () => tracking.standing('V').fault === expected)
  await fault('interface eth1: there is no such interface')
  show(true, [])
  await fault(null)
  show(true, ['198.18.0.101'])
  show(true, ['198.18.0.5'])
  await fault(null)
  show(true, ['198.18.0.101'])
  await fault('interface eth1: it has lost its addresses')
  show(false, ['198.18.0.5'])
  await fault('interface eth1: the link is down')
  show(true, ['198.18.0.5'])
  await fault(null)
  seen = refused('ETIMEDOUT', 'no answer')
  tracking.networkChanged()
  t.equal(tracking.standing('V').fault, null, 'no answer says nothing')
  await tracking.stop()
})

t.test('serving is heard of in facts, and a sync group shares one standing', async (t) => {
  const listeners = [
    { name: 'mysql', bind: '127.0.0.1:3306', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] },
    { name: 'all', bind: '0.0.0.0:3307', servers: [{ name: 'db1', address: '198.18.0.11:3306' }] },
  ]
  const { tracking, changes } = start({ track: {}, group: true, listeners })
  const beat = setInterval(() => {
    for (const one of ['director', 'proxy'] as const) {
      tracking.hear({ fact: 'heartbeat', process: one, at: monotonicNow() })
    }
  }, 200)
  t.teardown(() => clearInterval(beat))
  t.equal(tracking.standing('V').fault, null)
  tracking.hear({
    fact: 'listener',
    listener: 'all',
    binds: [{ address: '0.0.0.0:3307', open: false }],
    sessions: 0,
    maximumSessions: 0,
    totalSessions: 0,
    queued: 0,
    panicking: false,
    ends: {},
    servers: [],
  })
  await waitFor('fault', () => tracking.standing('V').fault)
  const fault = 'serving: listener all: 0.0.0.0:3307 is not open although its address is here'
  t.match(tracking.standing('W'), { fault })
  t.match(changes, [
    ['V', { fault }],
    ['W', { fault }],
  ])
  clearInterval(beat)
  await waitFor('silence', () => /director has not been heard/.test(tracking.standing('W').fault ?? ''))
  await tracking.stop()
})

t.test('a stall of this process is not taken for the silence of another', async (t) => {
  const { tracking, changes } = start({ track: {} })
  const beat = (): void => tracking.hear({ fact: 'heartbeat', process: 'director', at: monotonicNow() })
  beat()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4000)
  const resumedAt = monotonicNow()
  const timer = setInterval(beat, 200)
  t.teardown(() => clearInterval(timer))
  await waitFor('what is known to be looked at', () => monotonicNow() - resumedAt > 1500)
  t.same(changes, [])
  t.equal(tracking.standing('V').fault, null)
  await tracking.stop()
})
