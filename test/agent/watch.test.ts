// The event stream of the agent, with a real MariaDB behind it, and what a client must not do to it.

import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { plainBody } from '../../agent/server/core/bodies.ts'
import { startServer } from '../../agent/server/server.ts'
import type { News } from '../../agent/server/watchers.ts'
import { readStream, type StreamEvent, streamStart } from '../../shared/health-stream.ts'
import { createLab } from '../lab/lab.ts'
import { freePort, startMariaDb } from '../lab/mariadb.ts'
import { checkUser } from '../lab/mariadb-files.ts'
import { agentProgram } from '../lab/programs.ts'
import { waitFor } from '../lab/wait-for.ts'
import { dial } from './client.ts'
import { report } from './samples.ts'

t.setTimeout(600_000)
const lab = await createLab({ name: 'agent-watch' })
t.teardown(lab.destroy)
const db = await startMariaDb({ lab, name: 'db1' })
const file = (name: string): string => join(lab.directory, name)
writeFileSync(file('password'), `${checkUser.password}\n`, { mode: 0o600 })
mkdirSync(file('etc'))
const port = await freePort()
const flag = join(file('etc'), 'proxyoff')
const write = (...lines: readonly string[]): void => {
  const login = `mysql: { socket: ${db.socket}, client_address: none, user: ${checkUser.user}, password_file: ${file('password')} }`
  // An interval that no test waits for: what is told in time was noticed otherwise.
  const text = [login, 'check: { interval: 1m, login_interval: 1h }', ...lines, '']
  writeFileSync(file('agent.yaml'), text.join('\n'))
}
const usual = [`listen: { address: 127.0.0.1, port: ${port} }`, `force_fail_file: ${flag}`]
write(...usual)
const start = async () => {
  const daemon = lab.spawn('agent', process.execPath, [agentProgram, '--config', file('agent.yaml')])
  await daemon.waitForOutput(/Started, listening on/)
  return daemon
}
let agent = await start()

const head = /^HTTP\/1\.1 200 OK\r\n[\s\S]*?\r\n\r\n/
const watch = (target = '/watch?heartbeat=100ms', at = port) => {
  const client = dial(at)
  client.send(`GET ${target} HTTP/1.0\r\n\r\n`)
  const read = () => readStream(streamStart(0), client.text().replace(head, ''), 0)
  const reports = () => read().events.filter((one) => one.event === 'report')
  return {
    ...client,
    events: (): readonly StreamEvent[] => read().events,
    reports,
    until: (status: number, code: string, after = 0) =>
      waitFor(`${status} ${code}`, () => {
        const last = reports().slice(after).at(-1)
        return last?.status === status && last.report.reason.code === code
      }),
  }
}
const get = async (path: string): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, { headers: { Connection: 'close' } })
const metric = async (line: RegExp): Promise<string | undefined> =>
  (await (await get('/metrics')).text()).match(line)?.[1]

t.test('a stream begins with the report; heartbeats follow, and nothing else while nothing changes', async (t) => {
  const one = watch()
  await one.until(200, 'ok')
  await waitFor('heartbeats', () => one.events().filter(({ event }) => event === 'heartbeat').length > 5)
  t.equal(one.reports().length, 1)
  t.match(one.text(), /Content-Type: text\/event-stream/i)
  t.equal(await metric(/^mysqlchk_watchers (\d+)$/m), '1')
  t.match(await metric(/^mysqlchk_watch_events_total\{event="report"\} (\d+)$/m), /^[1-9]/)
  one.destroy()
  await waitFor('the stream to be forgotten', async () => (await metric(/^mysqlchk_watchers (\d+)$/m)) === '0')
  t.equal((await get('/')).headers.get('mysqlchk-watch'), '/watch', 'an ordinary answer tells that there is a stream')
})

t.test('what is asked wrongly is refused with words that help, and HEAD gets the head alone', async (t) => {
  for (const [query, words] of [
    ['heartbeat=50ms', /from 100ms to 10s/],
    ['heartbeat=11s', /from 100ms to 10s/],
    ['heartbeat=1', /such as heartbeat=250ms/],
    ['path=/status', /path=\/primary/],
    ['path=%', /path=\/primary/],
    ['path=/watch', /path=\/primary/],
    ['path=/&path=/', /each once/],
    ['pth=/', /each once/],
  ] as const) {
    const answer = await get(`/watch?${query}`)
    t.equal(answer.status, 400, query)
    t.match(await answer.text(), words)
  }
  const answer = await fetch(`http://127.0.0.1:${port}/watch`, { method: 'HEAD' })
  t.match([answer.status, answer.headers.get('content-type'), await answer.text()], [200, 'text/event-stream', ''])
})

