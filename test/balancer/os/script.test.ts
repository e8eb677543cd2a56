import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import { openPinger } from '../../../balancer/os/ping.ts'
import { runScript, type Script } from '../../../balancer/os/script.ts'
import { startScript } from '../../../balancer/os/script-process.ts'
import { waitFor } from '../../lab/wait-for.ts'

t.setTimeout(120_000)
const directory = mkdtempSync(join(tmpdir(), 'script-'))
chmodSync(directory, 0o777)
t.teardown(() => rmSync(directory, { recursive: true }))
const isRunning = (id: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${id}/stat`, 'utf8'))
  } catch {
    return false
  }
}
const numberIn = (file: string): number => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0)

const run = (text: string, change: Partial<Script> = {}) =>
  runScript({
    command: ['/bin/sh', '-c', text],
    user: undefined,
    timeout: millis(20_000),
    environment: {},
    keepOutput: true,
    ...change,
  })

t.test('a script gets no file, no socket and no variable of this process, and an ordinary priority', async (t) => {
  const pinger = openPinger()
  if (!pinger.ok) throw new Error(pinger.text)
  t.teardown(() => pinger.value.close())
  process.env['SECRET_OF_THE_BALANCER'] = 'hunter2'
  const listing = 'cd /proc/self/fd; for f in *; do test $f -gt 2 && readlink /proc/$$/fd/$f; done | grep -c socket'
  t.match(await run(`${listing}; true`).result, { ok: true, lastLine: '0' })
  t.match(await run('echo "x$SECRET_OF_THE_BALANCER $(pwd)"').result, { lastLine: 'x /' })
  t.match(await run('nice').result, { lastLine: '0' })
})

t.test('a result has the status and the last line, cut and without control characters', async (t) => {
  t.match(await run('echo first; printf "a\\033[2Jb\\n"; exit 4').result, {
    ok: false,
    text: 'exited with status 4',
    lastLine: 'a [2Jb',
  })
  const { lastLine } = await run('head -c 9000 /dev/zero | tr "\\\\0" x').result
  t.equal(lastLine?.length, 200)
  t.match(await run('echo unheard', { keepOutput: false }).result, { ok: true, lastLine: null })
})

t.test('what a script leaves running does not hold its result', async (t) => {
  const script = run('sleep 1000 & echo $!')
  const { ok, lastLine } = await script.result
  t.ok(ok)
  process.kill(Number(lastLine))
})

t.test('a user that is given brings his groups', async (t) => {
  t.match(await run('id -G', { user: 'nobody' }).result, { lastLine: '65534' })
})

t.test('what cannot be run is a failure that says why, whoever is to run it', async (t) => {
  const file = (name: string, text: string, mode: number): string => {
    writeFileSync(join(directory, name), text)
    chmodSync(join(directory, name), mode)
    return join(directory, name)
  }
  const cases: readonly (readonly [program: string, text: string])[] = [
    ['/nowhere/chk', 'exited with status 127: it, or what it calls, is not there'],
    [file('no-interpreter', '#!/nowhere/sh\n', 0o755), 'exited with status 127: it, or what it calls, is not there'],
    [directory, 'exited with status 126: it, or what it calls, cannot be executed'],
    [file('plain', '#!/bin/sh\n', 0o644), 'exited with status 126: it, or what it calls, cannot be executed'],
    // As execvp(3) has it, the shell tries what the kernel does not know.
    [file('binary', '\x7fELF\0\0', 0o755), 'exited with status 127: it, or what it calls, is not there'],
  ]
  for (const [program, text] of cases) {
    for (const user of [undefined, 'nobody']) {
      t.match(await run('', { command: [program], user }).result, { ok: false, text }, `${program} as ${user}`)
    }
  }
})

t.test('a script is started by another thread than the one that asks for it', async (t) => {
  const file = join(directory, 'own-thread')
  const script = run(`echo $$ > ${file}; sleep 1000`)
  const id = await waitFor('it to run', () => numberIn(file))
  const starters = readdirSync('/proc/self/task').filter((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').includes(`${id}`),
  )
  t.equal(starters.length, 1)
  t.not(starters[0], `${process.pid}`)
  script.kill()
  await script.ended
  t.notOk(isRunning(id))
})

const program = new URL('../../../balancer/os/script.js', import.meta.url).href
/** A process that runs a script in this way. */
const runElsewhere = (text: string, user?: string) => {
  const script = { command: ['/bin/sh', '-c', text], user, timeout: 600_000, environment: {}, keepOutput: false }
  const code = `import(${JSON.stringify(program)}).then((m) => m.runScript(${JSON.stringify(script)}).result)`
  const { NODE_OPTIONS: _, ...env } = process.env
  return spawn(process.execPath, ['-e', code], { stdio: 'inherit', env })
}

for (const user of [undefined, 'nobody']) {
  t.test(`a script of ${user ?? 'the own user'} does not outlive the process that runs it`, async (t) => {
    const file = join(directory, `outlives-${user}`)
    const owner = runElsewhere(`echo $$ > ${file}; exec sleep 1000`, user)
    const id = await waitFor('it to run', () => numberIn(file))
    t.ok(isRunning(id))
    owner.kill('SIGKILL')
    await waitFor('it to be gone', () => !isRunning(id))
  })
}

t.test('a process that runs scripts ends when they have ended', async (t) => {
  t.same(await once(runElsewhere('exit 3'), 'exit'), [0, null])
})

t.test('what ended in time was in time, also where this process stood still meanwhile', async (t) => {
  const file = join(directory, 'in-time')
  const script = startScript({
    command: ['/bin/sh', '-c', `echo $$ > ${file}`],
    user: undefined,
    timeout: millis(300),
    environment: {},
    keepOutput: false,
  })
  const stand = (): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400)
  do stand()
  while (numberIn(file) === 0 || isRunning(numberIn(file)))
  t.match(await script.result, { ok: true, text: 'exited with status 0' })
})

t.test('one that writes without end is killed when its time is up', async (t) => {
  const flood = run('echo begun; exec cat /dev/zero', { timeout: millis(1000) })
  t.match(await flood.result, { ok: false, text: 'timed out after 1000 ms' })
  await flood.ended
})
