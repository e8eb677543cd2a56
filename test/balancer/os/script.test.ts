import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import { openPinger } from '../../../balancer/os/ping.ts'
import { runScript, type Script } from '../../../balancer/os/script.ts'
import { startScript } from '../../../balancer/os/script-process.ts'
import { waitFor } from '../../lab/wait-for.ts'

t.setTimeout(600_000)
const directory = mkdtempSync(join(tmpdir(), 'script-'))
chmodSync(directory, 0o777)
t.teardown(() => rmSync(directory, { recursive: true }))
/** A folder that nobody but root may change. */
const scripts = mkdtempSync(join(tmpdir(), 'scripts-'))
chmodSync(scripts, 0o755)
t.teardown(() => rmSync(scripts, { recursive: true }))
const file = (name: string, text: string, mode: number): string => {
  writeFileSync(join(scripts, name), text)
  chmodSync(join(scripts, name), mode)
  return join(scripts, name)
}
const programFile = new URL('../../../balancer/os/program-file.js', import.meta.url).href
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
  const pinger = openPinger('ipv4')
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
  const cases: readonly (readonly [program: string, text: RegExp])[] = [
    ['/nowhere/chk', /^could not be started: cannot find \/nowhere\/chk \(ENOENT\); write/],
    [file('no-interpreter', '#!/nowhere/sh\n', 0o755), /names \/nowhere\/sh, which is not there; install it, or/],
    [file('no-path', '#!bash\n', 0o755), /names no interpreter by its absolute path; write one, such as #!\/bin\/sh$/],
    [file('searched', '#!/usr/bin/env -S perl7 -w\n', 0o755), /asks for perl7, which is nowhere in \/usr\/local/],
    [
      file('windows', '#!/bin/sh\r\nexit 0\r\n', 0o755),
      /has the line ends of Windows.*; run: sed -i 's\/\\r\$\/\/' \S+windows$/,
    ],
    [file('arguments', '#!/bin/sh -e\r\n', 0o755), /has the line ends of Windows/],
    [file('marked', '\ufeff#!/bin/sh\n', 0o755), /begins with a byte order mark.*; run: sed -i '1s/],
    [file('empty', '', 0o755), /empty is empty; write the script into it$/],
    [scripts, /is no file; name a program$/],
    [file('plain', '#!/bin/sh\n', 0o644), /plain is not executable; run: chmod \+x \S+plain$/],
    // As execvp(3) has it, the shell tries what the kernel does not know.
    [file('binary', '\x7fELF\0\0', 0o755), /^exited with status 127: it, or what it calls, is not there$/],
  ]
  for (const [program, text] of cases) {
    for (const user of [undefined, 'nobody']) {
      const { ok, text: said } = await run('', { command: [program], user }).result
      t.match(said, text, `${program} as ${user}`)
      t.notOk(ok)
    }
  }
})

t.test('what the commands of these texts mend can be run', async (t) => {
  const mended = ['windows', 'marked', 'plain']
  for (const name of mended) {
    const command = /run: (.*)$/.exec((await run('', { command: [join(scripts, name)] }).result).text)?.[1] ?? 'false'
    execFileSync('/bin/sh', ['-c', command])
    t.match(await run('', { command: [join(scripts, name)] }).result, { ok: true }, command)
  }
})

t.test(
  'only root, the own user and who runs it may write to a script, its interpreter and their folders',
  async (t) => {
    const owned = (name: string, uid: number, mode = 0o755): string => {
      const made = file(name, '#!/bin/sh\n', mode)
      chownSync(made, uid, 0)
      return made
    }
    const nobody = 65_534
    const his = owned('his', nobody)
    const other = owned('other', 1)
    const open = owned('open', 0, 0o777)
    const interpreted = file('interpreted', `#!${open}\n`, 0o755)
    const said = async (command: string, user?: string) => (await run('', { command: [command], user }).result).text
    t.equal(await said(his, 'nobody'), 'exited with status 0')
    t.match(
      await said(his),
      /would run as root, and others than root may write to \S+his; run: chown root \S+his && chmod go-w/,
    )
    t.match(
      await said(other, 'nobody'),
      /would run as nobody, and others than root and nobody may write to \S+other; run/,
    )
    t.match(await said(open, 'nobody'), /others than root and nobody may write to \S+open/)
    t.match(await said(interpreted, 'nobody'), /others than root and nobody may write to \S+open/)
    chmodSync(join(scripts, 'his'), 0o700)
    t.match(
      await said(owned('closed', 0, 0o700), 'nobody'),
      /nobody may not execute \S+closed; run: chmod o\+x \S+closed, or name another/,
    )

    // A process without root's rights, as with ambient capabilities, looks as closely.
    const look = `import(${JSON.stringify(programFile)}).then((m) => console.log(process.argv.slice(1).map((p) => String(m.programProblem(p, undefined))).join('|')))`
    const asNobody = [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      '--inh-caps=-all',
      process.execPath,
      '-e',
      look,
    ]
    const { NODE_OPTIONS: _, ...env } = process.env
    const [own, foreign] = execFileSync('/usr/bin/setpriv', [...asNobody, owned('own', nobody), other], {
      env,
      encoding: 'utf8',
    }).split('|')
    t.equal(own, 'undefined')
    t.match(
      foreign,
      /would run as the user of the balancer, and others than root and the user of the balancer may write/,
    )
  },
)

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
