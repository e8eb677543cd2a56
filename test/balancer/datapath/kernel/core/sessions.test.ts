import t from 'tap'
import { createSessions, type TrackedEntry } from '../../../../../balancer/datapath/kernel/core/sessions.ts'
import { destroyOf, entryOf, updateOf } from './session-entries.ts'

const listenerMask = 0xffffc000
const mark = 0xb1004001
const start = () => createSessions({ listenerMask })
const bytes = (original: number, reply: number) => ({ bytes: { original, reply } })

t.test('a session is counted from its SYN to its end, and told of when its entry goes', async (t) => {
  const sessions = start()
  sessions.hear(entryOf(1), 1000)
  t.match(sessions.servers(), [{ mark, sessions: 1, maximumSessions: 1, totalSessions: 0 }])
  sessions.hear(updateOf(1, 'syn-received'), 1001)
  sessions.hear(updateOf(1, 'established'), 1002)
  sessions.hear(updateOf(1, 'established'), 1003)
  t.match(sessions.servers(), [{ sessions: 1, totalSessions: 1 }])
  sessions.hear(updateOf(1, 'time-wait'), 5000)
  t.match(sessions.servers(), [{ sessions: 0, maximumSessions: 1, totalSessions: 1 }])
  t.same(sessions.hear(destroyOf(1, 'time-wait', bytes(300, 4000)), 15_000), {
    mark,
    reason: 'closed',
    duration: 4000,
    bytesIn: 300,
    bytesOut: 4000,
  })
  t.match(sessions.servers(), [{ bytesIn: 300, bytesOut: 4000 }])
  t.match(sessions.listeners(), [{ mark: 0xb1004000, sessions: 0, maximumSessions: 1, totalSessions: 1 }])
  t.same(sessions.listeners()[0]?.ends, { closed: 1 })
  t.equal(sessions.known(), 0)
})

t.test('how a session ends is told as far as the kernel knows', async (t) => {
  const endings: readonly (readonly [string, readonly TrackedEntry[]])[] = [
    ['reset', [updateOf(1, 'established'), updateOf(1, 'close')]],
    ['timeout', [updateOf(1, 'established'), destroyOf(1, 'established')]],
    ['deleted', [updateOf(1, 'established'), destroyOf(1, 'established', { remaining: 300 })]],
    ['client-left', [updateOf(1, 'syn-received'), destroyOf(1, 'syn-received')]],
    ['client-left', [updateOf(1, 'syn-received'), updateOf(1, 'close')]],
    ['closed', [updateOf(1, 'time-wait')]],
  ]
  for (const [reason, entries] of endings) {
    const sessions = start()
    sessions.hear(entryOf(1), 0)
    for (const entry of entries) sessions.hear(entry, 10)
    t.same(sessions.listeners()[0]?.ends, { [reason]: 1 })
    t.match(sessions.servers(), [{ sessions: 0, totalSessions: reason === 'client-left' ? 0 : 1, connectFailures: 0 }])
  }
})

t.test('a refused attempt and one that nobody answers are failures, and an answer ends the row', async (t) => {
  const sessions = start()
  sessions.hear(entryOf(1), 0)
  sessions.hear(destroyOf(1, 'close', { hasReply: false, remaining: 100, ...bytes(60, 40) }), 1)
  t.match(sessions.servers(), [{ sessions: 0, connectFailures: 1, refusedConnects: 1, failuresInARow: 1 }])
  sessions.hear(entryOf(2), 0)
  sessions.hear(destroyOf(2, 'syn-sent', { hasReply: false }), 5000)
  t.match(sessions.servers(), [{ sessions: 0, connectFailures: 2, refusedConnects: 1, failuresInARow: 2 }])
  sessions.hear(entryOf(3), 0)
  sessions.hear(updateOf(3, 'syn-received'), 1)
  t.match(sessions.servers(), [{ sessions: 1, connectFailures: 2, failuresInARow: 0 }])
  t.same(sessions.listeners()[0]?.ends, {}, 'none of them was a session')
})

t.test('what a client or an operator does to an attempt is no failure of the server', async (t) => {
  const sessions = start()
  sessions.hear(entryOf(1), 0)
  sessions.hear(destroyOf(1, 'close', { hasReply: false, remaining: 100, ...bytes(100, 0) }), 1)
  sessions.hear(entryOf(2), 0)
  sessions.hear(destroyOf(2, 'syn-sent', { hasReply: false, remaining: 100 }), 1)
  t.match(sessions.servers(), [{ sessions: 0, connectFailures: 0, failuresInARow: 0 }])
})

t.test('an attempt is given up at the limit of its listener, once, and no sooner if it was answered', async (t) => {
  const sessions = start()
  sessions.hear(entryOf(1), 0)
  sessions.hear(entryOf(2), 100)
  sessions.hear(entryOf(3), 0)
  sessions.hear(updateOf(3, 'syn-received'), 1)
  t.same(sessions.attempts(mark).length, 2)
  t.same(
    sessions.overdue(4999, () => 5000),
    [],
  )
  const [first] = sessions.overdue(5000, () => 5000)
  t.match(first, { id: entryOf(1).id, mark, begunAt: 0 })
  t.same(Buffer.from(first?.original ?? []), entryOf(1).original)
  t.same(
    sessions.overdue(5001, () => 5000),
    [],
  )
  t.match(sessions.servers(), [{ sessions: 2, connectFailures: 1, refusedConnects: 0 }])
  sessions.hear(destroyOf(1, 'syn-sent', { hasReply: false, remaining: 100 }), 5001)
  t.match(sessions.servers(), [{ sessions: 2, connectFailures: 1 }])
  t.equal(sessions.known(), 2)
})

