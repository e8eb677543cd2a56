// Pages that are open and programs that read events: what they are sent, and how many there may be.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { statusOf } from '../../../../balancer/admin/core/model/status.ts'
import { partsOf } from '../../../../balancer/admin/core/views/page/parts.ts'
import { inSlices } from '../../../../balancer/admin/http/in-slices.ts'
import { startStatusPage } from '../../../../balancer/admin/http/status-page.ts'
import { hashPassword } from '../../../../balancer/config/password-file.ts'
import { balancerSchema } from '../../../../balancer/config/schema.ts'
import { createAccounts } from '../../../../balancer/pool/core/accounts.ts'
import type { Events } from '../../../../balancer/pool/core/events.ts'
import { createPool } from '../../../../balancer/pool/core/pool.ts'
import { waitFor } from '../../../lab/wait-for.ts'
import { problemsBy, published } from '../../../packaging/published.ts'
import { freePort } from '../../datapath/loopback.ts'
import { healthFact } from '../../pool/health-fact.ts'
import { noOrders, rendered, sceneOf } from '../scene.ts'

const directory = mkdtempSync(join(tmpdir(), 'balancer-streams-'))
t.teardown(() => rmSync(directory, { recursive: true }))
const passwordFile = join(directory, 'password')
writeFileSync(passwordFile, await hashPassword('right'), { mode: 0o600 })
const authorization = `Basic ${Buffer.from('admin:right').toString('base64')}`

const configOf = (port: number, listeners: number, servers: number) =>
  balancerSchema.parse({
    router_id: 'lb1',
    listeners: Array.from({ length: listeners }, (_, i) => ({
      name: i === 0 ? 'mysql' : `mysql${i}`,
      bind: `198.18.0.100:${4000 + i}`,
      servers: Array.from({ length: servers }, (_, j) => ({
        name: `db${j + 1}`,
        address: `198.18.${i}.${j + 1}:3306`,
      })),
    })),
    admin: { http: { bind: `127.0.0.1:${port}`, users: [{ name: 'admin', password_file: passwordFile }] } },
  })

const clock = { version: '0', startedAt: 0, iso: (moment: number) => new Date(moment).toISOString(), refusals: {} }

const startPage = async () => {
  const port = await freePort()
  const config = configOf(port, 1, 2)
  const pool = createPool([healthFact('db1'), healthFact('db2')])
  const accounts = createAccounts()
  let events: Events = []
  let outlined = config
  let refused: Readonly<Record<string, number>> = {}
  const page = await startStatusPage({
    http: config.admin.http,
    scene: (refusals) => {
      refused = refusals
      const status = statusOf({ config: outlined, pool, accounts, now: Date.now(), ...clock })
      return sceneOf(status, { timeline: { events, now: Date.now(), iso: clock.iso } })
    },
    run: noOrders,
    log: pino({ level: 'silent' }),
  })
  return {
    port,
    page,
    pool,
    refusedFor: (reason: string) => refused[reason] ?? 0,
    happens: (text: string, at = Date.now()) => {
      const event = { at, level: 'warn', text, fields: {} } as const
      events = [...events, event]
      page.note(event)
    },
    becomes: (servers: number) => {
      outlined = configOf(port, 1, servers)
    },
    http: config.admin.http,
  }
}

/** Opens a stream; its text grows in `told`. */
const listen = (port: number, path: string, headers: Record<string, string> = {}) =>
  new Promise<{ answer: IncomingMessage; told: () => string; isOver: () => boolean }>((resolve, reject) => {
    const all = { authorization, accept: 'text/event-stream', ...headers }
    request({ port, host: '127.0.0.1', path, headers: all, agent: false }, (answer) => {
      let text = ''
      let isOver = false
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('close', () => {
        isOver = true
      })
      answer.on('error', () => {})
      resolve({ answer, told: () => text, isOver: () => isOver })
    })
      .on('error', reject)
      .end()
  })

type Message = {
  readonly outline?: string
  readonly title: string
  readonly parts: readonly (readonly [string, string])[]
}
const messagesIn = (text: string): readonly Message[] =>
  text.split('\n\n').flatMap((block) => {
    const [, data] = /^id: \S+\nevent: page\ndata: (.*)$/.exec(block) ?? []
    return data === undefined ? [] : [JSON.parse(data)]
  })