t.test('a path of its own has its own answer: a replica that nobody is, a status for maintenance', async (t) => {
  const replica = watch('/watch?path=%2Freplica%3Flag%3D10s')
  const plain = watch('/watch?path=/replica?lag=10s')
  await Promise.all([replica, plain].map((one) => one.until(503, 'not-applicable')))
  const kept = watch('/watch?path=/?maintenance=404')
  await kept.until(200, 'ok')
  writeFileSync(flag, '')
  await kept.until(404, 'force-fail')
  rmSync(flag)
  await kept.until(200, 'ok', 2)
  for (const one of [replica, plain, kept]) one.destroy()
  t.pass()
})

t.test(
  'a force-fail file is told when it comes, changes and goes, also in a folder that is replaced or comes late',
  async (t) => {
    const one = watch()
    await one.until(200, 'ok')
    writeFileSync(flag, 'by joe\n')
    await one.until(503, 'force-fail')
    writeFileSync(`${flag}.new`, 'by ann\n')
    renameSync(`${flag}.new`, flag)
    await waitFor('the new words', () => one.reports().at(-1)?.report.reason.text === 'by ann')
    rmSync(flag)
    await one.until(200, 'ok', 2)

    renameSync(file('etc'), file('old'))
    mkdirSync(file('etc'))
    writeFileSync(flag, 'in the new folder\n')
    await waitFor('the file in the new folder', () => /new folder/.test(one.reports().at(-1)?.report.reason.text ?? ''))
    rmSync(file('etc'), { recursive: true })
    await one.until(200, 'ok', 4)
    mkdirSync(file('etc'))
    writeFileSync(flag, 'in a folder that came back\n')
    await waitFor('the file in the late folder', () => /came back/.test(one.reports().at(-1)?.report.reason.text ?? ''))
    rmSync(flag)
    await one.until(200, 'ok', 6)
    one.destroy()
    t.pass()
  },
)

