// The session log: each end of a session as HAProxy's tcplog has it, which HAProxy itself says of the same sessions.

import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { pino } from 'pino'
import t from 'tap'
import type { EndedSession } from '../../../balancer/datapath/userspace/session-trace.ts'
import { calendarOf } from '../../../balancer/os/clock.ts'
import {
  type SessionRecord,
  sessionMembers,
  tcplogLine,
  terminationState,
} from '../../../balancer/pool/core/session-record.ts'
import { createSessionLog } from '../../../balancer/session-log.ts'
import { waitFor } from '../../lab/wait-for.ts'
import { freePort, startBackend, startClient, startFront, type TestClient } from './loopback.ts'

t.setTimeout(600_000)

const record: SessionRecord = {
  client: { address: '10.0.1.2', port: 33_313 },
  listener: 'fnt',
  server: 'srv1',
  acceptedAt: 0,
  queued: 0.2,
  connecting: 0.4,
  total: 5007.3,
  bytes: { in: 100, out: 212 },
  end: 'closed',
  state: '--',
  retries: 3,
  isRedispatched: false,
  sessions: { process: 4, listener: 3, placed: 2, server: 1 },
  position: 5,
}
const at = { year: 2009, month: 2, day: 6, hour: 12, minute: 12, second: 51, millisecond: 443 }

t.test('a line has the fields of tcplog in their order', async (t) => {
  t.equal(
    tcplogLine(record, at),
    '10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt fnt/srv1 0/0/5007 212 -- 4/3/2/1/3 0/5',
  )
  const lost = {
    server: null,
    queued: null,
    connecting: null,
    bytes: null,
    state: 'SC',
    retries: 1,
    isRedispatched: true,
  }
  t.equal(
    tcplogLine({ ...record, ...lost }, at),
    '10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt fnt/<NOSRV> -1/-1/5007 - SC 4/3/2/1/+1 0/5',
  )
  t.same(sessionMembers({ ...record, ...lost }, 'then'), {
    client: '10.0.1.2:33313',
    accepted_at: 'then',
    listener: 'fnt',
    server: null,
    queue_ms: null,
    connect_ms: null,
    total_ms: 5007,
    bytes_in: null,
    bytes_out: null,
    end: 'closed',
    state: 'SC',
    retries: 1,
    redispatched: true,
    sessions: { process: 4, listener: 3, server: 1 },
    queue_position: 5,
  })
})

t.test('every end has two letters', async (t) => {
  const states = (
    [
      ['closed', 'data', false],
      ['client-left', 'queue', false],
      ['client-left', 'connect', false],
      ['connect-failed', 'queue', false],
      ['connect-failed', 'queue', true],
      ['queue-full', 'queue', false],
      ['out-of-ports', 'queue', false],
      ['server-down', 'connect', false],
      ['demoted', 'data', false],
      ['active-server-up', 'data', false],
      ['server-removed', 'data', false],
      ['address-left', 'data', false],
      ['stopped', 'queue', false],
    ] as const
  ).map(([end, stage, isSilent]) => terminationState(end, stage, isSilent))
  t.same(states, ['--', 'CQ', 'CC', 'SC', 'sC', 'PQ', 'RC', 'DC', 'DD', 'UD', 'KD', 'PD', 'KQ'])
})

/** What one kind of session is: how both are configured, and what client and server do. */
type Story = {
  readonly ours?: Record<string, unknown>
  readonly haproxy?: readonly string[]
  readonly serverMaximum?: number
  /** How many come where somebody else has the only place. */
  readonly waiters?: number
  readonly serve?: (socket: Socket) => void
  /** What it returns is called when the line is there. */
  readonly act: (port: number) => Promise<undefined | (() => void)>
  /** HAProxy's words for the session that is looked at: server, bytes, state, retries, places in queues. */
  readonly said: string
}
const hello = (socket: Socket): void => {
  socket.write('hello')
  socket.on('data', () => {})
  socket.on('end', () => socket.end())
}
const greeted = async (port: number) => {
  const client = startClient(port)
  await waitFor('a greeting', () => client.received() === 'hello')
  return client
}
const stay = async ({ ended, socket }: TestClient): Promise<undefined> => {
  await ended
  // HAProxy only half closes after a timeout.
  socket.end()
  return undefined
}
/** In milliseconds: who is gone before a busy HAProxy has taken notice was in no queue. */
const departures = [50, 500, 3000]
/** Somebody else has the only place, until all is told. Who comes then waits until the end, or leaves after each of these pauses. */
const behind = async (port: number, pauses: readonly number[] | null): Promise<() => void> => {
  const first = await greeted(port)
  for (const pause of pauses ?? [0]) {
    const second = connect({ port, host: '127.0.0.1' })
    second.on('error', () => {})
    await new Promise<void>((resolve) => second.once(pauses === null ? 'close' : 'connect', () => resolve()))
    await setTimeout(pause)
    second.destroy()
  }
  return () => void first.socket.end()
}

