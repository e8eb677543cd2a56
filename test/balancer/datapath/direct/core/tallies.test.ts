import t from 'tap'
import { createTallies } from '../../../../../balancer/datapath/direct/core/tallies.ts'

t.test('looks are counted by server and for all', (t) => {
  const tallies = createTallies()
  tallies.look(
    new Map([
      [1, 3],
      [2, 1],
    ]),
    new Map([
      [1, 3],
      [2, 1],
    ]),
  )
  tallies.look(new Map([[1, 1]]), new Map([[1, 2]]))
  tallies.fail(new Map([[2, 3]]))
  t.same(tallies.server(1), { sessions: 1, maximumSessions: 3, totalSessions: 5, connectFailures: 0 })
  t.same(tallies.server(2), { sessions: 0, maximumSessions: 1, totalSessions: 1, connectFailures: 3 })
  t.same(tallies.server(undefined), { sessions: 0, maximumSessions: 0, totalSessions: 0, connectFailures: 0 })
  tallies.end('closed')
  tallies.end('closed')
  tallies.end('ordered')
  t.same(tallies.all(), {
    sessions: 1,
    maximumSessions: 4,
    totalSessions: 6,
    connectFailures: 3,
    ends: { closed: 2, ordered: 1 },
  })
  t.end()
})
