import fc from 'fast-check'
import t from 'tap'
import type { Answer } from '../../../../../../balancer/admin/core/views/terminal/contents.ts'
import { frameOf } from '../../../../../../balancer/admin/core/views/terminal/frame.ts'
import { keysIn } from '../../../../../../balancer/admin/core/views/terminal/keys.ts'
import {
  beginning,
  isFreshIn,
  type Size,
  step,
  type WatchState,
} from '../../../../../../balancer/admin/core/views/terminal/watch.ts'
import { widthOf } from '../../../../../../balancer/admin/core/views/terminal/width.ts'
import { healthFact } from '../../../../pool/health-fact.ts'
import { eventful, beginning as nothing, statusAfter } from '../../model/status-scenes.ts'

const events: Answer['events'] = Array.from({ length: 40 }, (_, i) => ({
  ...{
    at: `2023-11-14T22:14:${String(i).padStart(2, '0')}.000Z`,
    level: 'info',
    text: `event ${i}`,
    ago: `${40 - i}s`,
  },
}))
const answer: Answer = { status: statusAfter(eventful), events }
const size = { columns: 100, rows: 30 }

const begun = (at: Size = size): WatchState => beginning('status', at, 0, 1000)
const answered = (state: WatchState, at: number, told: Answer = answer) =>
  step(state, { event: 'answered', at, answer: told })
const typed = (state: WatchState, keys: string): WatchState =>
  keysIn(keys).reduce((next, key) => step(next, { event: 'typed', at: next.now, key }), state)
const texts = (state: WatchState): readonly string[] =>
  frameOf(state).map((line) =>
    line
      .map(({ text }) => text)
      .join('')
      .trimEnd(),
  )
const shown = (state: WatchState): string => texts(state).join('\n')

/** A balancer with so many servers, of which one is down. */
const crowd = (count: number): Answer => {
  const [first] = answer.status.listeners
  const [server] = first?.servers ?? []
  if (first === undefined || server === undefined) throw new Error('the scene has a server')
  const servers = Array.from({ length: count }, (_, i) => ({
    ...server,
    name: `db${i}`,
    held_by: [],
    agent_trouble: null,
  }))
  const down = { ...server, name: 'broken', up: false, takes_sessions: false, status: 'DOWN' }
  return {
    ...answer,
    status: { ...answer.status, draining: [], listeners: [{ ...first, findings: [], servers: [...servers, down] }] },
  }
}

t.test('the whole has the verdict, the instances, the servers and the last events on one screen', async (t) => {
  const state = answered(begun({ columns: 130, rows: 45 }), 10)
  const lines = texts(state)
  t.match(lines[0], /^lb1 +\[1 status\] 2 servers .* 2023-11-14 22:15:00Z$/)
  t.match(lines[1], /^✖ Trouble: holds 198\.18\.0\.100, 1 of 3 servers up$/)
  t.match(lines.at(-1), /^q quit/)
  const at = (pattern: RegExp): number => lines.findIndex((line) => pattern.test(line))
  const order = [
    /^INSTANCE/,
    /^VI_1 +MASTER/,
    /^SERVER/,
    /^mysql\/db1 +UP writer/,
    /^AGO/,
    /event 39$/,
    /event 38$/,
  ].map(at)
  t.same(
    order,
    order.toSorted((one, other) => one - other),
  )
  t.notOk(order.includes(-1), shown(state))
})

t.test('where a thousand servers have no room, those that are not well come first, and five events stay', async (t) => {
  const state = answered(begun({ columns: 80, rows: 24 }), 10, crowd(1000))
  t.match(shown(state), /\nSERVER .*\nmysql\/broken +DOWN/)
  t.match(texts(state).filter((line) => /event \d+$/.test(line)).length, 5)
  t.match(shown(typed(state, 'G')), /\nline \d{3,} of 100\d {2}q quit/)
  t.match(shown(typed(state, 'G')), /\nSERVER/, 'the head of the table stays')
})

t.test(
  'before the first answer it says that it asks; without one, why, since when, and how old what it shows is',
  async (t) => {
    t.match(shown(begun()), /\nasking the balancer\n/)
    const failed = step(begun(), { event: 'failed', at: 2000, text: 'no balancer answers at /run/x.sock' })
    t.match(shown(failed), /\n✖ No answer for 0ms\n\nno balancer answers at \/run\/x\.sock\n/)
    const lost = step(answered(begun(), 1000), { event: 'failed', at: 3000, text: 'no balancer answers' })
    const later = step(lost, { event: 'failed', at: 14_000, text: 'no balancer answers' })
    t.match(shown(later), /\n✖ No answer for 11s; below is what it said 13s ago\n\nno balancer answers\n/)
    t.match(shown(later), /mysql\/db1 +UP writer/)
    t.notMatch(shown(answered(later, 15_000)), 'No answer')
  },
)