const stories: Readonly<Record<string, Story>> = {
  closed: {
    act: async (port) => {
      const client = await greeted(port)
      client.socket.end('bye')
      return stay(client)
    },
    said: 's1 5 -- 0 0/0',
  },
  'server-reset': {
    serve: (socket) => {
      socket.write('hello')
      socket.once('data', () => socket.resetAndDestroy())
    },
    act: async (port) => {
      const client = await greeted(port)
      client.socket.write('x')
      return stay(client)
    },
    said: 's1 5 SD 0 0/0',
  },
  'client-reset': {
    act: async (port) => {
      const client = await greeted(port)
      client.socket.resetAndDestroy()
      return undefined
    },
    said: 's1 5 CD 0 0/0',
  },
  'client-timeout': {
    ours: { timeouts: { client: '1s' } },
    haproxy: ['timeout client 1s'],
    act: async (port) => stay(await greeted(port)),
    said: 's1 5 cD 0 0/0',
  },
  'server-timeout': {
    ours: { timeouts: { server: '1s' } },
    haproxy: ['timeout server 1s'],
    act: async (port) => stay(await greeted(port)),
    said: 's1 5 sD 0 0/0',
  },
  refused: {
    ours: { retries: 0 },
    haproxy: ['retries 0'],
    act: (port) => stay(startClient(port)),
    said: 's1 0 SC 0 0/0',
  },
  'queue-timeout': {
    ours: { timeouts: { queue: '1s' } },
    haproxy: ['timeout queue 1s'],
    serverMaximum: 1,
    waiters: 1,
    act: (port) => behind(port, null),
    said: '<NOSRV> 0 sQ 0 0/1',
  },
  'left-in-queue': {
    haproxy: ['option abortonclose'],
    serverMaximum: 1,
    waiters: departures.length,
    act: (port) => behind(port, departures),
    said: '<NOSRV> 0 CQ 0 0/1',
  },
}

const tcplog =
  /^127\.0\.0\.1:\d+ \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] (\S+) \1\/(\S+) (-?\d+\/-?\d+\/\d+) (\d+) (\S\S) (\d+\/\d+\/\d+\/\d+)\/(\+?\d+) (\d+\/\d+)$/
/** Of each line of one listener: server, bytes, state, retries, places in queues. */
const wordsOf = (lines: readonly string[], name: string): readonly string[] =>
  lines.flatMap((line) => {
    const [, listener, server, , bytes, state, , retries, queue] = tcplog.exec(line) ?? []
    return listener === name ? [`${server} ${bytes} ${state} ${retries} ${queue}`] : []
  })
const lineOf = (ended: EndedSession): string =>
  tcplogLine({ ...ended, sessions: { ...ended.sessions, process: 0 } }, calendarOf(ended.acceptedAt))