t.test('a page that is open gets all parts first, then what differs, and whether another page is shown', async (t) => {
  const { port, page, pool, happens, becomes } = await startPage()
  t.teardown(page.stop)
  const { told, answer } = await listen(port, '/status/live')
  t.equal(answer.headers['content-type'], 'text/event-stream; charset=utf-8')
  await waitFor('the first message', () => messagesIn(told()).length > 0)
  const [first] = messagesIn(told())
  const keys = new Map(first?.parts)
  t.ok(['verdict', 'timeline', 'l0', 'c0', 'w0/1', 's0-0/1', 's0-1/19'].every((key) => keys.has(key)))
  t.match(keys.get('s0-1/1'), 'UP')
  const status = statusOf({ config: configOf(port, 1, 2), pool, accounts: createAccounts(), now: Date.now(), ...clock })
  for (const key of keys.keys()) t.match(rendered(status), `id="${key.split('/')[0]}"`, key)

  pool.hear(healthFact('db2', { up: false, since: 2000 }))
  happens('db2 is <b>DOWN</b>')
  await waitFor('the change', () =>
    messagesIn(told()).some(({ parts }) => new Map(parts).get('s0-1/1')?.includes('DOWN')),
  )
  const change = messagesIn(told()).find(({ parts }) => new Map(parts).has('s0-1/1') && parts.length < keys.size)
  t.notOk(
    change?.parts.some(([key]) => key.startsWith('s0-0/')),
    'of the other server nothing is said',
  )
  t.match(new Map(change?.parts).get('timeline'), 'db2 is &lt;b&gt;DOWN&lt;/b&gt;')
  t.equal(change?.outline, undefined)

  becomes(3)
  await waitFor('another outline', () =>
    messagesIn(told()).some(({ outline }) => outline !== undefined && outline !== first?.outline),
  )
})

t.test('a page that has just been loaded is sent what has changed since, and one that comes back all', async (t) => {
  const { port, page, pool } = await startPage()
  t.teardown(page.stop)
  const loaded = await fetch(`http://127.0.0.1:${port}/status`, { headers: { authorization } })
  const [, at = ''] = /data-at="([^"]+)"/.exec(await loaded.text()) ?? []
  pool.hear(healthFact('db2', { up: false, since: 2000 }))
  page.note({ at: Date.now(), level: 'warn', text: 'db2 is DOWN', fields: {} })
  const keysFrom = async (path: string, headers = {}): Promise<readonly string[]> => {
    const { told, answer } = await listen(port, path, headers)
    await waitFor('the first message', () => messagesIn(told()).length > 0)
    answer.destroy()
    const [first] = messagesIn(told())
    t.ok(first?.outline)
    return first?.parts.map(([key]) => key) ?? []
  }
  const since = `/status/live?since=${encodeURIComponent(at)}`
  const changed = await keysFrom(since)
  t.ok(['verdict', 's0-1/1', 's0-1/class'].every((key) => changed.includes(key)))
  t.notOk(changed.some((key) => key.startsWith('s0-0/') || key === 'c0'))
  const all = [await keysFrom(since, { 'last-event-id': at }), await keysFrom('/status/live?since=never')]
  for (const keys of all) t.ok(['s0-0/1', 'c0'].every((key) => keys.includes(key)))
})

t.test('events: a list for who asks for none other, a stream that goes on where it was left', async (t) => {
  const { port, page, happens } = await startPage()
  t.teardown(page.stop)
  happens('first', 1_700_000_000_000)
  happens('second\nline', 1_700_000_000_001)
  const list = await fetch(`http://127.0.0.1:${port}/events`, { headers: { authorization } })
  t.match(await list.json(), [
    { text: 'first', level: 'warn', at: '2023-11-14T22:13:20.000Z' },
    { text: 'second\nline' },
  ])
  t.equal((await fetch(`http://127.0.0.1:${port}/events`)).status, 401)
  const { told } = await listen(port, '/events', { 'last-event-id': '1700000000001' })
  happens('third', 1_700_000_000_002)
  await waitFor('the third', () => told().includes('third'))
  t.match(
    told(),
    'id: 1700000000001\ndata: {"at":"2023-11-14T22:13:20.001Z","level":"warn","text":"second\\nline"}\n\nid: 1700000000002\n',
  )
  t.notMatch(told(), 'first')
})

