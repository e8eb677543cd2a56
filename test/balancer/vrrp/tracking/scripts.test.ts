import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { unseen } from '../../../../balancer/vrrp/tracking/source.ts'
import { createWatches } from '../../../../balancer/vrrp/tracking/watches.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { configOf, directory, program, start } from './stage.ts'

t.setTimeout(600_000)

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
  t.match(fault, /script missing: could not be started: cannot find \/nowhere\/chk \(ENOENT\)/)
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
  const chk = { name: 'chk', command: [program('hanging', text)], interval: '100ms', timeout: '2s', fall: 2 }
  const { tracking } = start({ track: { serving: false, scripts: ['chk'] }, shared: { scripts: [chk] } })
  await waitFor('fault', () => tracking.standing('V').fault)
  t.equal(tracking.standing('V').fault, 'script chk: timed out after 2000 ms')
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
  const gate = join(directory, 'runs-gate')
  const command = [
    program('counting', `echo >> ${runs}; test -z "$1" && exit 1; while ! test -e ${gate}; do sleep 0.1; done`),
  ]
  const chk = { name: 'chk', command, interval: '1h', timeout: '10m', weight: -2 }
  const count = (): number => (existsSync(runs) ? readFileSync(runs, 'utf8').length : 0)
  const track = { serving: false, scripts: ['chk'] }
  const { tracking, changes } = start({ track, shared: { scripts: [chk] } })
  await waitFor('a failure', () => tracking.standing('V').priority === 98)
  tracking.reconfigure(configOf({ track, shared: { scripts: [{ ...chk, weight: -9 }] } }))
  t.match(changes.at(-1), ['V', { priority: 91 }])
  t.equal(count(), 1)
  const told = changes.length
  tracking.reconfigure(configOf({ track, shared: { scripts: [{ ...chk, weight: -9, command: [...command, 'x'] }] } }))
  await waitFor('the changed one to run', () => count() === 2)
  t.equal(tracking.standing('V').priority, 91, 'what was known holds until something else is known')
  t.equal(changes.length, told)
  writeFileSync(gate, '')
  await waitFor('success', () => tracking.standing('V').priority === 100)
  await tracking.stop()
})

t.test('a reload ends no fault and makes none', async (t) => {
  const passing = join(directory, 'passing')
  const command = [program('reloaded', `test -e ${passing}`)]
  const slow = [program('reloaded-slow', 'sleep 1000')]
  const file = join(directory, 'reloaded-number')
  writeFileSync(file, '1')
  const shared = (script: object, quorum: number, path: string) => ({
    scripts: [{ name: 'chk', command, interval: '100ms', timeout: '10m', ...script }],
    track_processes: [{ name: 'p', process: 'no such process', quorum, delay: '1h' }],
    track_files: [{ name: 'f', path, weight: 0 }],
  })
  const track = { serving: false, scripts: ['chk'], processes: ['p'], files: ['f'] }
  const { tracking, changes } = start({ track, shared: shared({}, 1, file) })
  const fault = 'script chk: exited with status 1; file f: its number is 1; process p: 0 of 1 run'
  await waitFor('all to fail', () => tracking.standing('V').fault === fault)
  const told = changes.length
  tracking.reconfigure(configOf({ track, shared: shared({ command: slow }, 2, `${directory}/./reloaded-number`) }))
  t.equal(tracking.standing('V').fault, fault)
  t.equal(changes.length, told, 'nobody is told of anything')
  await tracking.stop()

  writeFileSync(passing, '')
  const well = { serving: false, scripts: ['chk'] }
  const chk = { name: 'chk', command, interval: '1h', init_fail: true, weight: -7 }
  const second = start({ track: well, shared: { scripts: [chk] } })
  t.equal(second.tracking.standing('V').priority, 93, 'init_fail')
  await waitFor('success', () => second.tracking.standing('V').priority === 100)
  const changed = { ...chk, command: slow, timeout: '10m' }
  second.tracking.reconfigure(configOf({ track: well, shared: { scripts: [changed] } }))
  t.equal(second.tracking.standing('V').priority, 100)
  await second.tracking.stop()
})

t.test('nothing of a name starts before what ran under it has ended', async (t) => {
  const order: string[] = []
  const ends: (() => void)[] = []
  const watches = createWatches((config: string, { ended }) => {
    void ended.then(() => order.push(`begins ${config}`))
    return {
      sight: () => unseen,
      stop: () =>
        new Promise<void>((resolve) => {
          ends.push(() => {
            order.push(`ended ${config}`)
            resolve()
          })
        }),
    }
  })
  for (const config of ['a', 'b', 'c']) watches.keep(new Map([['x', config]]))
  const stopped = watches.stop().then(() => order.push('stopped'))
  await new Promise((resolve) => setImmediate(resolve))
  for (const end of [...ends].reverse()) {
    end()
    await new Promise((resolve) => setImmediate(resolve))
  }
  await stopped
  t.same(order, ['begins a', 'ended c', 'ended b', 'ended a', 'begins b', 'begins c', 'stopped'])
})

t.test('why a script fails is told as it is now', async (t) => {
  const status = join(directory, 'status')
  writeFileSync(status, '3')
  const chk = { name: 'chk', command: [program('changing', `exit $(cat ${status})`)], interval: '100ms' }
  const { tracking, changes } = start({ track: { serving: false, scripts: ['chk'] }, shared: { scripts: [chk] } })
  await waitFor('a failure', () => tracking.standing('V').fault === 'script chk: exited with status 3')
  writeFileSync(`${status}.new`, '4')
  renameSync(`${status}.new`, status)
  await waitFor('another one', () => tracking.standing('V').fault === 'script chk: exited with status 4')
  t.match(changes.at(-1), ['V', { fault: 'script chk: exited with status 4' }])
  await tracking.stop()
})
