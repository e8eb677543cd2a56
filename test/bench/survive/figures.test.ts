import t from 'tap'
import { parseWanted } from './arguments.ts'
import { contestantNames } from './contestants.ts'
import { eventNames } from './events.ts'
import { broken, type SurviveRecord, summed, tablesOf } from './figures.ts'
import type { Kind, SeenSession } from './messages.ts'

const session = (kind: Kind, server: string, lost: SeenSession['lost'] = null): SeenSession => ({ kind, server, lost })
const record = (round: number, more: Partial<SurviveRecord> = {}): SurviveRecord => ({
  contestant: 'direct',
  event: 'power-cut',
  round,
  sessions: 24,
  lost: { idle: 0, waiting: 0, busy: 0 },
  reasons: [],
  pauseMs: 300,
  dead: null,
  ...more,
})

t.test('sessions are counted by what they did, with the reasons that clients had', async (t) => {
  const reset = { reason: 'ECONNRESET', at: 1500 }
  const sessions = [session('idle', 'db1', reset), session('waiting', 'db2', reset), session('busy', 'db1')]
  t.same(summed({ state: 'judged', sessions, longestPauseMs: 12.6 }, null), {
    sessions: 3,
    lost: { idle: 1, waiting: 1, busy: 0 },
    reasons: ['ECONNRESET'],
    pauseMs: 13,
    dead: null,
  })
})

t.test(
  'those of a server that died count for themselves: when the last one was told, or that one was not',
  async (t) => {
    const seen = (reason: string) =>
      summed(
        {
          state: 'judged',
          sessions: [
            session('idle', 'db1'),
            session('idle', 'db2', { reason: 'ECONNRESET', at: 1400 }),
            session('busy', 'db2', { reason, at: 1900 }),
          ],
          longestPauseMs: 0,
        },
        { server: 'db2', at: 1000, downAt: 1800 },
      )
    t.match(seen('closed-by-server'), {
      sessions: 1,
      lost: { idle: 0, busy: 0 },
      dead: { sessions: 2, downMs: 800, toldMs: 100 },
    })
    t.same(seen('silent').dead, { sessions: 2, downMs: 800, toldMs: null })
  },
)

t.test('the tables add what was lost, and tell the median and the most of the pauses', async (t) => {
  const lost = { idle: 8, waiting: 8, busy: 8 }
  const all = [
    ...[record(1), record(2, { pauseMs: 400 }), record(3, { pauseMs: 320 })],
    record(1, { contestant: 'keepalived', lost, pauseMs: 500 }),
    record(1, { event: 'server-power-cut', sessions: 12, dead: { sessions: 12, downMs: 1500, toldMs: 200 } }),
    record(2, { event: 'server-power-cut', sessions: 12, dead: { sessions: 12, downMs: 1700, toldMs: null } }),
  ]
  t.same(tablesOf(all), [
    '| sessions lost, of those to living servers | keepalived + HAProxy | direct |',
    '| --- | ---: | ---: |',
    '| power cut of the active balancer | 24 of 24 | 0 of 72 |',
    '| power cut of a server |  | 0 of 24 |',
    '',
    '| longest pause, ms: median (most) | keepalived + HAProxy | direct |',
    '| --- | ---: | ---: |',
    '| power cut of the active balancer | 500 (500) | 320 (400) |',
    '| power cut of a server |  | 300 (300) |',
    '',
    '| it is found down after ms: median (most) | keepalived + HAProxy | direct |',
    '| --- | ---: | ---: |',
    '| power cut of a server |  | 1600 (1700) |',
    '',
    '| its last client is told so many ms later: median (most) | keepalived + HAProxy | direct |',
    '| --- | ---: | ---: |',
    '| power cut of a server |  | 200 (200), not all in 1 of 2 |',
    '',
  ])
  t.same(tablesOf([]), [])
})

t.test('what was promised and not kept is told; nobody promised anything for others', async (t) => {
  const lost = { idle: 0, waiting: 2, busy: 1 }
  t.same(
    broken([record(1), record(2, { contestant: 'kernel', lost }), record(1, { contestant: 'keepalived', lost })]),
    [],
  )
  t.same(
    broken([
      record(2, { lost, reasons: ['ECONNRESET', 'silent'] }),
      record(1, { event: 'server-power-cut', dead: { sessions: 12, downMs: 1500, toldMs: null } }),
      record(2, { event: 'server-power-cut', dead: { sessions: 12, downMs: 1500, toldMs: 1000 } }),
      record(3, { event: 'server-power-cut', dead: { sessions: 12, downMs: 1500, toldMs: 1001 } }),
    ]),
    [
      'direct, power cut of the active balancer, round 2: lost 2 waiting, 1 busy (ECONNRESET, silent)',
      'direct, power cut of a server, round 1: not all clients of the dead server were told',
      'direct, power cut of a server, round 3: its last client was told 1001 ms after it was found down',
    ],
  )
})

t.test('the flags say what to measure, and a wrong one is refused', async (t) => {
  t.match(parseWanted([]), { contestants: contestantNames, events: eventNames, rounds: 2, minutes: 8, json: null })
  t.match(parseWanted(['--contestants', 'direct,keepalived', '--events', 'power-cut']), {
    contestants: ['keepalived', 'direct'],
    events: ['power-cut'],
  })
  t.throws(() => parseWanted(['--events', 'flood']), /there is no event "flood"; there are reload, upgrade/)
})
