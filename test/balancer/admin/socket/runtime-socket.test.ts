import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { RuntimeError, startRuntimeSocket } from '../../../../balancer/admin/socket/runtime-socket.ts'
import { FailedStart } from '../../../../balancer/core/failed-start.ts'
import { waitFor } from '../../../lab/wait-for.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-runtime-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const log = pino({ level: 'silent' })

/** Listens at a path and is killed there. */
const deadListener = join(directory, 'dead-listener.mjs')
writeFileSync(
  deadListener,
  "import { createServer } from 'node:net'\ncreateServer().listen(process.argv[2], () => process.kill(process.pid, 'SIGKILL'))\n",
)

const ask = (path: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.write(text))
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', reject)
    socket.on('end', () => {
      socket.end()
      resolve(answer)
    })
  })

const longAnswer = 'x'.repeat(10_000_000)

const commands = {
  long: () => longAnswer,
  echo: (words: readonly string[]) => words.join('+'),
  refuse: () => {
    throw new RuntimeError('not now')
  },
  crash: () => {
    throw new TypeError('a bug with a secret in it')
  },
}

t.test('commands and their answers', async (t) => {
  const path = join(directory, 'deeper', 'admin.sock')
  const socket = await startRuntimeSocket(path, commands, log)
  t.teardown(() => socket.stop())

  t.test('a line is a command with its words, the answer is its text', async (t) => {
    t.equal(await ask(path, 'echo a  b c\n'), 'a+b+c\n')
    t.equal(await ask(path, '  echo \r\n'), '\n')
  })

  t.test('refusals begin with error:, and a bug tells nothing of itself', async (t) => {
    t.equal(await ask(path, 'refuse\n'), 'error: not now\n')
    t.equal(await ask(path, 'crash\n'), 'error: the balancer could not carry it out; its log says why\n')
  })

  t.test('what is no command is told what there is', async (t) => {
    for (const line of ['', 'dance', 'toString', '__proto__', '\u0000\u0001']) {
      t.equal(
        await ask(path, `${line}\n`),
        'error: unknown command; there are: long, echo, refuse, crash\n',
        JSON.stringify(line),
      )
    }
  })

  t.test('a line without an end is cut off, not collected', async (t) => {
    t.match(await ask(path, 'x'.repeat(10_000)), 'error: unknown command')
  })

  t.test('who says nothing, never reads or sends a megabyte of noise keeps nobody waiting', async (t) => {
    const silent = connect(path)
    const deaf = connect(path, () => deaf.write('long\n'))
    const noisy = connect(path, () => noisy.write(Buffer.alloc(1_000_000, 0xff)))
    for (const client of [silent, deaf, noisy]) {
      client.on('error', () => {})
      t.teardown(() => client.destroy())
    }
    noisy.resume()
    await new Promise((resolve) => noisy.once('end', resolve))
    t.equal((await ask(path, 'long\n')).length, longAnswer.length + 1)
    t.equal(await ask(path, 'echo still\n'), 'still\n')
  })

  t.test('the socket is for its owner alone', async (t) => {
    t.equal(statSync(path).mode & 0o777, 0o600)
  })

  t.test('a second balancer at the same socket does not start', async (t) => {
    await t.rejects(startRuntimeSocket(path, commands, log), FailedStart)
    t.equal(await ask(path, 'echo still\n'), 'still\n')
  })
})

t.test('what a dead balancer left is replaced', async (t) => {
  const path = join(directory, 'left.sock')
  const left = fork(deadListener, [path])
  await new Promise((resolve) => left.once('exit', resolve))
  t.ok(statSync(path).isSocket(), 'it left its socket')
  const socket = await startRuntimeSocket(path, commands, log)
  t.teardown(() => socket.stop())
  t.equal(await ask(path, 'echo new\n'), 'new\n')
})

t.test('a file that is no socket is never removed', async (t) => {
  const path = join(directory, 'precious.cnf')
  writeFileSync(path, 'data')
  await t.rejects(startRuntimeSocket(path, commands, log), { name: 'FailedStart', message: /no socket.*admin\.socket/ })
  t.equal(readFileSync(path, 'utf8'), 'data')
})

t.test('a path that cannot be is a failed start that names it', async (t) => {
  const path = join(directory, 'file', 'admin.sock')
  writeFileSync(join(directory, 'file'), '')
  await t.rejects(startRuntimeSocket(path, commands, log), {
    name: 'FailedStart',
    message: /cannot listen at .*admin\.socket/,
  })
})

t.test('a socket that is deleted comes back, with its directory and its mode', async (t) => {
  const place = join(directory, 'run', 'balancer')
  const path = join(place, 'admin.sock')
  const lines: string[] = []
  const telling = pino({ level: 'warn' }, { write: (line) => void lines.push(line) })
  const socket = await startRuntimeSocket(path, commands, telling, { idle: 30_000, look: 20 })
  t.teardown(() => socket.stop())
  for (const gone of [path, place]) {
    rmSync(gone, { recursive: true })
    await waitFor('the socket', () => statSync(path, { throwIfNoEntry: false })?.isSocket())
    t.equal(await ask(path, 'echo here\n'), 'here\n')
    t.equal(statSync(path).mode & 0o777, 0o600)
  }
  t.match(lines.at(-1), 'was deleted; it is there again')

  rmSync(path)
  writeFileSync(path, 'data')
  await waitFor('the log to tell', () => lines.at(-1)?.includes('Something else is at'))
  socket.stop()
  t.equal(readFileSync(path, 'utf8'), 'data', 'what is of others stays')
})

t.test('a command may take longer than who talks to it may be silent', async (t) => {
  const path = join(directory, 'slow.sock')
  const slow = () => new Promise<string>((resolve) => setTimeout(resolve, 300, 'done at last'))
  const socket = await startRuntimeSocket(path, { slow }, log, { idle: 50, look: 2000 })
  t.teardown(() => socket.stop())
  t.equal(await ask(path, 'slow\n'), 'done at last\n')
})
