import t from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import { openPinger } from '../../../balancer/os/ping.ts'
import { runScript, type Script } from '../../../balancer/os/script.ts'

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
