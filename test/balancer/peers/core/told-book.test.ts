import fc from 'fast-check'
import t from 'tap'
import { type Millis, millis } from '../../../../balancer/core/time.ts'
import { type SessionMessage, sessionsInLine } from '../../../../balancer/peers/core/messages.ts'
import { createToldBook, type ToldBook } from '../../../../balancer/peers/core/told-book.ts'
import type { SessionException } from '../../../../balancer/pool/core/session-exception.ts'
import { exception, exceptions } from './exceptions.ts'

const isOver = () => null

/** All that a book has to say now. */
const allWords = (book: ToldBook, now: number, most = 1000): readonly SessionMessage[] => {
  const said: SessionMessage[] = []
  for (let turns = 0; turns < 10_000; turns += 1) {
    const { message, isDone } = book.next(millis(now), most)
    if (message !== null) said.push(message)
    if (isDone) return said
  }
  throw new Error('it never ends')
}
const toldIn = (said: readonly SessionMessage[]): readonly string[] =>
  said.flatMap((one) => (one.type === 'told' ? one.sessions.map(([client]) => client) : []))
const goneIn = (said: readonly SessionMessage[]): readonly string[] =>
  said.flatMap((one) => (one.type === 'gone' ? one.clients : []))
const hear = (book: ToldBook, set: readonly SessionException[], now: number): readonly SessionMessage[] => {
  book.offer(set, millis(now))
  return allWords(book, now)
}

t.test('each is told once, in lines of bounded length, and taken back when it is gone', async (t) => {
  const book = createToldBook(isOver)
  const set = exceptions(1000)
  const first = hear(book, set, 0)
  t.same(
    toldIn(first),
    set.map(({ client }) => client),
  )
  t.ok(first.every((one) => one.type === 'told' && one.sessions.length <= sessionsInLine))
  t.equal(book.told(), 1000)
  t.same(hear(book, set, 1000), [])
  t.same(
    goneIn(hear(book, set.slice(600), 2000)),
    set.slice(0, 600).map(({ client }) => client),
  )
  t.equal(book.told(), 400)
  t.same(hear(book, set.slice(600), 3000), [])
})

t.test('it says how long ago a client was heard when it is said, not when it was looked at', async (t) => {
  const book = createToldBook(isOver)
  book.offer([exception(1, { idle: millis(500) })], millis(1000))
  const [message] = allWords(book, 1700)
  t.same(message?.type === 'told' ? message.sessions.map(([, , idle]) => idle) : [], [1200])
})

t.test('one that goes elsewhere now is told anew; one that is over is not told', async (t) => {
  const book = createToldBook(isOver)
  t.same(toldIn(hear(book, [exception(1)], 0)).length, 1)
  t.same(toldIn(hear(book, [exception(1, { server: 'db3' })], 10)).length, 1)
  t.same(hear(book, [exception(2, { idle: millis(3_600_000) })], 20).length, 1, 'the first is gone')
  t.equal(book.told(), 0)
})

t.test('another listener or bind is another line', async (t) => {
  const book = createToldBook(isOver)
  const said = hear(
    book,
    [exception(1), exception(1, { bind: '198.18.0.101:3306' }), exception(1, { listener: 'b' })],
    0,
  )
  t.same(
    said.map(({ listener, bind }) => `${listener} ${bind}`),
    ['mysql 198.18.0.100:3306', 'mysql 198.18.0.101:3306', 'b 198.18.0.100:3306'],
  )
  t.equal([1, 2, 3].flatMap((at) => goneIn(hear(book, [], at))).length, 3)
})

t.test('what the other one has told is not told back, and taken back only where it was taken over here', async (t) => {
  const book = createToldBook(isOver)
  book.hasTold([exception(1), exception(2)], millis(0))
  t.same(hear(book, [exception(1, { idle: millis(900) })], 1000), [])
  t.equal(book.told(), 0)
  t.same(toldIn(hear(book, [exception(2, { server: 'db3' })], 1100)).length, 1, 'but what contradicts it is')
  book.hasNot([exception(1)])
  t.same(toldIn(hear(book, [exception(1), exception(2, { server: 'db3' })], 1200)), [exception(1).client])
})

t.test('of what is over it says how long it has been, where its end was seen', async (t) => {
  const book = createToldBook(({ client }) => (client === exception(1).client ? { idle: millis(200) } : null))
  hear(book, exceptions(2), 0)
  t.match(hear(book, [], 1000), [{ clients: [exception(0).client, exception(1).client], idle: [null, 200] }])
  book.hasTold(exceptions(3), millis(1000))
  book.retract(
    [1, 2].map((i) => ({ ...exception(i), idle: i === 1 ? null : millis(50) })),
    millis(1000),
  )
  const [first, ...others] = allWords(book, 1400)
  t.match(first, { type: 'gone', clients: [exception(1).client, exception(2).client], idle: [null, 450] })
  t.same(others, [])
})

t.test(
  'one that began anew is told although the slots say it; one that only became what they say is left alone',
  async (t) => {
    const now = new Map([
      [exception(1).client, exception(1, { server: 'db1' })],
      [exception(2).client, exception(2)],
    ])
    const book = createToldBook(({ client }) => now.get(client) ?? null)
    hear(book, exceptions(4).slice(1), 0)
    const said = hear(book, [], 1000)
    t.same(toldIn(said), [exception(1).client])
    t.same(goneIn(said), [exception(3).client])
    t.same(hear(book, [], 2000), [])
  },
)

