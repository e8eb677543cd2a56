import fc from 'fast-check'
import t from 'tap'
import { millis } from '../../../balancer/core/time.ts'
import { alarmFor, isDecided, paceUnder } from '../../../balancer/health/core/alarm.ts'
import { intervalFor } from '../../../balancer/health/core/schedule.ts'
import { readHead } from '../../../balancer/health/core/stream-head.ts'
import {
  stepWatch,
  type WatchEvent,
  type WatchState,
  watchDeadline,
  watchStart,
} from '../../../balancer/health/core/watch.ts'

const pace = { heartbeat: millis(200), timeout: millis(2000) }
type What = WatchEvent extends infer E ? (E extends WatchEvent ? Omit<E, 'now' | 'spread'> : never) : never

/** A stream in the hands of a test: what happens at which moment, and the effects of all so far. */
const stream = (spread = 0.5) => {
  let state: WatchState = watchStart
  const effects: string[] = []
  return {
    state: () => state,
    due: () => watchDeadline(state, pace),
    effects,
    at: (now: number, what: What) => {
      const step = stepWatch(state, { ...what, now: millis(now), spread }, pace)
      state = step.state
      effects.push(...step.effects.map((one) => (one.effect === 'lost' ? `lost ${one.why}` : one.effect)))
    },
  }
}
const offer = { event: 'offered', isOffered: true } as const
const deadline = { event: 'deadline' } as const

t.test('it connects when offered, and is lost when four heartbeats are missed, not before', async (t) => {
  const one = stream()
  one.at(0, deadline)
  t.equal(one.due(), null, 'nobody offers, nothing is due')
  one.at(10, offer)
  one.at(11, offer)
  t.same(one.effects, ['connect'], 'once')
  one.at(20, { event: 'opened' })
  one.at(500, { event: 'heard' })
  one.at(1299, deadline)
  t.same(one.effects, ['connect'])
  one.at(1300, deadline)
  t.same(one.effects, ['connect', 'disconnect', 'lost silent'])
  t.equal(one.due(), 1300 + 500)
  one.at(1800, deadline)
  t.same(one.effects.slice(3), ['connect'])
})

t.test('the waits between tries grow, are spread, and begin anew after a stream that lived', async (t) => {
  const waits = (spread: number): readonly number[] => {
    const one = stream(spread)
    one.at(0, offer)
    return Array.from({ length: 8 }, () => {
      one.at(0, { event: 'over', why: 'ended' })
      const due = one.due() ?? 0
      const { is } = one.state()
      one.at(due, deadline)
      const wait = is === 'waiting' ? due : -1
      one.at(0, { event: 'opened' })
      return wait
    })
  }
  t.same(waits(0.5), [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000])
  t.same(waits(0), [250, 500, 1000, 2000, 4000, 5000, 5000, 5000])
  const one = stream()
  one.at(0, offer)
  one.at(0, { event: 'over', why: 'ended' })
  one.at(500, deadline)
  one.at(500, { event: 'opened' })
  one.at(60_000, { event: 'heard' })
  one.at(60_000, { event: 'over', why: 'ended' })
  t.equal(one.due(), 60_250)
})

t.test('who sends nonsense or refuses waits for a minute; who was away and answers again does not', async (t) => {
  for (const why of ['fault', 'refused'] as const) {
    const one = stream()
    one.at(0, offer)
    one.at(0, { event: 'over', why })
    one.at(10, offer)
    t.equal(one.due(), 60_000, why)
    one.at(20, { event: 'offered', isOffered: false })
    t.equal(one.due(), null, 'an answer without the offer ends the tries')
  }
  const away = stream()
  away.at(0, offer)
  for (let now = 0; now < 60_000; now = away.due() ?? now) {
    away.at(now, deadline)
    away.at(now, { event: 'over', why: 'ended' })
  }
  const due = away.due() ?? 0
  away.at(due - 5000, offer)
  t.equal(away.due(), due - 5000 + 250)
})

t.test('no order of events connects twice, or tells of a loss without a stream', async () => {
  const events: readonly What[] = [
    offer,
    { event: 'offered', isOffered: false },
    { event: 'opened' },
    { event: 'heard' },
    { event: 'over', why: 'ended' },
    { event: 'over', why: 'goodbye' },
    { event: 'over', why: 'fault' },
    deadline,
  ]
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 3000 }), fc.constantFrom(...events))), (happenings) => {
      const one = stream()
      let now = 0
      for (const [gap, what] of happenings) {
        now += gap
        const wasOpen = one.state().is === 'open'
        const before = one.effects.length
        one.at(now, what)
        const news = one.effects.slice(before)
        if (!wasOpen && news.some((effect) => effect.startsWith('lost'))) return false
        const due = one.due()
        if (one.state().is === 'idle' ? due !== null : due === null) return false
      }
      const sockets = one.effects.reduce(
        (open, effect) => open + Number(effect === 'connect') - Number(effect === 'disconnect'),
        0,
      )
      return sockets === Number(['opening', 'open'].includes(one.state().is))
    }),
  )
})

t.test('a silent host is asked at once and quickly, an agent that ended its stream at the usual pace', async (t) => {
  const usual = { interval: millis(2000) }
  const changing = ['changing', 'up'] as const
  t.equal(intervalFor(paceUnder(alarmFor('silent', usual, millis(200)), usual), changing), 200)
  t.equal(intervalFor(paceUnder(alarmFor('ended', usual, millis(200)), usual), changing), 2000)
  const fast = { ...usual, fast_interval: millis(500) }
  for (const why of ['silent', 'ended'] as const) t.equal(alarmFor(why, fast, millis(200)).again, 500)
  t.same([isDecided(['up', 'down']), isDecided(changing)], [true, false])
})

t.test('only the head of an event stream begins one', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n'
  t.same(readHead(`${ok}event: x`), { is: 'stream', rest: 'event: x' })
  for (let i = 0; i < ok.length; i += 1) t.equal(readHead(ok.slice(0, i)).is, 'unfinished')
  t.equal(readHead(ok.replace('200', '503')).is, 'refused')
  t.equal(readHead(ok.replace('event-stream', 'html')).is, 'refused')
  t.equal(readHead(ok.replace('\r\n\r\n', '\r\nTransfer-Encoding: chunked\r\n\r\n')).is, 'malformed')
  t.equal(readHead('220 hello\r\n\r\n').is, 'malformed')
  t.equal(readHead('x'.repeat(10_000)).is, 'malformed')
})