t.test('a session that this program ends has its reason, and an attempt that it withdraws has none', async (t) => {
  const sessions = start()
  sessions.hear(entryOf(1), 100)
  sessions.hear(updateOf(1, 'established'), 101)
  sessions.hear(entryOf(2), 0)
  t.equal(sessions.begunAt(entryOf(1)), 100)
  t.equal(sessions.end(entryOf(1), 'server-down', 200), true)
  t.equal(sessions.end(entryOf(1), 'server-down', 200), false)
  t.equal(sessions.end(entryOf(2), 'server-down', 200), false)
  t.equal(sessions.begunAt(entryOf(1)), null)
  t.match(sessions.hear(destroyOf(1, 'established', { remaining: 9, ...bytes(1, 2) }), 201), {
    reason: 'server-down',
    duration: 100,
    bytesOut: 2,
  })
  t.equal(sessions.hear(destroyOf(2, 'syn-sent', { hasReply: false, remaining: 9 }), 201), undefined)
  t.match(sessions.servers(), [{ sessions: 0, connectFailures: 0, totalSessions: 1 }])
  t.same(sessions.listeners()[0]?.ends, { 'server-down': 1 })
})

t.test(
  'the first list brings the sessions that live, with what they have moved; those that had ended are not counted',
  async (t) => {
    const sessions = start()
    sessions.beginList()
    sessions.list(updateOf(1, 'established', { startedAt: 50, ...bytes(10, 20) }), 1000)
    sessions.list(updateOf(2, 'time-wait', bytes(10, 20)), 1000)
    sessions.endList(false)
    t.match(sessions.servers(), [{ sessions: 1, totalSessions: 1, bytesIn: 10, bytesOut: 20 }])
    t.equal(sessions.begunAt(entryOf(1)), 50)
    t.equal(sessions.hear(destroyOf(2, 'time-wait', bytes(10, 20)), 1001), undefined)
    t.match(sessions.hear(destroyOf(1, 'established', bytes(15, 20)), 1050), { reason: 'timeout', duration: 1000 })
    t.match(sessions.servers(), [{ sessions: 0, totalSessions: 1, bytesIn: 15, bytesOut: 20 }])
  },
)

t.test('a session that the first list finds at its end, before its beginning is heard, is counted', async (t) => {
  const sessions = start()
  sessions.beginList()
  sessions.list(updateOf(1, 'time-wait'), 10)
  for (const entry of [entryOf(1), updateOf(1, 'established'), updateOf(1, 'time-wait')]) sessions.hear(entry, 10)
  sessions.endList(false)
  t.match(sessions.servers(), [{ sessions: 0, totalSessions: 1 }])
})

t.test(
  'a later list makes good what was not heard: ends without a word, and sessions that came and went',
  async (t) => {
    const sessions = start()
    sessions.beginList()
    sessions.endList(false)
    sessions.hear(entryOf(1), 0)
    sessions.hear(updateOf(1, 'established'), 0)
    sessions.beginList()
    sessions.list(updateOf(2, 'time-wait'), 10)
    sessions.list(updateOf(3, 'established'), 10)
    sessions.endList(true)
    t.match(sessions.servers(), [{ sessions: 2, totalSessions: 3 }], 'from a torn list follows nothing')
    sessions.beginList()
    sessions.list(updateOf(3, 'established'), 10)
    sessions.endList(false)
    t.match(sessions.servers(), [{ sessions: 1, totalSessions: 3 }])
    t.same(sessions.listeners()[0]?.ends, { closed: 1, unseen: 1 })
  },
)

t.test('without room sessions go on, and it is told how many are not known', async (t) => {
  const sessions = createSessions({ listenerMask, largest: 8 })
  for (let client = 0; client < 10; client += 1) sessions.hear(entryOf(client), 0)
  t.match([sessions.known(), sessions.unknown()], [6, 4])
  for (let client = 0; client < 10; client += 1) sessions.hear(destroyOf(client, 'time-wait'), 1)
  t.match(sessions.servers(), [{ sessions: 0, totalSessions: 6 }])
})

t.test('servers of one listener are counted together, and a mark that is no more is let go', async (t) => {
  const sessions = start()
  sessions.hear(entryOf(1), 0)
  sessions.hear(entryOf(2, { mark: mark + 1 }), 0)
  sessions.hear(entryOf(3, { mark: 0xb1008001 }), 0)
  t.match(sessions.listeners(), [
    { mark: 0xb1004000, sessions: 2 },
    { mark: 0xb1008000, sessions: 1 },
  ])
  sessions.hear(destroyOf(3, 'syn-sent', { mark: 0xb1008001, remaining: 1, hasReply: false }), 1)
  sessions.forget(0xb1008001)
  t.match(sessions.listeners(), [{ mark: 0xb1004000 }])
  t.equal(sessions.servers().length, 2)
})
