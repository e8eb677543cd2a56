import fc from 'fast-check'
import t from 'tap'
import { eventText, readStream, type StreamEvent, streamStart } from '../../shared/health-stream.ts'
import { report } from '../agent/samples.ts'

const news: StreamEvent = { event: 'report', status: 200, report: report() }
const all: readonly StreamEvent[] = [
  news,
  { event: 'heartbeat' },
  {
    event: 'report',
    status: 503,
    report: report({ verdict: 'fail', reason: { code: 'timeout', text: 'spät, "zu" spät' } }),
  },
  { event: 'goodbye', reason: 'moved' },
]
const text = all.map(eventText).join('')

/** Reads pieces that come `gap` milliseconds apart; what follows a fault is not read. */
const readAll = (pieces: readonly string[], gap = 0) => {
  let state = streamStart(0)
  const events: StreamEvent[] = []
  for (const [i, piece] of pieces.entries()) {
    const step = readStream(state, piece, i * gap)
    state = step.state
    events.push(...step.events)
    if (step.fault !== null) return { events, fault: step.fault }
  }
  return { events, fault: null }
}

t.test('what is written is read, however it is cut into pieces', async (t) => {
  const whole = readAll([text])
  t.same(whole, { events: all, fault: null })
  fc.assert(
    fc.property(fc.array(fc.nat({ max: text.length }), { maxLength: 20 }), (cuts) => {
      const places = [0, ...cuts.sort((a, b) => a - b), text.length]
      const pieces = places.slice(1).map((end, i) => text.slice(places[i], end))
      return JSON.stringify(readAll(pieces)) === JSON.stringify(whole)
    }),
  )
  t.same(readAll([...text]), { events: all, fault: null }, 'a character at a time')
})

t.test('lines may end as in HTTP; comments, unknown fields and unknown events are passed over', async (t) => {
  const others = ': a comment\nid: 7\nretry: 1000\nfuture\n\nevent: weather\ndata: rain\n\nevent: heartbeat\n\n'
  t.same(readAll([others]).events, [{ event: 'heartbeat' }])
  t.same(readAll([text.replace(/\n/g, '\r\n')]), { events: all, fault: null })
  const split = eventText({ event: 'goodbye', reason: 'moved' }).replace('"reason":', '"reason":\ndata: ')
  t.same(readAll([split]).events, [{ event: 'goodbye', reason: 'moved' }], 'data over several lines')
  t.same(readAll(['event: goodbye\ndata: {"reason":"tired"}\n\n']).events, [{ event: 'goodbye', reason: 'unknown' }])
})

t.test('what is malformed has a name, and what came before it counts', async (t) => {
  const good = eventText({ event: 'heartbeat' })
  const cases: readonly (readonly [string, string])[] = [
    ['event: report\ndata: {"status":\n\n', 'not-json'],
    ['event: report\n\n', 'not-json'],
    ['event: report\ndata: {"status":200}\n\n', 'wrong-shape'],
    [eventText(news).replace('"status":200', '"status":302'), 'wrong-shape'],
    ['event: goodbye\ndata: 7\n\n', 'wrong-shape'],
    ['x'.repeat(20_000), 'line-too-long'],
    [`data: ${'x'.repeat(20_000)}\n`, 'line-too-long'],
    [`data: ${'x'.repeat(9000)}\n`.repeat(2), 'event-too-long'],
    ['\n'.repeat(10_000), 'flood'],
    [good.repeat(3000), 'flood'],
    [':\n'.repeat(10_000), 'flood'],
  ]
  for (const [bytes, fault] of cases) {
    const read = readAll([good, bytes])
    t.equal(read.fault, fault, `${JSON.stringify(bytes.slice(0, 40))}: ${fault}`)
    t.same(read.events[0], { event: 'heartbeat' })
  }
})

t.test('heartbeats that waited while this host was stopped are no flood; an endless stream of them is', async (t) => {
  const beat = eventText({ event: 'heartbeat' })
  t.equal(readAll([beat.repeat(600)]).fault, null, 'a minute of ten a second, all at once')
  t.equal(
    readAll(
      Array.from({ length: 5000 }, () => beat),
      100,
    ).fault,
    null,
    'ten a second for ever',
  )
  t.equal(
    readAll(
      Array.from({ length: 50_000 }, () => beat),
      1,
    ).fault,
    'flood',
    'a thousand a second',
  )
})

t.test('no text makes the state grow beyond a line and an event, or throws', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.string(), fc.constant('\n'), fc.constant('data: x'), fc.constant(text))),
      (pieces) => {
        let state = streamStart(0)
        for (const piece of pieces) {
          const step = readStream(state, piece, 0)
          if (step.fault !== null) return true
          state = step.state
        }
        return state.line.length < 20_000 && state.data.length < 20_000
      },
    ),
  )
})