t.test('what was not there at the last look stands out for five seconds, and nothing does at the first', async (t) => {
  const first = answered(begun(), 1000)
  const marks = (state: WatchState) =>
    frameOf(state).flatMap((line) => line.filter(({ mark }) => mark !== undefined && isFreshIn(state)(mark)))
  t.same(marks(first), [])
  t.same(marks(answered(first, 2000)), [])
  const news: Answer = {
    status: statusAfter([...eventful, healthFact('db1', { up: false, health: { value: 0, rise: 2, fall: 3 } })]),
    events: [
      ...events,
      { at: '2023-11-14T22:15:00.000Z', level: 'warn', text: 'Server mysql/db1 is DOWN', ago: '0ms' },
    ],
  }
  const changed = answered(first, 3000, news)
  const standOut = marks(changed).map(({ text }) => text.trim())
  t.ok(standOut.includes('DOWN writer'), standOut.join('|'))
  t.ok(
    standOut.some((text) => text.startsWith('Server mysql/db1')),
    standOut.join('|'),
  )
  t.notOk(standOut.some((text) => text.startsWith('MASTER')))
  t.ok(marks(answered(changed, 7000, news)).length > 0)
  t.same(marks(answered(changed, 8001, news)), [])
  t.ok(marks(answered(changed, 4000)).length > 0, 'the way back is a change as well')
})

t.test('keys: views by number and in turn, scrolling between both ends, pause and end', async (t) => {
  const state = answered(begun(), 10)
  t.match(shown(typed(state, '5')), /\[5 events\][\s\S]*\nAGO +AT +EVENT\n1s .*event 39\n/)
  t.match(shown(typed(state, '3')), /\[3 vrrp\][\s\S]*CONFIGURATION ERROR: lb2 \(198\.18\.0\.2\)/)
  t.match(shown(typed(state, '4')), /\[4 sessions\][\s\S]*LISTENER/)
  t.match(shown(typed(state, '6')), /\[6 peers\][\s\S]*NOT CONNECTED/)
  t.equal(typed(state, '\t\t').view, 'vrrp')
  t.equal(typed(state, '\x1b[Z').view, 'peers')
  t.equal(typed(state, '9').view, 'status')
  const down = typed(state, '5jjj')
  t.match(shown(down), /\nAGO .*\n4s .*event 36\n/)
  t.match(texts(down).at(-1), /^line 4 of 40 {2}q quit/)
  t.equal(typed(down, 'kkkkkk').scroll, 0)
  t.equal(typed(down, 'G').scroll, typed(down, `G${'j'.repeat(9)}`).scroll)
  t.equal(typed(down, '2').scroll, 0)
  const paused = typed(state, 'p')
  t.match(texts(paused)[1], /^PAUSED ✖ Trouble/)
  t.notOk(typed(paused, 'p').isPaused)
  t.ok(typed(paused, 'q').isOver)
})

t.test(
  'whatever the size of the window, each line is as wide as it at most, and there are as many as it has',
  async (t) => {
    const answers = [answer, crowd(60), { status: nothing(), events: [] }, null]
    const sizes = fc.record({ columns: fc.integer({ min: 1, max: 180 }), rows: fc.integer({ min: 1, max: 60 }) })
    const keys = fc.string({
      unit: fc.constantFrom('1', '2', '3', '4', '5', '6', 'j', 'k', ' ', 'G', 'p'),
      maxLength: 6,
    })
    const texts = fc.constantFrom(
      null,
      'no balancer answers at /run/balancer/admin.sock; is it running? systemctl status balancer',
    )
    fc.assert(
      fc.property(fc.constantFrom(...answers), sizes, sizes, keys, texts, (told, first, then, pressed, trouble) => {
        let state = told === null ? begun(first) : answered(begun(first), 10, told)
        state = step(typed(state, pressed), { event: 'resized', at: 20, size: then })
        if (trouble !== null) state = step(state, { event: 'failed', at: 30, text: trouble })
        const frame = frameOf(state)
        t.equal(frame.length, then.rows)
        const wide = frame.filter((line) => widthOf(line.map(({ text }) => text).join('')) > then.columns)
        t.same(wide, [])
      }),
      { numRuns: 150 },
    )
  },
)