t.test('what is known better here is told back at once', async (t) => {
  const book = createToldBook(isOver)
  book.hasTold([exception(1), exception(2)], millis(0))
  book.correct([exception(1, { server: 'db1' }), exception(2, { server: 'db1', bind: '198.18.0.101:3306' })], millis(0))
  const said = allWords(book, 0)
  t.same(
    said.map((one) => [one.type, one.bind]),
    [
      ['told', '198.18.0.100:3306'],
      ['told', '198.18.0.101:3306'],
    ],
  )
})

t.test('memory has an end: beyond that many none are told', async (t) => {
  const book = createToldBook(isOver, 10)
  t.same(toldIn(hear(book, exceptions(12), 0)).length, 10)
  book.hasTold([exception(50)], millis(0))
  t.same(toldIn(hear(book, exceptions(12), 1)).length, 0)
  t.same(toldIn(hear(book, exceptions(12).slice(5), 2)).length, 0)
  t.same(toldIn(hear(book, exceptions(12).slice(5), 3)).length, 2, 'there is room again')
})

t.test('a hundred thousand are said in turns that each look at few', async (t) => {
  const book = createToldBook(isOver)
  const set = exceptions(100_000)
  book.offer(set, millis(0))
  let turns = 0
  const clients = new Set<string>()
  for (let isDone = false; !isDone; turns += 1) {
    const next = book.next(millis(0), 4000)
    for (const client of next.message === null ? [] : toldIn([next.message])) clients.add(client)
    isDone = next.isDone
  }
  t.equal(clients.size, 100_000)
  t.ok(turns < 1000, `${turns}`)
})

/**
 * What the receiver has follows from what is said. Sessions speak, fall silent and go; after each look the receiver has all that
 * live, and between two looks none of them expires there.
 */
t.test('a told exception does not expire while its session lives, and is not there much longer', async () => {
  type Session = { readonly client: string; readonly timeout: number; heardAt: number; server: string }
  const clients = ['10.0.0.1:1', '10.0.0.2:2', '10.0.0.3:3']
  const deed = fc.record({
    client: fc.constantFrom(...clients),
    does: fc.constantFrom('speaks', 'speaks', 'begins anew', 'ends'),
    after: fc.integer({ min: 0, max: 40_000 }),
  })
  fc.assert(
    fc.property(
      fc.array(deed, { maxLength: 60 }),
      fc.constantFrom(20_000, 60_000, 3_600_000),
      fc.integer({ min: 500, max: 4000 }),
      (deeds, timeout, interval) => {
        const book = createToldBook(isOver)
        const sessions = new Map<string, Session>()
        const there = new Map<string, { server: string; endsAt: number }>()
        let now = 0
        let lookAt = 0
        let told = 0
        const lives = ({ heardAt }: Session): boolean => heardAt + timeout > now
        const look = (): void => {
          const set = [...sessions.values()]
            .filter(lives)
            .map((one) => exception(0, { ...one, idle: millis(now - one.heardAt), timeout: millis(timeout) }))
          for (const message of hear(book, set, now)) {
            if (message.type === 'gone') for (const client of message.clients) there.delete(client)
            else
              for (const [client, server, idle, lasts] of message.sessions) {
                there.set(client, { server, endsAt: now - idle + lasts })
                told += 1
              }
          }
        }
        /** What a session may have gained since the last look, or has too little gained to be told. */
        const unsaid = interval + 1000
        const check = (): boolean =>
          [...sessions.values()].every((one) => {
            if (one.heardAt + timeout - unsaid <= now || one.heardAt >= now - interval) return true
            const entry = there.get(one.client)
            return entry !== undefined && entry.server === one.server && entry.endsAt > now
          })
        for (const { client, does, after } of deeds) {
          const until = now + after
          for (; lookAt <= until; lookAt += interval) {
            now = Math.max(now, lookAt)
            if (!check()) return false
            look()
          }
          now = until
          const known = sessions.get(client)
          if (does === 'ends') sessions.delete(client)
          else if (does === 'begins anew' || known === undefined || !lives(known)) {
            sessions.set(client, { client, timeout, heardAt: now, server: `db${now % 2}` })
          } else known.heardAt = now
        }
        look()
        // Nothing is there any more that is no session.
        for (const [client, { endsAt }] of there) if (endsAt > now && !sessions.has(client)) return false
        // What is told is bounded by what happens, not by how often it is looked at.
        return told <= (deeds.length + 1) * 2
      },
    ),
    { numRuns: 300 },
  )
})

t.test('two that tell each other what they know fall silent when nothing is new', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 3_600_000 }),
      fc.integer({ min: 0, max: 2000 }),
      fc.constantFrom(20_000, 3_600_000),
      (idleAtFirst, delay, timeout) => {
        const books = [createToldBook(isOver), createToldBook(isOver)]
        const endsAt: number[] = [millis(timeout - (idleAtFirst % timeout)), -1]
        let told = 0
        for (let now = 0; now < timeout + 10_000; now += Math.max(1000, timeout / 50)) {
          for (const me of [0, 1]) {
            const mine = endsAt[me] ?? -1
            const set =
              mine > now ? [exception(1, { idle: millis(timeout - (mine - now)), timeout: millis(timeout) })] : []
            for (const message of hear(books[me] ?? createToldBook(isOver), set, now)) {
              if (message.type !== 'told') continue
              for (const [client, server, idle, lasts] of message.sessions) {
                told += 1
                const heardAt = now + delay
                const other = 1 - me
                endsAt[other] = Math.max(endsAt[other] ?? -1, heardAt - idle + lasts)
                const entry = exception(1, { client, server, idle, timeout: lasts as Millis })
                books[other]?.hasTold([entry], millis(heardAt))
              }
            }
          }
        }
        // Its delay on the way makes it seem younger there; told back for that it would never end.
        return told <= 3
      },
    ),
    { numRuns: 200 },
  )
})
