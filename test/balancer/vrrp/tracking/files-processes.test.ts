import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, renameSync, symlinkSync, unlinkSync, watch, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { matches } from '../../../../balancer/os/process-table.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { configOf, directory, start } from './stage.ts'

t.setTimeout(600_000)

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

t.test('what is no regular file is no number, and nothing waits for it', async (t) => {
  const names = ['p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7']
  for (const name of names) execFileSync('mkfifo', [join(directory, name)])
  const numbers = { huge: '9'.repeat(15), negative: '-999999999999999', long: '9'.repeat(16), real: '1.5', hex: '0x10' }
  for (const [name, text] of Object.entries(numbers)) writeFileSync(join(directory, name), text)
  symlinkSync('loop', join(directory, 'loop'))
  const others = ['.', 'loop', ...Object.keys(numbers)]
  const files = [...names, ...others].map((name) => ({ name: `f-${name}`, path: join(directory, name), weight: 1 }))
  const track = { serving: false, files: files.map(({ name }) => name) }
  const { tracking, messages } = start({ track, shared: { track_files: files } })
  await waitFor('all to be looked at', () => messages().length === files.length)
  const said = (name: string) => messages().find((line) => line.startsWith(`Track_file(f-${name}) `))
  for (const name of [...names, '.']) t.match(said(name), 'it is no regular file')
  t.match(said('loop'), 'the file cannot be read: ELOOP')
  t.match(said('huge'), 'its number is 2147483647')
  t.match(said('negative'), 'its number is -2147483647')
  for (const name of ['long', 'real', 'hex']) t.match(said(name), 'there is no number in the file')
  t.match(tracking.standing('V'), { fault: 'file f-negative: its number is -2147483647' })
  await tracking.stop()
})

t.test('who empties a file before he writes it anew ends no fault', async (t) => {
  const file = join(directory, 'rewritten')
  writeFileSync(file, '1')
  const shared = { track_files: [{ name: 'f', path: file, weight: 0 }] }
  const { tracking, changes } = start({ track: { serving: false, files: ['f'] }, shared })
  await waitFor('fault', () => tracking.standing('V').fault)
  const told = changes.length
  const watcher = watch(directory)
  for (let i = 0; i < 10; i += 1) {
    const noticed = once(watcher, 'change')
    writeFileSync(file, '')
    await noticed
    // Whoever believes what he sees has read the file by now.
    for (let reads = 0; reads < 5; reads += 1) await readFile(file)
    writeFileSync(file, '1')
  }
  watcher.close()
  t.equal(changes.length, told)
  writeFileSync(file, '')
  await waitFor('recovery', () => tracking.standing('V').fault === null)
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

t.test('a zombie does not run, and a process that took another name is another one', async (t) => {
  // Other runs of this test may be under way.
  const [zombie = '', before = '', after = ''] = ['zombie', 'before', 'after'].map((name) => `${name}-${process.pid}`)
  const own = join(directory, zombie)
  symlinkSync('/bin/sleep', own)
  // sleep(1) does not wait for a child that it has from the shell it was.
  const parent = spawn('/bin/sh', ['-c', `${own} 1000 & echo $!; exec sleep 1000`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const renaming = `process.title = '${before}'; process.on('SIGUSR2', () => { process.title = '${after}' }); setInterval(() => {}, 1000)`
  const { NODE_OPTIONS: _, ...env } = process.env
  const renamed = spawn(process.execPath, ['-e', renaming], { stdio: 'ignore', env })
  t.teardown(() => {
    parent.kill('SIGKILL')
    renamed.kill('SIGKILL')
  })
  const [line] = await once(parent.stdout, 'data')
  const id = Number(String(line))
  let isKilled = false
  const kill = (): void => {
    if (!isKilled) process.kill(id, 'SIGKILL')
    isKilled = true
  }
  t.teardown(kill)
  const names = [zombie, before, after]
  const shared = { track_processes: names.map((name) => ({ name, process: name, weight: -10 })) }
  const { tracking, messages } = start({ track: { serving: false, processes: names }, shared })
  for (const name of [zombie, before]) {
    await waitFor(`${name} to run`, () => messages().includes(`Track_process(${name}) quorum gained (1 of 1)`))
  }
  const heard = messages().length
  const said = (line: string): boolean => messages().slice(heard).includes(`Track_process(${line})`)
  kill()
  await waitFor('the zombie to be missed', () => said(`${zombie}) quorum lost (0 of 1`))
  t.match(readFileSync(`/proc/${id}/stat`, 'utf8'), / Z /)
  renamed.kill('SIGUSR2')
  await waitFor('the old name to be missed', () => said(`${before}) quorum lost (0 of 1`))
  await waitFor('the new one to be found', () => said(`${after}) quorum gained (1 of 1`))
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