t.test('files that come and go in a storm are a few changes a second, and the last of them arrives', async (t) => {
  const one = watch()
  await one.until(200, 'ok')
  for (let i = 0; i < 300; i += 1) {
    if (i % 2 === 0) writeFileSync(flag, `${i}\n`)
    else rmSync(flag)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  writeFileSync(flag, 'the last word\n')
  await waitFor('the last word', () => one.reports().at(-1)?.report.reason.text === 'the last word')
  const count = one.reports().length
  // At most a burst of four, and four a second, however slow this machine was.
  t.ok(count < 40, `${count} reports of 301 changes`)
  rmSync(flag)
  await one.until(200, 'ok', count)
  one.destroy()
})

t.test('the server dies, stops and comes back: told without waiting for the next probe', async (t) => {
  const one = watch()
  await one.until(200, 'ok')
  await db.kill9()
  await one.until(503, 'connection-refused')
  await db.start()
  await get('/')
  await one.until(200, 'ok', 2)
  const before = one.reports().length
  await db.stop()
  await one.until(503, 'connection-refused', before)
  t.equal((await get('/')).status, 503, 'who asks hears the same, though the result before it was young')
  await db.start()
  await waitFor('the server to be back', async () => (await get('/')).status === 200)
  one.destroy()
})

t.test('a reload is told at once, and who is not allowed any more or whose port moves hears goodbye', async (t) => {
  const one = watch()
  await one.until(200, 'ok')
  write(...usual.slice(0, 1), `force_fail_file: ${join(file('old'), 'other')}`)
  writeFileSync(join(file('old'), 'other'), 'in another file\n')
  agent.signal('SIGHUP')
  await one.until(503, 'force-fail')
  rmSync(join(file('old'), 'other'))
  await one.until(200, 'ok', 2)

  write(...usual, 'access: { deny: [127.0.0.1] }')
  agent.signal('SIGHUP')
  await one.untilEnded()
  t.same(one.events().at(-1), { event: 'goodbye', reason: 'not-allowed' })
  t.equal(one.ended(), 'fin')

  write(...usual)
  agent.signal('SIGHUP')
  await waitFor('the door to be open', async () => (await get('/').catch(() => null))?.status === 200)
  const next = await freePort()
  const moved = watch()
  await moved.until(200, 'ok')
  write(`listen: { address: 127.0.0.1, port: ${next} }`, `force_fail_file: ${flag}`)
  agent.signal('SIGHUP')
  await moved.untilEnded()
  t.same(moved.events().at(-1), { event: 'goodbye', reason: 'moved' })

  const last = watch('/watch', next)
  await last.until(200, 'ok')
  await agent.stop()
  t.same(last.events().at(-1), { event: 'goodbye', reason: 'stopping' })
  t.equal(last.ended(), 'fin')
  write(...usual, 'access: { max_connections: 4, max_connections_per_source: 4 }')
  agent = await start()
})

t.test('who watches has a place like everybody, and gives it to a check when there is no other', async (t) => {
  const four = [watch(), watch(), watch(), watch()]
  for (const one of four) await one.until(200, 'ok')
  const fifth = watch()
  await fifth.untilEnded()
  t.equal(fifth.text(), '', 'one source has no more than its share')
  for (const one of [...four, fifth]) one.destroy()

  write(...usual, 'access: { max_connections: 3, max_connections_per_source: 64 }')
  agent.signal('SIGHUP')
  await agent.waitForOutput(/Reloaded/)
  await waitFor('free places', async () => (await get('/').catch(() => null))?.status === 200)
  const eldest = watch()
  await eldest.until(200, 'ok')
  // One that has not asked yet lies idle, and would make room first.
  const others = []
  for (let i = 0; i < 2; i += 1) {
    const one = watch()
    others.push(one)
    await one.until(200, 'ok')
  }
  t.equal((await get('/')).status, 200, 'the check is answered')
  await eldest.untilEnded()
  t.same(eldest.events().at(-1), { event: 'goodbye', reason: 'too-many-connections' })
  t.ok(others.every((one) => one.ended() === 'no'))
  for (const one of others) one.destroy()
  write(...usual)
  agent.signal('SIGHUP')
  await waitFor('the second reload', () => agent.lines().filter((line) => /Reloaded/.test(line)).length === 2)
})

t.test('who does not read is cut off', async (t) => {
  const incidents: string[] = []
  const hearers = new Set<() => void>()
  let version = ''
  const told = () => report({ reason: { code: 'force-fail', text: version } })
  const news: News = {
    sources: {
      report: async () => told(),
      present: told,
      subscribe: (hear) => {
        hearers.add(hear)
        return () => hearers.delete(hear)
      },
    },
    onEvent: () => {},
    onCount: () => {},
    rate: { per_source: 100_000, burst: 100_000 },
  }
  const at = await freePort()
  const server = await startServer({
    listen: { address: '127.0.0.1', port: at, tls: null },
    access: { allow: [], deny: [], max_connections: 9, max_connections_per_source: 9, rate_limit: null },
    body: 'classic',
    isTolerant: false,
    sources: { report: async () => told(), metrics: async () => plainBody('') },
    news,
    incident: (reason) => incidents.push(reason),
    onAnswered: () => {},
  })
  t.teardown(() => server.stop())
  const socket = connect({ host: '127.0.0.1', port: at })
  socket.on('error', () => undefined)
  socket.pause()
  socket.write('GET /watch HTTP/1.0\r\n\r\n')
  const reader = watch('/watch', at)
  await waitFor('both to watch', () => hearers.size === 2)
  await waitFor(
    'the end of the one',
    () => {
      // As much as the kernel takes for a client that does not read, which is some megabytes.
      for (let i = 0; i < 3; i += 1) {
        version = `${incidents.length} ${performance.now()} ${'x'.repeat(9000)}`
        for (const hear of [...hearers]) hear()
      }
      return incidents.length > 0
    },
    { interval: 5 },
  )
  t.same(incidents, ['slow-watcher'])
  await waitFor('its place to be free', () => hearers.size === 1)
  t.equal(reader.ended(), 'no', 'who reads goes on')
  reader.destroy()
  socket.destroy()
})