t.test('there are so many streams at most, and who leaves makes room', async (t) => {
  const { port, page, refusedFor } = await startPage()
  t.teardown(page.stop)
  const held = await Promise.all(Array.from({ length: 16 }, () => listen(port, '/status/live')))
  t.ok(held.every(({ answer }) => answer.statusCode === 200))
  t.equal((await listen(port, '/status/live')).answer.statusCode, 503)
  held[0]?.answer.destroy()
  await waitFor('room', async () => {
    const { answer } = await listen(port, '/status/live')
    return answer.statusCode === 200
  })
  t.ok(refusedFor('too-many-streams') > 0)
})

t.test('one who does not read is let go, and the others go on', async (t) => {
  const { port, page, refusedFor } = await startPage()
  t.teardown(page.stop)
  const reader = await listen(port, '/events')
  const page2 = await listen(port, '/status/live')
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(
    `GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nAuthorization: ${authorization}\r\n\r\n`,
  )
  await new Promise((resolve) => socket.once('data', resolve))
  socket.pause()
  const long = 'x'.repeat(60_000)
  await waitFor('it to be let go', async () => {
    // One who reads is not to be outrun.
    const wanted = reader.told().length + 20 * long.length
    for (let i = 0; i < 20; i += 1) page.note({ at: i, level: 'info', text: long, fields: {} })
    await waitFor('the reader to have it', () => reader.told().length > wanted)
    await waitFor('a look at the page', () => messagesIn(page2.told()).length > 0)
    return refusedFor('slow-reader') > 0
  })
  t.equal(refusedFor('slow-reader'), 1)
  t.equal(reader.isOver(), false)
})

t.test('a reload with other users ends the streams of all, and so does the end of the program', async (t) => {
  const { port, page, http } = await startPage()
  t.teardown(page.stop)
  const streams = [await listen(port, '/status/live'), await listen(port, '/events')]
  if (http === undefined) throw new Error('no page')
  ;(await page.prepare({ ...http })).apply()
  t.equal(
    streams.some(({ isOver }) => isOver()),
    false,
    'the same users',
  )
  const users = [{ name: 'other', password_file: passwordFile, role: 'viewer' as const }]
  ;(await page.prepare({ ...http, users })).apply()
  await waitFor('both to be over', () => streams.every(({ isOver }) => isOver()))
  t.equal((await listen(port, '/status/live')).answer.statusCode, 401)
})

t.test('while a page of 1,000 servers is made, others have their turn', async (t) => {
  const config = configOf(1, 50, 20)
  const facts = config.listeners.flatMap(({ name, servers }) =>
    servers.map((server) => ({ ...healthFact(server.name), listener: name })),
  )
  const status = statusOf({ config, pool: createPool(facts), accounts: createAccounts(), now: Date.now(), ...clock })
  let turns = 0
  let isOver = false
  const others = (): void => {
    turns += 1
    if (!isOver) setImmediate(others)
  }
  setImmediate(others)
  const keys = new Set<string>()
  const begun = performance.now()
  await inSlices(partsOf(sceneOf(status)), ([key]) => void keys.add(key))
  t.comment(`${Math.round(performance.now() - begun)} ms, ${turns} turns`)
  isOver = true
  t.equal([...keys].filter((key) => key.includes('/')).length, 50 * 4 + (50 + 1000) * 21 + 1000)
  t.ok(turns > 1)
})

t.test('the schema of the JSON is there for everybody, the JSON is not', async (t) => {
  const { port, page } = await startPage()
  t.teardown(page.stop)
  const schema = await fetch(`http://127.0.0.1:${port}/status/schema.json`)
  t.match(schema.headers.get('content-type'), /^application\/schema\+json/)
  t.same(await schema.json(), published('balancer-status'))
  const refused = await fetch(`http://127.0.0.1:${port}/status/json`)
  t.equal(refused.status, 401)
  const headers = { authorization }
  const answer = await fetch(`http://127.0.0.1:${port}/status/json`, { headers })
  t.same(problemsBy('balancer-status')(await answer.json()), [])
})