t.test('HAProxy says the same of the same sessions', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'session-log-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const places = await Promise.all(
    Object.entries(stories).map(async ([name, story]) => {
      const backend = name === 'refused' ? null : await startBackend(story.serve ?? hello)
      if (backend !== null) t.teardown(backend.close)
      return { name, story, server: backend?.port ?? (await freePort()), port: await freePort() }
    }),
  )
  const file = join(directory, 'haproxy.cfg')
  const sections = places.map(
    ({ name, story, server, port }) => `listen ${name}
  bind 127.0.0.1:${port}
  ${(story.haproxy ?? []).join('\n  ')}
  server s1 127.0.0.1:${server} ${story.serverMaximum === undefined ? '' : `maxconn ${story.serverMaximum}`}
`,
  )
  writeFileSync(
    file,
    `global
  log stdout format raw local0
defaults
  mode tcp
  log global
  option tcplog
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout queue 1m
  option redispatch
${sections.join('')}`,
  )
  const haproxy = spawn('haproxy', ['-f', file, '-db'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => haproxy.kill('SIGKILL'))
  let said = ''
  haproxy.stdout.on('data', (chunk) => {
    said += String(chunk)
  })
  for (const { name, story, server, port } of places) {
    const { serverMaximum: most } = story
    const front = await startFront([server], {
      name,
      ...story.ours,
      ...(most === undefined ? {} : { server: { max_connections: most } }),
    })
    t.teardown(front.listener.stop)
    await waitFor('HAProxy to listen', async () => {
      const probe = connect(port, '127.0.0.1')
      const isOpen = await new Promise((resolve) => probe.once('connect', () => resolve(true)).once('error', resolve))
      probe.resetAndDestroy()
      return isOpen === true
    })
    const release = await Promise.all([story.act(port), story.act(front.port)])
    const ours = () => wordsOf(front.ended.map(lineOf), name)
    await waitFor(`our line of ${name}`, () => ours().includes(story.said))
    await waitFor(`HAProxy's line of ${name}`, () => wordsOf(said.split('\n'), name).includes(story.said))
    t.equal(front.ended.map(lineOf).filter((line) => !tcplog.test(line)).length, 0, name)
    // Who had the place before has been served well.
    for (const end of release) end?.()
    if (most !== undefined) await waitFor('the other one', () => ours().at(-1) === 's1 5 -- 0 0/0')
    t.equal(front.ended.length, 1 + (story.waiters ?? 0))
  }
})

t.test('what this host ends, and a second server, have their letters too', async (t) => {
  const backend = await startBackend(hello)
  t.teardown(backend.close)
  const front = await startFront([await freePort(), backend.port], { timeouts: { queue: '100ms' } })
  t.teardown(front.listener.stop)
  const last = () => front.ended.at(-1)
  const redispatched = await greeted(front.port)
  front.listener.addressChanged('127.0.0.1', false)
  await redispatched.ended
  t.match(last(), { server: 's2', state: 'PD', end: 'address-left', retries: 1, isRedispatched: true })
  front.listener.addressChanged('127.0.0.1', true)
  const marked = await waitFor('a listener', async () => greeted(front.port))
  front.listener.markServer('s2', false)
  await marked.ended
  t.match(last(), { server: 's2', state: 'DD', end: 'server-down', bytes: { in: 0, out: 5 } })
  front.listener.markServer('s1', false)
  await startClient(front.port).ended
  t.match(last(), { server: null, state: 'SC', end: 'no-server', connecting: null, position: 1 })
})

t.test('it is off unless wanted, and beyond two thousand lines a second it only counts', async (t) => {
  const warned: string[] = []
  const log = pino({}, { write: (line: string) => void warned.push(line) })
  const lines: { readonly text: string; readonly fields: object; readonly plain: string }[] = []
  const session = createSessionLog(log, (line) => lines.push(line))
  let made = 0
  const make = (): SessionRecord => {
    made += 1
    return record
  }
  session('off', make)
  t.equal(made, 0)
  session('json', make)
  t.match(lines, [
    { text: 'Session of fnt/srv1 ended: closed', fields: { session: { client: '10.0.1.2:33313', state: '--' } } },
  ])
  t.match(JSON.parse(lines[0]?.plain ?? ''), { listener: 'fnt', bytes_in: 100 })
  for (let i = 0; i < 5000; i += 1) session('tcplog', make)
  t.ok(lines.length < 5001 && lines.length >= 2000, `${lines.length} of 5001`)
  t.match(lines[1]?.text, /^10\.0\.1\.2:33313 \[.*fnt fnt\/srv1 0\/0\/5007 212 -- /)
  // The timer of the log keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  await waitFor('the rest to be told', () => warned.some((line) => /more sessions ended within a second/.test(line)))
  clearInterval(alive)
})
